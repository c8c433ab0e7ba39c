import { median } from '../statistics.ts'
import { floor, rises, slope, steadySlope, type Point, type Slope } from './trend.ts'

/** How much the floor may rise in an hour: a share of its level, but never less than `least`, below which noise is. */
export interface Tolerance {
  readonly share: number
  readonly least: number
}

/** How a figure went over the time that counts. */
export interface Trend {
  /** Where its floor lies, in the middle. */
  readonly level: number
  readonly line: Slope
  readonly floorPerHour: number
  readonly allowedPerHour: number
  readonly verdict: Verdict
}

/** `leak`: the floor keeps growing beyond what is allowed. `tooShort`: the run is too short for a verdict. */
export type Verdict = 'steady' | 'leak' | 'tooShort'

const windows = 16
/** A window of fewer samples has no low worth the name. */
const samplesPerWindow = 3
/** Code and caches of a young process are still settling, and would be blown up to an hour. */
const leastMinutes = 8

/** Judges the points that count. */
export function judge(points: readonly Point[], { share, least }: Tolerance): Trend {
  const lows = floor(points, Math.min(windows, Math.floor(points.length / samplesPerWindow)))
  const level = median(lows.map(({ value }) => value))
  const allowedPerHour = Math.max(least, share * level)
  const figures = { level, line: slope(points), floorPerHour: steadySlope(lows) * 60, allowedPerHour }
  if (lows.length < windows / 2 || minutesOf(points) < leastMinutes) return { ...figures, verdict: 'tooShort' }
  return { ...figures, verdict: keepsGrowing(lows, allowedPerHour) ? 'leak' : 'steady' }
}

/** Growing over all of the time, no chance, and still in its later half: a cache that fills and is full is no leak. */
function keepsGrowing(lows: readonly Point[], allowedPerHour: number): boolean {
  const later = lows.slice(Math.floor(lows.length / 2))
  return [lows, later].every((part) => steadySlope(part) * 60 > allowedPerHour) && rises(lows)
}

const minutesOf = (points: readonly Point[]) => (points.at(-1)?.minute ?? 0) - (points[0]?.minute ?? 0)
