import type { Backoff } from './backoff.ts'
import type { Phase } from './phase.ts'
import type { Rate } from './rate.ts'

/** How a name is kept unique: refuse the new job, replace the waiting one, wait until none comes, or one job per window. */
export interface Unique {
  readonly name: string
  readonly mode: 'reject' | 'replace' | 'debounce' | 'throttle'
  /** The quiet time of `debounce`, the window of `throttle`; without meaning for the others. */
  readonly seconds?: number
}

/** How a job is run; what is left out is taken from `defaults`. */
export interface JobOptions {
  /** -100 … 100; a higher one starts sooner. */
  readonly priority: number
  /** Jobs of one key run in the order they came, `concurrency` at a time and at most at `rate`. */
  readonly key: string | null
  readonly concurrency: number | null
  readonly rate: Rate | null
  /** Attempts before it is dead. */
  readonly attempts: number
  readonly backoff: Backoff
  /** How long one attempt may take, in milliseconds. */
  readonly timeoutMs: number
  /** How long it stays readable after it ended, in milliseconds. Dead ones stay `deadKeptMs`. */
  readonly keepMs: number
  /** Ids of jobs of the same queue it waits for; it is given their results. */
  readonly after: readonly string[]
  /** Whether it also runs when one of those failed. */
  readonly evenIfFailed: boolean
  readonly unique: Unique | null
  /** Users that may subscribe to its progress. */
  readonly watchers: readonly string[]
}

/** A job to enqueue: its type, its payload as JSON text, and when it may start at the earliest (milliseconds since the epoch). */
export interface NewJob extends Partial<JobOptions> {
  readonly id: string
  readonly type: string
  readonly payload: string
  readonly runAt: number
  /** The W3C trace of the request that made it, which its endpoint is told. */
  readonly traceparent?: string
}

/** A job of a queue. */
export interface Job {
  /** The order in which the jobs of the queue were added. */
  readonly seq: number
  readonly id: string
  readonly type: string
  /** JSON text; of a job that is done or cancelled only the fingerprint that payload.ts makes. */
  readonly payload: string
  readonly phase: Phase
  /** By phase: ready, the order of starts; active, when it times out; pausing and delayed, when it is due; ended, when it is deleted. */
  readonly rank: number
  readonly key: string | null
  /** Attempts that count, and the number of the newest attempt, which tells its outcome from that of an older one. */
  readonly attempts: number
  readonly run: number
  /** The worker run that has it, while it is active. */
  readonly workerRun: string | null
  /** Whether it has reserved a start by its key's rate. */
  readonly permitted: boolean
  readonly madeAt: number
  /** When it entered its phase. */
  readonly since: number
  /** 0 … 100. */
  readonly progress: number
  /** The message of its last attempt. */
  readonly note: string
  /** JSON text of its result, once done. */
  readonly result: string | null
  readonly options: JobOptions
  readonly traceparent: string | null
}

/** The outcome of one attempt. `error` names the kind of failure, for `perError` of the backoff. */
export type Outcome =
  | { readonly kind: 'done'; readonly result?: string }
  | { readonly kind: 'snooze'; readonly seconds: number; readonly reason?: string }
  | { readonly kind: 'retry'; readonly reason: string; readonly error?: string; readonly afterSeconds?: number }
  | { readonly kind: 'discard'; readonly reason: string }

/** How far ahead a job may be scheduled. */
export const furthestMs = 90 * 86_400_000
/** UTF-16 units of a stored payload, at most. The API bounds what it is given in bytes; this bounds what an actor stores and hands out. */
export const payloadLength = 131_072
/** Bytes of its result, at most; a join of joins makes it ever longer. A row of an actor's SQLite may have 2 MB in all. */
export const resultBytes = 1_048_576
/** Bytes of the results a job is given of those it waited for, at most. */
export const collectedBytes = 2_097_152
/**
 * UTF-16 units of payloads and results in one answer to a worker; the last job may exceed it. A call between actors carries
 * 32 MiB, and a unit is up to two bytes of it.
 */
export const handedOutLength = 12 * 1_048_576
/** How long one attempt may take: as long as QStash waits for an answer on its smallest plan. */
export const longestAttemptMs = 15 * 60_000
/** A job that is sent again numbers its attempts from the next multiple of this, which none reaches before. See `run`. */
export const runsOfALife = 1_000_000
/** Snoozes before a job is dead, so that one whose handler always snoozes becomes visible. */
export const maxSnoozes = 1000
/** How long dead jobs are kept. */
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
