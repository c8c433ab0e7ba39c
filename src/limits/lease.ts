import type { Rules } from './rules.ts'

/** How a holder closes a lease: `spent` units, the last of them `idleMs` before this was sent. */
export interface Closing {
  readonly lease: number
  readonly spent: number
  readonly idleMs: number
}

/** A holder's question: decide these costs now, and lend units for local decisions. */
export interface LeaseAsk {
  readonly rules: Rules
  /** Costs of the decisions that wait for the answer, in their order. */
  readonly costs: readonly number[]
  /** Units to lend beyond them. */
  readonly want: number
  /** Leases the holder closes; what it did not spend of them returns. */
  readonly closing: readonly Closing[]
}

/** A question about one of several keys that an actor keeps. Without costs it only closes leases. */
export interface KeyedAsk extends LeaseAsk {
  readonly key: string
}

/** A limiter's answer. Times are durations, since the clocks of two machines need not agree. */
export interface LeaseAnswer {
  /** How many of the costs were allowed, from the first; they were spent at `at` by the limiter's clock. */
  readonly allowed: number
  readonly at: number
  /** Milliseconds until the first refused cost could be allowed; 0 when none was refused. */
  readonly retryAfterMs: number
  /** Units that may be spent without a question until `forMs` after the question was sent. */
  readonly lease?: { readonly id: number; readonly units: number; readonly forMs: number }
  /** Units still available to any caller, the capacity, and milliseconds until all of it is available. */
  readonly remaining: number
  readonly limit: number
  readonly resetMs: number
}

/** The state of a key, without a decision. `leased` units are with holders: neither spent yet nor available. */
export type AccountState = Pick<LeaseAnswer, 'remaining' | 'limit' | 'resetMs'> & { readonly leased: number }

/** A limiter's side of an open lease. */
export interface OpenLease {
  readonly units: number
  /** From here on its holder certainly spends nothing of it: what was not reported counts as spent just before. */
  readonly until: number
}

/** A Worker's clock stands still within an event, so two clocks may show times this far apart, in milliseconds. */
export const stillMs = 20
/** How long a holder may spend what it was lent, in milliseconds. */
export const leaseMs = 5000
/**
 * How much longer the limiter waits: a Worker's clock stands still within one event, and clocks run at different
 * speeds.
 */
export const guardMs = 500
