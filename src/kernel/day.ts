const dayMs = 86_400_000

/** The UTC day a moment (milliseconds since the epoch) lies in, as `2026-11-22`. */
export const dayOf = (moment: number): string => new Date(moment).toISOString().slice(0, 10)

/** The moment a UTC day begins. */
export const startOfDay = (day: string): number => Date.parse(`${day}T00:00:00Z`)

/** The midnight `days` before the one that begins the day of `now`. */
export const midnightBefore = (now: number, days: number): number => startOfDay(dayOf(now)) - days * dayMs

/** The day after. */
export const nextDay = (day: string): string => dayOf(startOfDay(day) + dayMs)
