import { percentile } from '../statistics.ts'
import type { Allowed } from './overshoot.ts'

/** What a load found out about a limiter. */
export interface Result {
  readonly decisions: number
  readonly elapsedMs: number
  readonly allowed: readonly Allowed[]
  /** Round trips to whatever keeps the count. */
  readonly calls: number
  /** Milliseconds a decision took, for those that were timed one by one. */
  readonly latencies: readonly number[]
  /** Decisions that needed no waiting, which took `1 / (decisions per second)` each. */
  readonly local: number
}

/** The p99 of a decision in milliseconds: a local one costs its share of the time, the others were timed. */
export function p99({ latencies, local, decisions, elapsedMs }: Result): number {
  const share = latencies.length / Math.max(1, local + latencies.length)
  return share < 0.01 ? elapsedMs / decisions : percentile(latencies, 1 - 0.01 / share)
}

/** Runs `decide` again and again in `lanes` at once for `ms` milliseconds. */
export async function loadLanes(
  lanes: number,
  ms: number,
  decide: (lane: number, round: number) => Promise<boolean>,
): Promise<Omit<Result, 'calls'>> {
  const allowed: Allowed[] = []
  const latencies: number[] = []
  const begun = performance.now()
  await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      for (let round = 0; performance.now() - begun < ms; round++) {
        const [from, asked] = [Date.now(), performance.now()]
        const passed = await decide(lane, round)
        latencies.push(performance.now() - asked)
        if (passed) allowed.push({ from, until: Date.now() + 1, units: 1 })
      }
    }),
  )
  return { decisions: latencies.length, elapsedMs: performance.now() - begun, allowed, latencies, local: 0 }
}
