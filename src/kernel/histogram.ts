/** Durations are counted in buckets of the powers of 1.5 of a millisecond; a percentile is the upper bound of its bucket. */
const base = 1.5

/** How many durations fell into each bucket. */
export type Histogram = Record<string, number>

/** Counts a duration in milliseconds. */
export function count(durations: Histogram, ms: number): void {
  const bucket = String(Math.max(0, Math.ceil(Math.log(Math.max(1, ms)) / Math.log(base))))
  durations[bucket] = (durations[bucket] ?? 0) + 1
}

/** The duration in milliseconds that a share of all durations does not exceed; undefined while there are none. */
export function percentile(durations: Readonly<Histogram>, share: number): number | undefined {
  const buckets = Object.entries(durations)
    .map(([bucket, times]) => ({ bucket: Number(bucket), times }))
    .toSorted((a, b) => a.bucket - b.bucket)
  const wanted = share * buckets.reduce((sum, { times }) => sum + times, 0)
  let seen = 0
  for (const { bucket, times } of buckets) {
    seen += times
    if (seen >= wanted) return Math.round(base ** bucket)
  }
  return undefined
}

/** The percentiles that figures show; null while there are no durations. */
export function percentilesOf(durations: Readonly<Histogram>): { p50: number; p90: number; p99: number } | null {
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => percentile(durations, share))
  return p50 === undefined || p90 === undefined || p99 === undefined ? null : { p50, p90, p99 }
}
