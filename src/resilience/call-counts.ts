import { z } from 'zod'

/** What became of the calls of a short while. A slow call is not among the failed ones. */
export const callCounts = z.object({ calls: z.number(), failed: z.number(), slow: z.number() })
export type CallCounts = z.output<typeof callCounts>

export type CallResult = 'ok' | 'failed' | 'slow'

/** How long calls are counted, in milliseconds, in how many parts. */
export const windowMs = 2000
const parts = 10
const partMs = windowMs / parts

/** Calls of the last two seconds. */
export class CallWindow {
  readonly #parts = Array.from({ length: parts }, () => ({ from: -Infinity, calls: 0, failed: 0, slow: 0 }))

  add(result: CallResult, now: number): void {
    const from = Math.floor(now / partMs) * partMs
    const part = this.#parts[Math.floor(now / partMs) % parts]
    if (part === undefined) return
    if (part.from !== from) Object.assign(part, { from, calls: 0, failed: 0, slow: 0 })
    part.calls++
    if (result !== 'ok') part[result]++
  }

  counts(now: number): CallCounts {
    const total = { calls: 0, failed: 0, slow: 0 }
    for (const { from, calls, failed, slow } of this.#parts)
      if (from > now - windowMs && from <= now) {
        total.calls += calls
        total.failed += failed
        total.slow += slow
      }
    return total
  }

  clear(): void {
    for (const part of this.#parts) part.from = -Infinity
  }
}

/** The share of calls that failed or were slow. */
export const badShare = ({ calls, failed, slow }: CallCounts): number => (calls === 0 ? 0 : (failed + slow) / calls)

/** From this share of bad calls on a dependency counts as down. */
export const maxBadShare = 0.5
/** Fewer calls say nothing. */
export const minCalls = 5
