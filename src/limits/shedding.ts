import type { Taken } from './ports.ts'

/**
 * What an overloaded actor drops, and in which order: typing first, then joins and leaves, then ephemeral publications,
 * then reads, messages last. Unsubscribes and closes are never dropped: they free resources.
 */
export const priorities = ['typing', 'presence', 'signal', 'read', 'message'] as const
export type Priority = (typeof priorities)[number]

/** How much is waiting, and for how long, in milliseconds. */
export interface Load {
  readonly waiting: number
  readonly ageMs: number
}

/** The share of the capacity above which each priority is dropped; each has twice the capacity of the one before. */
const shares: Readonly<Record<Priority, number>> = {
  typing: 1 / 16,
  presence: 1 / 8,
  signal: 1 / 4,
  read: 1 / 2,
  message: 1,
}

const admitted: Taken = { kind: 'taken' }
const soonestMs = 500
const latestMs = 10_000

/** Decides by the load, of which `most` is the capacity: the worse of the two figures counts. */
export function admit(priority: Priority, load: Load, most: Load): Taken {
  const fullness = fullnessOf(load, most)
  if (fullness < shares[priority]) return admitted
  // About as long as the waiting work will take, longer for lower priorities.
  const waitMs = (load.ageMs * fullness) / shares[priority]
  return { kind: 'limited', retryAfterMs: Math.round(Math.min(latestMs, Math.max(soonestMs, waitMs))) }
}

/** The share of the capacity in use: 1 is all of it. */
export const fullnessOf = (load: Load, most: Load): number =>
  Math.max(load.waiting / most.waiting, load.ageMs / most.ageMs)

/** One sixteenth of each new duration, so that one slow call among many is not taken for a slow system. */
const weight = 1 / 16
/** Longer durations count as this: one call that hung for minutes, or a clock set forward, is no slow system. */
const longestMs = 10_000
/** A measurement older than this says nothing about now. */
const staleMs = 5000

/** Measures work that begins and ends: how much is under way, and how long it took lately. */
export class LoadGauge {
  #underWay = 0
  #averageMs = 0
  #measuredAt = Number.NEGATIVE_INFINITY
  readonly #shed: Record<Priority, number> = { typing: 0, presence: 0, signal: 0, read: 0, message: 0 }

  get waiting(): number {
    return this.#underWay
  }

  begin(units = 1): void {
    this.#underWay += units
  }

  /** Work that began waits for something else and is no load until it resumes. */
  pause(): void {
    this.#underWay--
  }

  /** `units` that began together ended `tookMs` later. */
  end(units: number, tookMs: number, now: number): void {
    this.#underWay -= units
    const took = Math.min(longestMs, Math.max(0, tookMs))
    this.#averageMs = this.#isFresh(now) ? this.#averageMs + (took - this.#averageMs) * weight : took * weight
    this.#measuredAt = now
  }

  load(now: number): Load {
    return { waiting: this.#underWay, ageMs: this.#isFresh(now) ? this.#averageMs : 0 }
  }

  /** A measurement taken before the clock was set back is not fresh. */
  #isFresh(now: number): boolean {
    return now >= this.#measuredAt && now - this.#measuredAt <= staleMs
  }

  /** Counts what was dropped. */
  dropped(priority: Priority, units = 1): void {
    this.#shed[priority] += units
  }

  /** What was dropped since the start, by priority. */
  get figures(): Readonly<Record<Priority, number>> {
    return { ...this.#shed }
  }
}
