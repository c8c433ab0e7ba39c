import { refuse, type Refusal } from '../../protocol/errors.ts'
import { defaults, furthestMs, payloadLength, type Job, type JobOptions, type NewJob } from '../model/job.ts'
import { isSamePayload } from '../model/payload.ts'
import { isTimed, phases, readyRank, stateOf, type JobState } from '../model/phase.ts'
import { awaited, awaitStandIns, findCycle, placeBlocked } from './dependencies.ts'
import { placeKeyed } from './key-queue.ts'
import type { QueueStores } from './stores.ts'
import { claimName, findStandIns, holdName, replaceJob } from './unique-names.ts'

/** The answer for one enqueued job. */
export interface Receipt {
  readonly id: string
  readonly state: JobState
  /** When it is due; of a job that does not wait for a time, when it entered its state. */
  readonly dueAt: number
  readonly duplicate: boolean
}

export type EnqueueResult = { readonly kind: 'enqueued'; readonly receipts: readonly Receipt[] } | Refusal

/** Accepts jobs, all or none; the same id again is the same job. */
export function enqueue(stores: QueueStores, wanted: readonly NewJob[], now: number): EnqueueResult {
  const decision = decideEnqueue(stores, wanted, now)
  if (decision.kind === 'refused') return decision
  return { kind: 'enqueued', receipts: decision.entries.map((entry) => accept(stores, entry, now)) }
}

function accept(stores: QueueStores, entry: EnqueueEntry, now: number): Receipt {
  if (entry.kind === 'known') {
    const job = entry.job ?? stores.jobs.get(entry.id)
    return job === undefined
      ? { id: entry.id, state: 'done', dueAt: now, duplicate: true }
      : { id: entry.id, state: stateOf(job.phase), dueAt: dueAt(job), duplicate: true }
  }
  const { job: wanted, waitsFor, replaces } = entry
  if (replaces !== undefined) replaceJob(stores, replaces, wanted.id, now)
  const job = place(stores, wanted, waitsFor, now)
  if (wanted.unique) holdName(stores, wanted.unique, job.id, now)
  return { id: job.id, state: stateOf(job.phase), dueAt: dueAt(job), duplicate: false }
}

const dueAt = ({ phase, rank, since }: Job): number => (isTimed(phase) ? rank : since)

/** What is done about one job of an enqueue. */
type EnqueueEntry =
  | {
      readonly kind: 'new'
      readonly job: NewJob
      readonly waitsFor: readonly string[]
      readonly replaces: Job | undefined
    }
  | { readonly kind: 'known'; readonly id: string; readonly job: Job | undefined }

/** All jobs are accepted, or none. */
type EnqueueDecision = { readonly kind: 'accepted'; readonly entries: readonly EnqueueEntry[] } | Refusal

/** Jobs of one enqueue. */
export const maxBatch = 1000

/** Decides what an enqueue does; writes nothing, so that a refusal leaves no job accepted. */
function decideEnqueue(stores: QueueStores, wanted: readonly NewJob[], now: number): EnqueueDecision {
  if (wanted.length > maxBatch) return refuse('invalidPayload', `jobs: at most ${maxBatch} together`)
  const waits = wanted.some(({ after }) => after !== undefined)
  const cycle = waits ? findCycle(wanted.map(({ id, after = [] }) => ({ id, after }))) : undefined
  if (cycle !== undefined) return refuse('invalidPayload', `after: ${cycle.join(' waits for ')}`)

  const isThrottled = wanted.some(({ unique }) => unique?.mode === 'throttle')
  const standIns = isThrottled ? findStandIns(stores, wanted, now) : none
  const batch = { before: new Map(), names: new Map(), all: wanted, standIns, now }
  const entries: EnqueueEntry[] = []
  for (const job of wanted) {
    const entry = decideOne(stores, standIns.size === 0 ? job : awaitStandIns(job, standIns), batch)
    if (entry.kind === 'refused') return entry
    entries.push(entry)
  }
  return { kind: 'accepted', entries }
}

