import { refuse, type Refusal } from '../protocol/errors.ts'

/** Work for later: what kind, with what (JSON text), not before `runAt` (milliseconds since the epoch). */
export interface NewJob {
  readonly id: string
  readonly type: string
  readonly payload: string
  readonly runAt: number
}

/** waiting: not handed over yet; carried: QStash has it; done and dead are final and visible until retention ends. */
export type JobState = 'waiting' | 'carried' | 'done' | 'dead'

/** A job in the ledger. */
export interface Job extends NewJob {
  readonly state: JobState
  readonly attempts: number
  /** When it entered its state. */
  readonly since: number
  /** What its last attempt said. */
  readonly note: string
}

/** What a handler says of one attempt. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'snooze'; readonly seconds: number }
  | { readonly kind: 'retry'; readonly why: string }
  | { readonly kind: 'discard'; readonly why: string }

/** Furthest a job may lie ahead. */
export const furthestMs = 90 * 86_400_000
/** Attempts before a job is parked as dead. */
export const maxAttempts = 5
/** How long a carried job may be overdue before it is handed over again: QStash forgot it, or never had it. */
export const overdueMs = 600_000

/** What an enqueue means: a new job, the one that is already there, or a refusal. Ids make it repeatable. */
export type EnqueueDecision =
  | { readonly kind: 'enqueued'; readonly job: Job }
  | { readonly kind: 'known'; readonly job: Job }
  | Refusal

/** Decides an enqueue; the same id with another payload is a conflict. */
export function decideEnqueue(known: Job | undefined, wanted: NewJob, now: number): EnqueueDecision {
  if (known !== undefined) {
    const same = known.type === wanted.type && known.payload === wanted.payload
    return same ? { kind: 'known', job: known } : refuse('conflict', `job ${wanted.id} exists with another payload`)
  }
  if (wanted.runAt > now + furthestMs) return refuse('invalidPayload', 'deliverAt: at most 90 days ahead')
  return { kind: 'enqueued', job: { ...wanted, state: 'waiting', attempts: 0, since: now, note: '' } }
}

/** The job after an attempt ended so. */
export function afterAttempt(job: Job, outcome: Outcome, now: number): Job {
  const attempts = job.attempts + 1
  switch (outcome.kind) {
    case 'done':
      return { ...job, attempts, state: 'done', since: now, note: '' }
    case 'discard':
      return { ...job, attempts, state: 'done', since: now, note: outcome.why }
    case 'snooze':
      return { ...job, state: 'waiting', since: now, runAt: now + outcome.seconds * 1000, note: 'snoozed' }
    case 'retry':
      return attempts >= maxAttempts
        ? { ...job, attempts, state: 'dead', since: now, note: outcome.why }
        : { ...job, attempts, note: outcome.why }
  }
}

/** Whether the job has to be handed to the carrier (again) now. */
export const isToCarry = ({ state, runAt, since }: Job, now: number): boolean =>
  state === 'waiting' || (state === 'carried' && Math.max(runAt, since) + overdueMs < now)
