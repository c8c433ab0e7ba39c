import type { FlowLimits } from './model.ts'
import type { FlowControl } from './store/flow-controls.ts'

/** How many more deliveries a key allows now; `reopensAt` when it is the rate that holds the rest back. */
export interface Room {
  count: number
  reopensAt?: number
}

/**
 * The key after a message brought its limits: the latest message wins, except over what is pinned.
 * Undefined when nothing changes.
 */
export function configured(flow: FlowControl, limits: FlowLimits): FlowControl | undefined {
  const next = { ...flow }
  if (!flow.pinnedParallelism) next.parallelism = limits.parallelism ?? null
  if (!flow.pinnedRate) Object.assign(next, { rate: limits.rate ?? null, periodMs: limits.periodMs })

  const known = flow.parallelism !== null || flow.rate !== null
  const same = next.parallelism === flow.parallelism && next.rate === flow.rate && next.periodMs === flow.periodMs
  return known && same ? undefined : next
}

/** The key with its running period: a period ends `lastingMs` after it began, and the next begins when asked for. */
export function inPeriod(flow: FlowControl, now: number, lastingMs: number): FlowControl {
  return now >= flow.periodStart + lastingMs ? { ...flow, periodStart: now, rateCount: 0 } : flow
}

/** Takes the key as {@link inPeriod} gives it, and how many of its deliveries are under way. */
export function roomIn(flow: FlowControl, active: number, lastingMs: number): Room {
  const byParallelism = (flow.parallelism ?? Infinity) - active
  const byRate = (flow.rate ?? Infinity) - flow.rateCount
  const count = Math.max(0, Math.min(byParallelism, byRate))
  return byRate <= byParallelism ? { count, reopensAt: flow.periodStart + lastingMs } : { count }
}
