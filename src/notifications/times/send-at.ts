import { afterGap, changeNear, changesBetween, instantsOf, wallAt } from '../../kernel/zone.ts'
import type { QuietHours, TimeRange } from '../model.ts'

const minuteMs = 60_000
const dayMs = 86_400_000
/** How far ahead a time is looked for: ranges repeat weekly, and a change of clocks may take one week's time away. */
const horizonDays = 16
const nearDays = 2

export interface SendTimes {
  readonly quietHours?: QuietHours | undefined
  readonly windows?: readonly TimeRange[] | undefined
  /** The zone of windows, and of quiet hours that name none. */
  readonly zone: string
}

/** When a message may be sent, and which rule delayed it; `at` is `now` when none did. */
export interface SendTime {
  readonly at: number
  readonly rule?: 'quiet-hours' | 'windows'
}

/**
 * The first time from `now` on at which clocks show no quiet hour and, where there are windows, a time in one of them. Undefined
 * when quiet hours and windows leave no time at all. A window that clocks skip, since they are set forward over the whole of it,
 * opens right after the change for as long as it would have been open.
 */
export function sendAt(now: number, times: SendTimes): SendTime | undefined {
  const zones = zonesOf(times)
  const rule = ruleAgainst(now, zones)
  if (rule === undefined) return { at: now }
  for (const days of [nearDays, horizonDays])
    for (const at of boundaries(now, zones, days)) if (ruleAgainst(at, zones) === undefined) return { at, rule }
  return undefined
}

/** Ranges with the zone whose clocks they are read on. */
interface Zoned {
  readonly zone: string
  readonly ranges: readonly TimeRange[]
}

interface Zones {
  readonly quiet: Zoned | undefined
  readonly windows: Zoned | undefined
}

function zonesOf({ quietHours, windows, zone }: SendTimes): Zones {
  const quiet = quietHours === undefined || quietHours.ranges.length === 0 ? undefined : quietHours
  return {
    quiet: quiet === undefined ? undefined : { zone: quiet.zone ?? zone, ranges: quiet.ranges },
    windows: windows === undefined || windows.length === 0 ? undefined : { zone, ranges: windows },
  }
}

function ruleAgainst(at: number, { quiet, windows }: Zones): SendTime['rule'] {
  if (quiet !== undefined && isWithin(wallAt(quiet.zone, at), quiet.ranges)) return 'quiet-hours'
  if (windows === undefined) return undefined
  const isInside = isWithin(wallAt(windows.zone, at), windows.ranges) || isInSkipped(at, windows)
  return isInside ? undefined : 'windows'
}

/** Whether a clock that shows `wall` shows a time in one of the ranges. */
function isWithin(wall: number, ranges: readonly TimeRange[]): boolean {
  const day = startOfDay(wall)
  return ranges.some((range) =>
    [day, day - dayMs].some((begins) => {
      const [start, end] = wallsOf(range, begins)
      return isOnWeekday(range.weekdays, begins) && start <= wall && wall < end
    }),
  )
}

/** Whether a window is open at this time that clocks skipped as a whole. */
function isInSkipped(at: number, { zone, ranges }: Zoned): boolean {
  if (changeNear(zone, at) === 0) return false
  const day = startOfDay(wallAt(zone, at))
  return ranges.some((range) =>
    [day, day - dayMs].some((begins) => {
      if (!isOnWeekday(range.weekdays, begins)) return false
      const [start, end] = wallsOf(range, begins)
      if (instantsOf(zone, start).length > 0) return false
      const opens = afterGap(zone, start)
      return wallAt(zone, opens) >= end && opens <= at && at < opens + (end - start)
    }),
  )
}

/** Times after `now` at which the answer may change, in order. */
function boundaries(now: number, { quiet, windows }: Zones, days: number): number[] {
  const found = new Set<number>()
  for (const zoned of [quiet, windows]) {
    if (zoned === undefined) continue
    const { zone, ranges } = zoned
    const today = startOfDay(wallAt(zone, now))
    for (let day = -1; day <= days; day++)
      for (const range of ranges)
        if (isOnWeekday(range.weekdays, today + day * dayMs))
          for (const wall of wallsOf(range, today + day * dayMs)) {
            const instants = instantsOf(zone, wall)
            for (const instant of instants.length > 0 ? instants : [afterGap(zone, wall)]) found.add(instant)
          }
    for (const change of changesBetween(zone, now, now + days * dayMs)) found.add(change)
  }
  // The last day is not looked at as a whole in all zones, so its times may not be the first.
  const end = now + (days - 1) * dayMs
  return [...found].filter((instant) => instant > now && instant <= end).sort((a, b) => a - b)
}

/** The first time after `after` at which clocks in `zone` show `time`; one that they skip is taken right after the change. */
export function nextTimeOfDay(
  zone: string,
  after: number,
  { time, weekdays }: { readonly time: string; readonly weekdays?: readonly number[] | undefined },
): number {
  const today = startOfDay(wallAt(zone, after))
  for (let day = -1; day <= 8; day++) {
    const begins = today + day * dayMs
    if (!isOnWeekday(weekdays, begins)) continue
    const wall = begins + minutesOf(time) * minuteMs
    // Where clocks show a time twice, the first counts, so that a day has one.
    const at = instantsOf(zone, wall)[0] ?? afterGap(zone, wall)
    if (at > after) return at
  }
  throw new Error(`no day of a week is among the weekdays ${JSON.stringify(weekdays)}`)
}

const startOfDay = (wall: number): number => Math.floor(wall / dayMs) * dayMs

/** The start and the end of a range on the clock, on the day that starts at `begins`. */
function wallsOf({ start, end }: TimeRange, begins: number): [start: number, end: number] {
  const [from, to] = [minutesOf(start), minutesOf(end)]
  return [begins + from * minuteMs, begins + to * minuteMs + (to > from ? 0 : dayMs)]
}

/** An empty list means every day, as none does. */
const isOnWeekday = (weekdays: readonly number[] | undefined, begins: number): boolean =>
  weekdays === undefined || weekdays.length === 0 || weekdays.includes(isoWeekday(begins))

/** 1 is Monday. 1970-01-01 was a Thursday. */
const isoWeekday = (wall: number): number => ((((Math.floor(wall / dayMs) + 3) % 7) + 7) % 7) + 1

/** `HH:MM` as minutes of the day. */
const minutesOf = (time: string): number => Number(time.slice(0, 2)) * 60 + Number(time.slice(3, 5))