const none: ReadonlyMap<string, string> = new Map()

/** The rest of the enqueue: the jobs before this one by id, the unique names they took, and all jobs. */
interface EnqueueBatch {
  readonly before: Map<string, NewJob>
  readonly names: Map<string, string>
  readonly all: readonly NewJob[]
  readonly standIns: ReadonlyMap<string, string>
  readonly now: number
}

function decideOne(stores: QueueStores, job: NewJob, batch: EnqueueBatch): EnqueueEntry | Refusal {
  const twin = batch.before.get(job.id)
  const known = stores.jobs.get(job.id)
  const original = known ?? twin
  if (original !== undefined) return isSame(original, job) ? { kind: 'known', id: job.id, job: known } : isAnother(job)
  batch.before.set(job.id, job)

  const bad = badShape(job, batch.now)
  if (bad !== undefined) return bad
  // It is not added, so what it waits for is not checked: a repeated request would be refused for what happened since.
  const standIn = batch.standIns.get(job.id)
  if (standIn !== undefined) return { kind: 'known', id: standIn, job: stores.jobs.get(standIn) }
  const waitsFor = job.after === undefined ? [] : awaited(stores, job, batch.all)
  if ('kind' in waitsFor) return waitsFor
  if (!job.unique) return asNew(job, waitsFor)
  const claim = claimName(stores, job, job.unique, batch.names, batch.now)
  return claim.kind === 'refused' ? claim : asNew({ ...job, runAt: claim.runAt }, waitsFor, claim.replaces)
}

const asNew = (job: NewJob, waitsFor: readonly string[], replaces?: Job): EnqueueEntry => ({
  kind: 'new',
  job,
  waitsFor,
  replaces,
})

/** The same id is the same job if it means the same work. */
const isSame = (known: Pick<NewJob, 'type' | 'payload'>, { type, payload }: NewJob): boolean =>
  known.type === type && isSamePayload(known.payload, payload)

const isAnother = ({ id }: NewJob): Refusal => refuse('conflict', `job ${id} exists with another payload`)

function badShape({ id, payload, runAt }: NewJob, now: number): Refusal | undefined {
  if (payload.length > payloadLength)
    return refuse('tooLarge', `payload of ${id}: at most ${payloadLength} characters, got ${payload.length}`)
  if (runAt > now + furthestMs) return refuse('invalidPayload', 'deliverAt, runAt: at most 90 days ahead')
  return undefined
}

/** A new job, before it is placed. */
function toJob(wanted: NewJob, now: number): Omit<Job, 'seq'> {
  const options = optionsOf(wanted)
  return {
    id: wanted.id,
    type: wanted.type,
    payload: wanted.payload,
    phase: phases.delayed,
    rank: wanted.runAt,
    key: options.key,
    attempts: 0,
    run: 0,
    workerRun: null,
    permitted: false,
    madeAt: now,
    since: now,
    progress: 0,
    note: '',
    result: null,
    options,
    traceparent: wanted.traceparent ?? null,
  }
}

/** The options of a new job, complete; `defaults` itself, which is not stored, when it gives none. */
function optionsOf(wanted: NewJob): JobOptions {
  const { id: _i, type: _t, payload: _p, runAt: _r, traceparent: _trace, ...given } = wanted
  return Object.keys(given).length === 0 ? defaults : { ...defaults, ...given }
}

/** Adds a job in the phase it belongs to, with one write. */
function place(stores: QueueStores, wanted: NewJob, waitsFor: readonly string[], now: number): Job {
  const job = toJob(wanted, now)
  if (waitsFor.length > 0) return placeBlocked(stores, job, waitsFor, now)
  if (wanted.runAt > now) return stores.jobs.add(job)
  if (job.key === null)
    return stores.jobs.add({
      ...job,
      phase: phases.ready,
      rank: readyRank(job.options.priority, stores.jobs.nextOrder()),
    })
  return placeKeyed(stores, job, job.key, now)
}
