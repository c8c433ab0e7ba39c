import { z } from 'zod'
import { callCounts } from './call-counts.ts'

/** What an isolate tells the breaker of a dependency, with which it also asks for the opinion of all. */
export const breakerReport = z.object({
  /** Chosen by the isolate at random. */
  isolate: z.string(),
  /** Its calls of the last two seconds. */
  counts: callCounts,
  /** Whether it makes no calls any more, by its own counts. */
  isOpen: z.boolean(),
  /** The number of closings that it knows of, if any. */
  closings: z.number().optional(),
  /** It has a call to make and asks to be given the probe, which would end within so many milliseconds. */
  probeMs: z.number().optional(),
  /** How the probe that it was given ended. */
  probed: z.object({ probe: z.number(), isSuccess: z.boolean() }).optional(),
})
export type BreakerReport = z.output<typeof breakerReport>

export const breakerStates = ['closed', 'open', 'half-open'] as const
export type BreakerState = (typeof breakerStates)[number]

/** What all isolates together think of a dependency. */
export interface Opinion {
  readonly state: BreakerState
  /** While it is not closed: when to ask again, in milliseconds from now. */
  readonly waitMs: number
  /** How often the breaker has closed: views opened before the last time are out of date. */
  readonly closings: number
  /** How long an isolate whose calls succeed waits between two reports. */
  readonly reportEveryMs: number
  /** The asking isolate may make one call, and reports how it ended. */
  readonly probe?: number
}

/** How long a breaker stays open, and how long at most when probes fail; and how soon silence counts. */
export interface OpenTimes {
  readonly firstMs: number
  readonly maxMs: number
  /**
   * A call counts as slow after this time when no call has succeeded since it began, though one had within `awakeMs` before: then
   * the service swallows calls. One that has not answered for longer may be waking up.
   */
  readonly silentMs: number
  readonly awakeMs: number
}

/** For services of the platform: a probe is one call in the whole deployment, so it may be soon. */
export const serviceOpenTimes: OpenTimes = { firstMs: 2000, maxMs: 5000, silentMs: 800, awakeMs: 60_000 }
/** For hosts that tenants named: how long they work is their affair. */
export const endpointOpenTimes: OpenTimes = { firstMs: 5000, maxMs: 60_000, silentMs: Infinity, awakeMs: 0 }

/** How long a breaker stays open after so many failed probes. */
export const openMs = ({ firstMs, maxMs }: OpenTimes, failedProbes: number): number =>
  Math.min(maxMs, firstMs * 2 ** Math.min(failedProbes, 30))
