import type { Window } from '../rules.ts'
import type { WindowCounter } from './window-counter.ts'

/** Moments kept apart. Beyond that, all moments of one slot are merged into the latest of them. */
const maxEntries = 1024
/** Slots of a window, into which moments are merged. */
const slots = 512

interface Entry {
  at: number
  units: number
}

/**
 * The exact sliding log: at no moment were more than `limit` units spent in the window before it. Memory is bounded:
 * with more than 1,024 moments in one window, units come back up to 1/512 of the window late, never early.
 */
export class SlidingWindow implements WindowCounter {
  readonly capacity: number
  readonly #windowMs: number
  #entries: Entry[] = []
  #total = 0

  constructor({ limit, windowMs }: Window, saved: readonly number[] = []) {
    this.capacity = limit
    this.#windowMs = windowMs
    for (let i = 0; i + 1 < saved.length; i += 2) this.spend(saved[i + 1] ?? 0, saved[i] ?? 0)
  }

  used(now: number): number {
    const gone = this.#entries.findIndex(({ at }) => at > now - this.#windowMs)
    for (const { units } of this.#entries.splice(0, gone < 0 ? this.#entries.length : gone)) this.#total -= units
    return this.#total
  }

  /** Reports may arrive in any order; one from before the newest entry counts as late as that entry. */
  spend(units: number, at: number): void {
    this.#total += units
    const newest = this.#entries.at(-1)
    if (newest !== undefined && newest.at >= at) newest.units += units
    else this.#entries.push({ at, units })
    if (this.#entries.length > maxEntries) this.#entries = merge(this.#entries, this.#windowMs / slots)
  }

  unspend(units: number, at: number, now: number): void {
    const entry = at > now - this.#windowMs ? this.#entries.find((each) => each.at >= at) : undefined
    if (entry === undefined) return
    const back = Math.min(units, entry.units)
    entry.units -= back
    this.#total -= back
  }

  waitMs(most: number, now: number): number {
    let left = this.used(now)
    if (left <= most) return 0
    for (const { at, units } of this.#entries) {
      left -= units
      if (left <= most) return at + this.#windowMs - now
    }
    return Number.POSITIVE_INFINITY
  }

  endOf(): number {
    return Number.POSITIVE_INFINITY
  }

  save(): number[] {
    return this.#entries.flatMap(({ at, units }) => [at, units])
  }
}

function merge(entries: readonly Entry[], slotMs: number): Entry[] {
  const merged: Entry[] = []
  for (const { at, units } of entries) {
    const last = merged.at(-1)
    if (last === undefined || Math.floor(last.at / slotMs) !== Math.floor(at / slotMs)) merged.push({ at, units })
    else Object.assign(last, { at, units: last.units + units })
  }
  return merged
}
