/**
 * Whose part is handed over next. Notifications alternate, so that one with 100,000 recipients does not stop one with a single
 * recipient; calls under way are bounded, and a notification whose call failed pauses.
 */
export class HandoverOrder {
  readonly #maxUnderWay: number
  /** Notifications that have parts, the next first. */
  #ring: string[] = []
  readonly #pausedUntil = new Map<string, number>()
  readonly #failures = new Map<string, number>()
  readonly #underWay = new Map<string, Set<number>>()
  #calls = 0

  constructor(maxUnderWay: number) {
    this.#maxUnderWay = maxUnderWay
  }

  /** A notification has parts that are due. */
  add(id: string): void {
    if (!this.#ring.includes(id)) this.#ring.push(id)
  }

  remove(id: string): void {
    this.#ring = this.#ring.filter((one) => one !== id)
    this.#pausedUntil.delete(id)
    this.#failures.delete(id)
  }

  get isEmpty(): boolean {
    return this.#ring.length === 0
  }

  /**
   * Takes the next part: `partOf` answers the first part of a notification that is not among those under way, or undefined when there is
   * none. Undefined while as many calls as permitted are under way, or nothing is due.
   */
  next<P extends { readonly part: number }>(
    now: number,
    partOf: (id: string, underWay: ReadonlySet<number>) => P | undefined,
  ): (P & { readonly id: string }) | undefined {
    if (this.#calls >= this.#maxUnderWay) return undefined
    for (let tried = this.#ring.length; tried > 0; tried--) {
      const id = this.#ring.shift()
      if (id === undefined) return undefined
      const underWay = this.#underWay.get(id) ?? new Set()
      const isPaused = (this.#pausedUntil.get(id) ?? 0) > now
      const found = isPaused ? undefined : partOf(id, underWay)
      // One without a further part leaves, and is added again when its calls have ended.
      if (found !== undefined || isPaused) this.#ring.push(id)
      if (found === undefined) continue
      underWay.add(found.part)
      this.#underWay.set(id, underWay)
      this.#calls++
      return { ...found, id }
    }
    return undefined
  }

  /** A call has ended. After failures the notification pauses, for a minute at most; answers until when. */
  ended(
    id: string,
    part: number,
    failed: { readonly now: number; readonly random: number; readonly leastMs: number } | undefined,
  ): number | undefined {
    this.#calls--
    const underWay = this.#underWay.get(id)
    underWay?.delete(part)
    if (underWay?.size === 0) this.#underWay.delete(id)
    if (failed === undefined) {
      this.#failures.delete(id)
      return undefined
    }
    const failures = (this.#failures.get(id) ?? 0) + 1
    this.#failures.set(id, failures)
    const pauseMs = Math.min(60_000, 250 * 2 ** Math.min(failures, 10)) * (0.5 + failed.random / 2)
    const until = failed.now + Math.max(pauseMs, failed.leastMs)
    this.#pausedUntil.set(id, until)
    this.add(id)
    return until
  }

  isUnderWay(id: string): boolean {
    return this.#underWay.has(id)
  }
}
