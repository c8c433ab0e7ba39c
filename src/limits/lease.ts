import type { Rules } from './rules.ts'

/** What a holder did with a lease that it closes: `spent` units, the last of them `idleMs` before this was sent. */
export interface Closing {
  readonly lease: number
  readonly spent: number
  readonly idleMs: number
}

/** A holder's question: decide these now, and lend me some to decide on my own. */
export interface LeaseAsk {
  readonly rules: Rules
  /** Costs of the decisions that wait for the answer, in their order. */
  readonly costs: readonly number[]
  /** Units to lend beyond them. */
  readonly want: number
  /** Leases the holder is done with; what it did not spend of them returns. */
  readonly closing: readonly Closing[]
}

/** What a limiter answers. Times are durations, since two machines' clocks need not agree. */
export interface LeaseAnswer {
  /** How many of the costs were allowed, from the first; they were spent at `at` by the limiter's clock. */
  readonly allowed: number
  readonly at: number
  /** Milliseconds until the first refused cost could be allowed; 0 when none was refused. */
  readonly retryAfterMs: number
  /** Units that may be spent without asking until `forMs` after the question was sent. */
  readonly lease?: { readonly id: number; readonly units: number; readonly forMs: number }
  /** Units anybody could still get, the most there can be, and milliseconds until all of them are there. */
  readonly remaining: number
  readonly limit: number
  readonly resetMs: number
}

/** The state of a key, without deciding anything. `leased` units are with holders: not spent yet, not to be had. */
export type Standing = Pick<LeaseAnswer, 'remaining' | 'limit' | 'resetMs'> & { readonly leased: number }

/** A limiter's side of an open lease. */
export interface OpenLease {
  readonly units: number
  /** From here on its holder certainly spends nothing of it: what was not reported counts as spent just before. */
  readonly until: number
}

/** A Worker's clock stands still within an event, so two clocks may show moments this far apart, in milliseconds. */
export const stillMs = 20
/** How long a holder may spend what it was lent, in milliseconds. */
export const leaseMs = 5000
/** What the limiter waits beyond it: a Worker's clock stands still within one event, and clocks run unevenly. */
export const guardMs = 500
