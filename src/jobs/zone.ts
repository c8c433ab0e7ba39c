/**
 * Wall clocks. A "wall" is a local date and time written as the milliseconds UTC would have for the same digits, so
 * that arithmetic on it is plain; an "instant" is milliseconds since the epoch.
 */
const formats = new Map<string, Intl.DateTimeFormat>()

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
export function wallAt(zone: string, instant: number): number {
  if (zone === 'UTC') return Math.floor(instant / 1000) * 1000
  const field: Partial<Record<Intl.DateTimeFormatPartTypes, number>> = {}
  for (const { type, value } of formatOf(zone).formatToParts(instant)) field[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = field
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

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

/** By how much clocks in `zone` are set within a day and a half around an instant; 0 nearly always. */
export function changeNear(zone: string, instant: number): number {
  const reachMs = 36 * 3_600_000
  return Math.abs(offsetAt(zone, instant - reachMs) - offsetAt(zone, instant + reachMs))
}

/** How far clocks in `zone` are ahead of UTC, in milliseconds. */
const offsetAt = (zone: string, instant: number): number => wallAt(zone, instant) - Math.floor(instant / 1000) * 1000

function formatOf(zone: string): Intl.DateTimeFormat {
  const known = formats.get(zone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    calendar: 'gregory',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  formats.set(zone, format)
  return format
}
