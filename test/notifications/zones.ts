import type { TimeRange } from '../../src/notifications/model.ts'
import type { SendTimes } from '../../src/notifications/times/send-at.ts'

export const minuteMs = 60_000
export const dayMs = 86_400_000
const from = Date.UTC(2024, 0, 1)
const to = Date.UTC(2038, 0, 1)

/** A change of clocks: the offset before and after an instant, in milliseconds. */
export interface Change {
  readonly at: number
  readonly before: number
  readonly after: number
}

/** What clocks of a zone show, read from Intl without the code under test, and all changes from 2024 to 2037. */
export class ZoneClock {
  readonly zone: string
  readonly changes: Change[] = []
  readonly #first: number

  constructor(zone: string, stepMs: number) {
    this.zone = zone
    const format = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
    const offset = (at: number) => Date.parse(`${format.format(at).replace(' ', 'T')}Z`) - at
    this.#first = offset(from)
    let before = this.#first
    for (let at = from + stepMs; at < to; at += stepMs) {
      const after = offset(at)
      if (after === before) continue
      let [low, high] = [at - stepMs, at]
      while (high - low > minuteMs) {
        const middle = low + Math.floor((high - low) / 2 / minuteMs) * minuteMs
        if (offset(middle) === before) low = middle
        else high = middle
      }
      this.changes.push({ at: high, before, after })
      before = after
    }
  }

  wall(at: number): number {
    let offset = this.#first
    for (const change of this.changes) {
      if (change.at > at) break
      offset = change.after
    }
    return at + offset
  }
}

const dayOf = (wall: number) => Math.floor(wall / dayMs) * dayMs
const weekdayOf = (wall: number) => Math.floor(wall / dayMs + 4) % 7 || 7
/** Times of day in milliseconds: each is read some million times. */
const read = new Map<string, number>()
function minutes(time: string): number {
  const known = read.get(time)
  if (known !== undefined) return known
  const ms = (Number(time.slice(0, 2)) * 60 + Number(time.slice(3))) * minuteMs
  read.set(time, ms)
  return ms
}
const isOn = ({ weekdays }: TimeRange, day: number) => weekdays === undefined || weekdays.includes(weekdayOf(day))
const spanOf = ({ start, end }: TimeRange, day: number): [number, number] => {
  const [begin, finish] = [day + minutes(start), day + minutes(end)]
  return [begin, finish > begin ? finish : finish + dayMs]
}

function shows(wall: number, ranges: readonly TimeRange[]): boolean {
  for (const range of ranges)
    for (let day = dayOf(wall) - dayMs; day <= wall; day += dayMs) {
      const begin = day + minutes(range.start)
      const end = day + minutes(range.end)
      if (begin <= wall && wall < (end > begin ? end : end + dayMs) && isOn(range, day)) return true
    }
  return false
}

export const isQuiet = (clock: ZoneClock, at: number, ranges: readonly TimeRange[]): boolean =>
  shows(clock.wall(at), ranges)

/** Whether a message may be sent, said as plainly as possible. */
export function isAllowed(clock: ZoneClock, at: number, { quietHours, windows }: SendTimes): boolean {
  if (quietHours !== undefined && isQuiet(clock, at, quietHours.ranges)) return false
  if (windows === undefined || shows(clock.wall(at), windows)) return true
  // A window that clocks passed over as a whole is open right after the change.
  return clock.changes.some((change) => {
    if (change.at > at || at > change.at + dayMs) return false
    const gap = [change.at + change.before, change.at + change.after] as const
    return windows.some((range) =>
      [0, 1].some((back) => {
        const day = dayOf(gap[0]) - back * dayMs
        const [begin, finish] = spanOf(range, day)
        const isSkipped = isOn(range, day) && begin >= gap[0] && finish <= gap[1]
        return isSkipped && change.at <= at && at < change.at + (finish - begin)
      }),
    )
  })
}

/** Numbers in [0, 1) that are the same each time. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

const timeText = (minute: number) =>
  `${String(Math.floor(minute / 60) % 24).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`

/** A range whose start or end is often near the hour in which clocks are set. */
export function randomRange(random: () => number): TimeRange {
  const around = () => Math.floor(random() < 0.6 ? random() * 300 : random() * 1440)
  const start = around()
  const length = 1 + Math.floor(random() < 0.5 ? random() * 90 : random() * 700)
  const range = { start: timeText(start), end: timeText((start + length) % 1440) }
  return random() < 0.3 ? { ...range, weekdays: [1, 3, 6, 7] } : range
}
