import { BoundedMap } from './bounded-map.ts'

/** Names of zones may be written in any case, so there are more of them than zones. */
const maxZones = 1000

/**
 * Wall clocks. A "wall" is a local date and time written as the milliseconds UTC would have for the same digits, so
 * that arithmetic on it is plain; an "instant" is milliseconds since the epoch.
 */
const formats = new BoundedMap<string, Intl.DateTimeFormat>(maxZones)

/** True when the runtime knows this IANA zone. */
export function isZone(zone: string): boolean {
  try {
    formatOf(zone)
    return true
  } catch {
    return false
  }
}

/** What clocks in `zone` show at an instant, to the second. */
export const wallAt = (zone: string, instant: number): number =>
  Math.floor(instant / 1000) * 1000 + offsetAt(zone, instant)

/**
 * The instants at which clocks in `zone` show `wall`, in order: one as a rule, two when clocks are set back over it,
 * none when they are set forward over it. No zone is further than 24 h from UTC, and none changes twice in two days.
 */
export function instantsOf(zone: string, wall: number): number[] {
  const dayMs = 86_400_000
  const offsets = [offsetAt(zone, wall - dayMs), offsetAt(zone, wall + dayMs)]
  const instants = [...new Set(offsets)].map((offset) => wall - offset)
  return instants.filter((instant) => wallAt(zone, instant) === wall).sort((a, b) => a - b)
}

/** The first instant after clocks in `zone` were set forward over `wall`. */
export function afterGap(zone: string, wall: number): number {
  const dayMs = 86_400_000
  let before = wall - dayMs - offsetAt(zone, wall - dayMs)
  let after = wall + dayMs - offsetAt(zone, wall + dayMs)
  // Offsets are whole minutes today; the change is found to the second all the same.
  while (after - before > 1000) {
    const middle = before + Math.floor((after - before) / 2000) * 1000
    if (wallAt(zone, middle) < wall) before = middle
    else after = middle
  }
  return after
}

/** The instants after `from` and up to `to` from which clocks in `zone` are set differently, in order. */
export function changesBetween(zone: string, from: number, to: number): number[] {
  const dayMs = 86_400_000
  const found: number[] = []
  for (let before = from; before < to; before += dayMs) {
    let [low, high] = [before, Math.min(before + dayMs, to)]
    const offset = offsetAt(zone, low)
    if (offsetAt(zone, high) === offset) continue
    while (high - low > 1000) {
      const middle = low + Math.floor((high - low) / 2000) * 1000
      if (offsetAt(zone, middle) === offset) low = middle
      else high = middle
    }
    // Clocks are set at whole minutes.
    found.push(Math.floor(high / 60_000) * 60_000)
  }
  return found
}

/** By how much clocks in `zone` are set within a day and a half around an instant; 0 nearly always. */
export function changeNear(zone: string, instant: number): number {
  const reachMs = 36 * 3_600_000
  return Math.abs(offsetAt(zone, instant - reachMs) - offsetAt(zone, instant + reachMs))
}

/** Offsets by zone and minute, since no clock is set within one: asking Intl costs a hundred times as much. */
const offsets = new BoundedMap<string, Map<number, number>>(maxZones)
const maxMinutes = 5000

/** How far clocks in `zone` are ahead of UTC, in milliseconds. */
function offsetAt(zone: string, instant: number): number {
  const minute = Math.floor(instant / 60_000)
  const known = offsets.get(zone)?.get(minute)
  if (known !== undefined) return known
  const offset = readWall(zone, minute * 60_000) - minute * 60_000
  const minutes = offsets.get(zone) ?? new BoundedMap<number, number>(maxMinutes)
  offsets.set(zone, minutes.set(minute, offset))
  return offset
}

/** What clocks show, as Intl writes it: `03/29/2026, 01:30:00`. */
function readWall(zone: string, instant: number): number {
  const [, month, day, year, hour, minute, second] =
    /^(\d+)\/(\d+)\/(\d+), (\d+):(\d+):(\d+)$/.exec(formatOf(zone).format(instant)) ?? []
  return Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second))
}

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  formats.set(zone, format)
  return format
}
