import { median } from '../statistics.ts'

/** A figure at a time; minutes since the load began. */
export interface Point {
  readonly minute: number
  readonly value: number
}

/** A straight line through points: how much a minute adds, and how far that may be off (standard error). */
export interface Slope {
  readonly perMinute: number
  readonly error: number
}

/** What is left after the first `share` of the time, in which caches fill and code is compiled. */
export function afterWarmUp(points: readonly Point[], share: number): Point[] {
  const end = points.at(-1)?.minute ?? 0
  return points.filter(({ minute }) => minute >= end * share)
}

/** The least-squares line; NaN for fewer than three points. */
export function slope(points: readonly Point[]): Slope {
  if (points.length < 3) return { perMinute: Number.NaN, error: Number.NaN }
  const [minute, value] = [mean(points.map((point) => point.minute)), mean(points.map((point) => point.value))]
  const spread = sum(points.map((point) => (point.minute - minute) ** 2))
  const perMinute = sum(points.map((point) => (point.minute - minute) * (point.value - value))) / spread
  const residuals = points.map((point) => (point.value - value - perMinute * (point.minute - minute)) ** 2)
  return { perMinute, error: Math.sqrt(sum(residuals) / (points.length - 2) / spread) }
}

/**
 * The lowest point of each of `windows` stretches of the same number of points. Garbage makes memory rise and fall like
 * a saw; what a collection cannot free lies in the lows.
 */
export function floor(points: readonly Point[], windows: number): Point[] {
  return Array.from({ length: windows }, (_, n) => {
    const [from, to] = [n, n + 1].map((edge) => Math.round((edge * points.length) / windows))
    return points.slice(from, to).toSorted((a, b) => a.value - b.value)[0]
  }).filter((point) => point !== undefined)
}

/** The median of the slopes between all pairs (Theil–Sen): one odd point, or three of ten, do not bend it. */
export function steadySlope(points: readonly Point[]): number {
  const slopes = points.flatMap((a, n) => points.slice(n + 1).map((b) => (b.value - a.value) / (b.minute - a.minute)))
  return median(slopes)
}

/** Whether later points are higher than chance explains in one of a hundred cases (Mann–Kendall, one-sided). */
export function rises(points: readonly Point[]): boolean {
  const n = points.length
  const score = sum(points.flatMap((a, at) => points.slice(at + 1).map((b) => Math.sign(b.value - a.value))))
  const deviation = Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)
  return (score - 1) / deviation > 2.33
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const mean = (values: readonly number[]) => sum(values) / values.length
