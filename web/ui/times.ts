const clock = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' })
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' })
const shortDate = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const longDate = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' })
const withYear = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' })
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' })

/** 09:41 */
export const timeOf = (at: number): string => clock.format(at)
/** Everything there is to say about a moment, for a tooltip. */
export const momentOf = (at: number): string => full.format(at)

/** Which calendar day, here where the reader is. */
export const dayOf = (at: number): number => new Date(at).setHours(0, 0, 0, 0)

/** Whole days from `at` to `now`, by the calendar. */
const daysAgo = (at: number, now: number): number => Math.round((dayOf(now) - dayOf(at)) / 86_400_000)

/** For a list: the time today, the weekday this week, else the date. */
export function briefly(at: number, now: number): string {
  const days = daysAgo(at, now)
  if (days <= 0) return clock.format(at)
  return days < 7 ? weekday.format(at) : shortDate.format(at)
}

/** For a day separator. */
export function dayName(at: number, now: number): string {
  const days = daysAgo(at, now)
  if (days <= 0) return 'Today'
  if (days === 1) return 'Yesterday'
  return new Date(at).getFullYear() === new Date(now).getFullYear() ? longDate.format(at) : withYear.format(at)
}
