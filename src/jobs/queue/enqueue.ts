import { byteLength } from '../../kernel/text.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import type { JobStore } from './job-store.ts'
import { findCycle } from '../model/cycle.ts'
import { furthestMs, optionsOf, payloadBytes, type Job, type NewJob, type Unique } from '../model/job.ts'
import { isSamePayload } from '../model/payload.ts'
import { hasEnded, phases } from '../model/phase.ts'

/** What one of the wanted jobs comes to. */
export type Entry =
  | {
      readonly kind: 'new'
      readonly job: NewJob
      readonly waitsFor: readonly string[]
      readonly replaces: Job | undefined
    }
  | { readonly kind: 'known'; readonly id: string; readonly job: Job | undefined }

/** All of them, or none. */
export type EnqueueDecision = { readonly kind: 'accepted'; readonly entries: readonly Entry[] } | Refusal

/** Most jobs in one enqueue, and that one job may wait for. */
export const maxTogether = 1000
export const maxAwaited = 100

/** Decides what an enqueue means; writes nothing, so that a refusal leaves nothing half-accepted. */
export function decideEnqueue(books: JobStore, wanted: readonly NewJob[], now: number): EnqueueDecision {
  if (wanted.length > maxTogether) return refuse('invalidPayload', `jobs: at most ${maxTogether} together`)
  const cycle = findCycle(wanted.map(({ id, after = [] }) => ({ id, after })))
  if (cycle !== undefined) return refuse('invalidPayload', `after: ${cycle.join(' waits for ')}`)

  const together = new Map<string, NewJob>()
  const names = new Map<string, string>()
  const standIns = findStandIns(books, wanted, now)
  const entries: Entry[] = []
  for (const job of wanted) {
    const entry = decideOne(books, awaitStandIns(job, standIns), { together, names, all: wanted, standIns, now })
    if (entry.kind === 'refused') return entry
    entries.push(entry)
  }
  return { kind: 'accepted', entries }
}

/** Jobs that need not come since another of their name came a moment ago, and which that is. */
function findStandIns(books: JobStore, wanted: readonly NewJob[], now: number): ReadonlyMap<string, string> {
  const throttled = wanted.flatMap(({ id, unique }) => {
    if (unique?.mode !== 'throttle' || books.get(id) !== undefined) return []
    const held = books.unique(unique.name)
    return held !== undefined && held.until > now ? [[id, held.job] as const] : []
  })
  return new Map(throttled)
}

/** Whoever waits for a job that does not come would wait for ever: it waits for the one that stands in for it. */
function awaitStandIns(job: NewJob, standIns: ReadonlyMap<string, string>): NewJob {
  if (job.after?.some((id) => standIns.has(id)) !== true) return job
  return { ...job, after: job.after.map((id) => standIns.get(id) ?? id) }
}

/** The jobs before this one in the same enqueue, the unique names they took, and all that come. */
interface Company {
  readonly together: Map<string, NewJob>
  readonly names: Map<string, string>
  readonly all: readonly NewJob[]
  /** Who stands in for those that need not come. */
  readonly standIns: ReadonlyMap<string, string>
  readonly now: number
}

function decideOne(books: JobStore, job: NewJob, company: Company): Entry | Refusal {
  const twin = company.together.get(job.id)
  const known = books.get(job.id)
  const original = known ?? twin
  if (original !== undefined) return isSame(original, job) ? { kind: 'known', id: job.id, job: known } : isAnother(job)
  company.together.set(job.id, job)

  const bad = badShape(job, company.now)
  if (bad !== undefined) return bad
  // What it would wait for is nobody's business: said again, it would else be refused for what has become of that since.
  const standIn = company.standIns.get(job.id)
  if (standIn !== undefined) return { kind: 'known', id: standIn, job: books.get(standIn) }
  const waitsFor = awaited(books, job, company)
  if ('kind' in waitsFor) return waitsFor
  return job.unique ? decideUnique(books, job, job.unique, waitsFor, company) : asNew(job, waitsFor)
}

const asNew = (job: NewJob, waitsFor: readonly string[], replaces?: Job): Entry => ({
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

/** The jobs it still has to wait for. One that nobody knows, or that failed already, is refused now and not found out later. */
function awaited(books: JobStore, job: NewJob, { all }: Company): readonly string[] | Refusal {
  const ids = [...new Set(job.after)]
  if (ids.length > maxAwaited) return refuse('invalidPayload', `after: at most ${maxAwaited} jobs`)
  const open: string[] = []
  for (const id of ids) {
    const other = books.get(id)
    if (other === undefined && !all.some((comes) => comes.id === id))
      return refuse('invalidPayload', `after: there is no job ${id} in this queue`)
    if (other !== undefined && hasEnded(other.phase)) {
      if (other.phase !== phases.done && job.evenIfFailed !== true)
        return refuse('invalidPayload', `after: job ${id} did not succeed`)
    } else open.push(id)
  }
  return open
}

function decideUnique(
  books: JobStore,
  job: NewJob,
  unique: Unique,
  waitsFor: readonly string[],
  { names, now }: Company,
): Entry | Refusal {
  const held = books.unique(unique.name)
  const holder = held === undefined ? undefined : books.get(held.job)
  const rival = names.get(unique.name)
  if (rival !== undefined) return refuse('conflict', `unique: jobs ${rival} and ${job.id} both want ${unique.name}`)
  names.set(unique.name, job.id)

  const lives = holder !== undefined && !hasEnded(holder.phase)
  switch (unique.mode) {
    case 'reject':
      return lives ? refuse('conflict', `unique: ${unique.name} is held by job ${holder.id}`) : asNew(job, waitsFor)
    case 'throttle':
      return asNew(job, waitsFor)
    case 'replace':
      return asNew(job, waitsFor, lives && holder.phase !== phases.active ? holder : undefined)
    case 'debounce': {
      const later = { ...job, runAt: Math.max(job.runAt, now + (unique.seconds ?? 0) * 1000) }
      return asNew(later, waitsFor, lives && holder.phase !== phases.active ? holder : undefined)
    }
  }
}

/** A job as it enters the books. */
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
    visit: null,
    permitted: false,
    madeAt: now,
    since: now,
    progress: 0,
    note: '',
    result: null,
    options,
  }
}
