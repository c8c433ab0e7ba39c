import type { CronRule } from '../../../src/jobs/schedules/cron.ts'

/**
 * Cron by brute force: looks at every minute there is and asks what clocks showed. Shares nothing with src/jobs: the
 * expressions have a reader of their own, and a zone's clocks are a table of changes found by halving, from the offset
 * that Intl writes out in words (`GMT+01:00`).
 */
export interface Change {
  /** The first instant with the new offset. */
  readonly at: number
  readonly before: number
  readonly after: number
}

const minuteMs = 60_000
const dayMs = 86_400_000

/** Every change of a zone's clocks between two instants. */
export function changesOf(zone: string, from: number, to: number): Change[] {
  const offset = offsetReader(zone)
  const changes: Change[] = []
  let before = offset(from)
  for (let at = from; at < to; at += 5 * dayMs) {
    const after = offset(at + 5 * dayMs)
    if (after !== before) changes.push(...findChanges(offset, at, at + 5 * dayMs))
    before = after
  }
  return changes
}

function findChanges(offset: (at: number) => number, from: number, to: number): Change[] {
  let [low, high] = [from, to]
  while (high - low > minuteMs) {
    const middle = low + Math.floor((high - low) / 2 / minuteMs) * minuteMs
    if (offset(middle) === offset(from)) low = middle
    else high = middle
  }
  return [{ at: high, before: offset(low), after: offset(high) }]
}

function offsetReader(zone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  return (at) => {
    const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? ''
    const [, sign = '+', hours = '0', minutes = '0'] = /GMT([+-])(\d\d):(\d\d)/.exec(name) ?? []
    return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * minuteMs
  }
}

/** All runs of a rule in [from, to), around one change of the zone's clocks. */
export function runsAround(rule: CronRule, change: Change, from: number, to: number): number[] {
  const wallOf = (at: number) => at + (at < change.at ? change.before : change.after)
  const matches = matcher(rule.cron)
  const natural = minutes(from, to).filter((at) => matches(wallOf(at)))
  const often = (rule.cron.split(' ')[1] ?? '').startsWith('*')
  if (often) return natural

  const shift = change.after - change.before
  const again = (at: number) => shift < 0 && at >= change.at && at < change.at - shift
  const kept = rule.overlap === 'both' ? natural : natural.filter((at) => !again(at))
  if (shift <= 0 || rule.gap === 'skip') return kept

  const skipped = minutes(change.at + change.before, change.at + change.after).filter(matches)
  const shifted = skipped.length > 0 && change.at >= from && change.at < to ? [change.at] : []
  return [...new Set([...kept, ...shifted])].sort((a, b) => a - b)
}

function minutes(from: number, to: number): number[] {
  const first = Math.ceil(from / minuteMs) * minuteMs
  return Array.from({ length: Math.max(0, Math.ceil((to - first) / minuteMs)) }, (_, n) => first + n * minuteMs)
}

/** crontab(5): numbers, lists, ranges, steps; either day is enough where neither field begins with `*`. */
function matcher(cron: string): (wall: number) => boolean {
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = cron.split(' ')
  const [atMinute, atHour, onDay, inMonth, onWeekday] = [
    set(minute, 0, 59),
    set(hour, 0, 23),
    set(day, 1, 31),
    set(month, 1, 12),
    set(weekday.replace('7', '0'), 0, 6),
  ]
  return (wall) => {
    if (!atMinute.has((wall / minuteMs) % 60)) return false
    const date = new Date(wall)
    const days = onDay.has(date.getUTCDate())
    const weekdays = onWeekday.has(date.getUTCDay())
    const either = !day.startsWith('*') && !weekday.startsWith('*') ? days || weekdays : days && weekdays
    return (
      either &&
      atMinute.has(date.getUTCMinutes()) &&
      atHour.has(date.getUTCHours()) &&
      inMonth.has(date.getUTCMonth() + 1)
    )
  }
}

function set(field: string, low: number, high: number): Set<number> {
  const values = field.split(',').flatMap((part) => {
    const [range = '', step = '1'] = part.split('/')
    const [first = '', last = first] = range === '*' ? [String(low), String(high)] : range.split('-')
    const end = part.includes('/') && !range.includes('-') && range !== '*' ? high : Number(last)
    return Array.from(
      { length: Math.floor((end - Number(first)) / Number(step)) + 1 },
      (_, n) => Number(first) + n * Number(step),
    )
  })
  return new Set(values)
}
