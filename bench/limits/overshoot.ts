/**
 * Units that were allowed at some time between two readings of a clock. A Worker's clock stands still within an event,
 * and who asks over a network learns only that the answer lay between question and answer.
 */
export interface Allowed {
  /** Milliseconds since the epoch, not before which, and not after which, it happened. */
  readonly from: number
  readonly until: number
  readonly units: number
}

/**
 * By how many units a bucket of `burst` that drips `perSecond` was certainly exceeded: over the worst span, what lies
 * within it however the clocks are read. What a finer clock might excuse is no evidence.
 */
export const overBucket = (allowed: readonly Allowed[], perSecond: number, burst: number): number =>
  worstSpan(allowed, (spanMs) => burst + (perSecond * spanMs) / 1000)

/** By how many units `limit` was certainly exceeded within some second. */
export const overAnySecond = (allowed: readonly Allowed[], limit: number): number =>
  worstSpan(allowed, (spanMs) => (spanMs < 1000 ? limit : Number.POSITIVE_INFINITY))

function worstSpan(allowed: readonly Allowed[], most: (spanMs: number) => number): number {
  const merged = merge(allowed)
  const starts = [...new Set(merged.map(({ from }) => from))].toSorted((a, b) => a - b)
  const byEnd = merged.toSorted((a, b) => a.until - b.until)
  let worst = 0
  for (const start of starts) {
    let sum = 0
    for (const { from, until, units } of byEnd) {
      if (from < start) continue
      sum += units
      worst = Math.max(worst, sum - most(until - start))
    }
  }
  return Math.floor(worst)
}

/** The same span from several holders is one. */
function merge(allowed: readonly Allowed[]): Allowed[] {
  const bySpan = new Map<string, Allowed>()
  for (const { from, until, units } of allowed) {
    const key = `${from}-${until}`
    bySpan.set(key, { from, until, units: units + (bySpan.get(key)?.units ?? 0) })
  }
  return [...bySpan.values()]
}
