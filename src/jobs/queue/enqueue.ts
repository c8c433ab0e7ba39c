import { byteLength } from '../../kernel/text.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import type { QueueStores } from './stores.ts'
import { furthestMs, optionsOf, payloadBytes, type Job, type NewJob, type Unique } from '../model/job.ts'
import { isSamePayload } from '../model/payload.ts'
import { hasEnded, phases } from '../model/phase.ts'

/** What is done about one job of an enqueue. */
export type EnqueueEntry =
  | {
      readonly kind: 'new'
      readonly job: NewJob
      readonly waitsFor: readonly string[]
      readonly replaces: Job | undefined
    }
  | { readonly kind: 'known'; readonly id: string; readonly job: Job | undefined }

/** All jobs are accepted, or none. */
export type EnqueueDecision = { readonly kind: 'accepted'; readonly entries: readonly EnqueueEntry[] } | Refusal

/** Jobs of one enqueue, and jobs that one may wait for. */
export const maxBatch = 1000
export const maxAwaited = 100

/** Decides what an enqueue does; writes nothing, so that a refusal leaves no job accepted. */
export function decideEnqueue(stores: QueueStores, wanted: readonly NewJob[], now: number): EnqueueDecision {
  if (wanted.length > maxBatch) return refuse('invalidPayload', `jobs: at most ${maxBatch} together`)
  const cycle = findCycle(wanted.map(({ id, after = [] }) => ({ id, after })))
  if (cycle !== undefined) return refuse('invalidPayload', `after: ${cycle.join(' waits for ')}`)

  const before = new Map<string, NewJob>()
  const names = new Map<string, string>()
  const standIns = findStandIns(stores, wanted, now)
  const entries: EnqueueEntry[] = []
  for (const job of wanted) {
    const entry = decideOne(stores, awaitStandIns(job, standIns), { before, names, all: wanted, standIns, now })
    if (entry.kind === 'refused') return entry
    entries.push(entry)
  }
  return { kind: 'accepted', entries }
}

/** Throttled jobs that are not added, since another job holds their unique name, and the id of that job. */
function findStandIns(stores: QueueStores, wanted: readonly NewJob[], now: number): ReadonlyMap<string, string> {
  const throttled = wanted.flatMap(({ id, unique }) => {
    if (unique?.mode !== 'throttle' || stores.jobs.get(id) !== undefined) return []
    const held = stores.uniques.get(unique.name)
    return held !== undefined && held.until > now ? [[id, held.job] as const] : []
  })
  return new Map(throttled)
}

/** A job that waits for one that is not added waits for the holder of its unique name instead. */
function awaitStandIns(job: NewJob, standIns: ReadonlyMap<string, string>): NewJob {
  if (job.after?.some((id) => standIns.has(id)) !== true) return job
  return { ...job, after: job.after.map((id) => standIns.get(id) ?? id) }
}

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
  const waitsFor = awaited(stores, job, batch)
  if ('kind' in waitsFor) return waitsFor
  return job.unique ? decideUnique(stores, job, job.unique, waitsFor, batch) : asNew(job, waitsFor)
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
  const bytes = byteLength(payload)
  if (bytes > payloadBytes) return refuse('tooLarge', `payload of ${id}: ${bytes} bytes, at most ${payloadBytes}`)
  if (runAt > now + furthestMs) return refuse('invalidPayload', 'deliverAt, runAt: at most 90 days ahead')
  return undefined
}

/** The jobs it still has to wait for. An unknown one, or one that has failed, is refused at once. */
function awaited(stores: QueueStores, job: NewJob, { all }: EnqueueBatch): readonly string[] | Refusal {
  const ids = [...new Set(job.after)]
  if (ids.length > maxAwaited) return refuse('invalidPayload', `after: at most ${maxAwaited} jobs`)
  const open: string[] = []
  for (const id of ids) {
    const other = stores.jobs.get(id)
    if (other === undefined && !all.some((other) => other.id === id))
      return refuse('invalidPayload', `after: there is no job ${id} in this queue`)
    if (other !== undefined && hasEnded(other.phase)) {
      if (other.phase !== phases.done && job.evenIfFailed !== true)
        return refuse('invalidPayload', `after: job ${id} did not succeed`)
    } else open.push(id)
  }
  return open
}

function decideUnique(
  stores: QueueStores,
  job: NewJob,
  unique: Unique,
  waitsFor: readonly string[],
  { names, now }: EnqueueBatch,
): EnqueueEntry | Refusal {
  const held = stores.uniques.get(unique.name)
  const holder = held === undefined ? undefined : stores.jobs.get(held.job)
  const other = names.get(unique.name)
  if (other !== undefined) return refuse('conflict', `unique: jobs ${other} and ${job.id} both want ${unique.name}`)
  names.set(unique.name, job.id)

  const isOpen = holder !== undefined && !hasEnded(holder.phase)
  switch (unique.mode) {
    case 'reject':
      return isOpen ? refuse('conflict', `unique: ${unique.name} is held by job ${holder.id}`) : asNew(job, waitsFor)
    case 'throttle':
      return asNew(job, waitsFor)
    case 'replace':
      return asNew(job, waitsFor, isOpen && holder.phase !== phases.active ? holder : undefined)
    case 'debounce': {
      const later = { ...job, runAt: Math.max(job.runAt, now + (unique.seconds ?? 0) * 1000) }
      return asNew(later, waitsFor, isOpen && holder.phase !== phases.active ? holder : undefined)
    }
  }
}

/** A new job, before it is placed. */
export function toJob(wanted: NewJob, now: number): Omit<Job, 'seq'> {
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

/** A job and the jobs it waits for, among those enqueued together. */
interface Dependency {
  readonly id: string
  readonly after: readonly string[]
}

/** A cycle as the ids along it, or undefined: depth first, without recursion, each job visited once. */
function findCycle(nodes: readonly Dependency[]): string[] | undefined {
  const after = new Map(nodes.map((node) => [node.id, node.after]))
  const settled = new Set<string>()
  for (const { id } of nodes) {
    const cycle = walk(id, after, settled)
    if (cycle !== undefined) return cycle
  }
  return undefined
}

function walk(from: string, after: ReadonlyMap<string, readonly string[]>, settled: Set<string>): string[] | undefined {
  const path = [{ id: from, next: 0 }]
  const onPath = new Set([from])
  while (path.length > 0) {
    const here = path.at(-1) ?? { id: from, next: 0 }
    const child = (after.get(here.id) ?? [])[here.next++]
    if (child === undefined || settled.has(here.id)) {
      settled.add(here.id)
      onPath.delete(here.id)
      path.pop()
    } else if (onPath.has(child)) {
      return [...path.slice(path.findIndex(({ id }) => id === child)).map(({ id }) => id), child]
    } else if (!settled.has(child)) {
      path.push({ id: child, next: 0 })
      onPath.add(child)
    }
  }
  return undefined
}
