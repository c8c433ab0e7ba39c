/** How long calls are counted in memory before they are reported, in milliseconds. */
export const reportEveryMs = 60_000
/** Tenants in one report at most. */
const maxTenants = 10_000

/**
 * Calls by tenant, counted in the memory of one isolate or gateway and reported together, so that a call costs no row and no call of
 * an actor. What was counted within a minute before the memory is lost is not reported: a figure may be too low, never too high.
 */
export class CallCounts {
  #counts = new Map<string, number>()
  #since: number | undefined

  add(tenant: string, calls: number): void {
    const known = this.#counts.get(tenant)
    if (known !== undefined || this.#counts.size < maxTenants) this.#counts.set(tenant, (known ?? 0) + calls)
  }

  /** Whether a report is due. The first minute begins with the first question. */
  isDue(now: number): boolean {
    // A time of the future was noted before the clock was set back.
    if (this.#since === undefined || this.#since > now) this.#since = now
    return this.#counts.size > 0 && now - this.#since >= reportEveryMs
  }

  /** Everything that was counted, for a report. */
  take(now: number): ReadonlyMap<string, number> {
    const taken = this.#counts
    this.#counts = new Map()
    this.#since = now
    return taken
  }
}
