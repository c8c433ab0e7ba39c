import type { Backoff } from './backoff.ts'
import type { Phase } from './phase.ts'
import type { Rate } from './rate.ts'

/** How a name is kept unique: refuse the newcomer, take the waiting one's place, wait for quiet, or one per window. */
export interface Unique {
  readonly name: string
  readonly mode: 'reject' | 'replace' | 'debounce' | 'throttle'
  /** The quiet time of `debounce`, the window of `throttle`; of no meaning to the others. */
  readonly seconds?: number
}

/** What may be said of a job beside its work; what is left out is `defaults`. */
export interface JobOptions {
  /** -100 … 100; a higher one starts sooner. */
  readonly priority: number
  /** Jobs of one key run in the order they came, `concurrency` at a time and at most at `rate`. */
  readonly key: string | null
  readonly concurrency: number | null
  readonly rate: Rate | null
  /** Attempts before it is parked as dead. */
  readonly attempts: number
  readonly backoff: Backoff
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs: number
  /** How long it stays readable after it ended, in milliseconds. Dead ones stay `deadKeptMs`. */
  readonly keepMs: number
  /** Jobs of the same queue it waits for; it is given their results. */
  readonly after: readonly string[]
  /** Whether it also runs when one of those failed. */
  readonly evenIfFailed: boolean
  readonly unique: Unique | null
  /** Users who may follow it live. */
  readonly watchers: readonly string[]
}

/** Work for later: what kind, with what (JSON text), not before `runAt` (milliseconds since the epoch). */
export interface NewJob extends Partial<JobOptions> {
  readonly id: string
  readonly type: string
  readonly payload: string
  readonly runAt: number
}

/** A job in the ledger. */
export interface Job {
  /** Its place among all jobs of the queue. */
  readonly seq: number
  readonly id: string
  readonly type: string
  /** JSON text; of a job that is done or cancelled only what payload.ts leaves of it. */
  readonly payload: string
  readonly phase: Phase
  /** By phase: ready, its turn; active, when its time is up; pausing and delayed, when it is due; ended, when it is forgotten. */
  readonly rank: number
  readonly key: string | null
  /** Attempts that count, and all that ever began: the number that tells an old attempt's word from the newest's. */
  readonly attempts: number
  readonly run: number
  /** The visit that has it, while it is active. */
  readonly visit: string | null
  /** Whether its pause was for the key's rate, so that it need not ask again. */
  readonly permitted: boolean
  readonly madeAt: number
  /** When it entered its phase. */
  readonly since: number
  /** 0 … 100. */
  readonly progress: number
  /** What its last attempt said. */
  readonly note: string
  /** JSON text of what it brought, once done. */
  readonly result: string | null
  readonly options: JobOptions
}

/** What a handler says of one attempt. `error` names the kind of failure, which backoff may tell apart. */
export type Outcome =
  | { readonly kind: 'done'; readonly result?: string }
  | { readonly kind: 'snooze'; readonly seconds: number; readonly reason?: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly error?: string; readonly afterSeconds?: number }
  | { readonly kind: 'discard'; readonly reason: string }

/** Furthest a job may lie ahead. */
export const furthestMs = 90 * 86_400_000
/** Most bytes of a job's payload as UTF-8. */
export const payloadBytes = 131_072
/** Most bytes of its result, which a join of joins makes ever longer. A row of an actor's SQLite may have 2 MB in all. */
export const resultBytes = 1_048_576
/** Most bytes of the results a job is given of those it waited for. */
export const collectedBytes = 2_097_152
/**
 * UTF-16 units of payloads and results that a turn hands out before it stops; the last job may go beyond. A call between
 * actors carries 32 MiB, and a unit is up to two bytes of it.
 */
export const handedOutLength = 12 * 1_048_576
/** Longest one attempt may take: what QStash waits for an answer on its smallest plan. */
export const longestAttemptMs = 15 * 60_000
/** A job that is sent again counts its attempts from the next multiple of this, more than there can be before: see `run`. */
export const runsOfALife = 1_000_000
/** Snoozes before a job counts as dead: a handler that always says "later" must end up where somebody sees it. */
export const maxSnoozes = 1000
/** How long dead jobs stay to be looked at and sent again. */
export const deadKeptMs = 90 * 86_400_000
/** Characters of a note that are kept. */
export const noteLength = 500

export const defaults: JobOptions = {
  priority: 0,
  key: null,
  concurrency: null,
  rate: null,
  attempts: 5,
  backoff: { kind: 'exponential', seconds: 5, maxSeconds: 3600, jitter: 0.5 },
  timeoutMs: 60_000,
  keepMs: 7 * 86_400_000,
  after: [],
  evenIfFailed: false,
  unique: null,
  watchers: [],
}

/** The options of a new job, complete. */
export function optionsOf(wanted: NewJob): JobOptions {
  const { id: _i, type: _t, payload: _p, runAt: _r, ...given } = wanted
  return { ...defaults, ...given }
}
