import type { Closing, LeaseAnswer, LeaseAsk } from './lease.ts'
import type { Rules } from './rules.ts'

/** One decision. `at` is set when the limiter decided it, by its clock; without it a lease sufficed. */
export type Taken = { readonly kind: 'taken'; readonly at?: number } | Limited

/** Too fast, wherever that is decided: `retryAfterMs` is how long to wait before trying again. */
export interface Limited {
  readonly kind: 'limited'
  readonly retryAfterMs: number
}

/** The limiter of one key, as a holder calls it. */
export interface Limiter {
  lease(ask: LeaseAsk): Promise<LeaseAnswer>
  settle(closing: readonly Closing[]): Promise<unknown>
  refund(units: number, at: number): Promise<unknown>
}

/** What decides a key, and under which rules. */
export interface Source {
  readonly limiter: Limiter
  readonly rules: () => Rules | Promise<Rules>
  readonly clock: () => number
}
