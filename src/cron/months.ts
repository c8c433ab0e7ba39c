/** The first days of `count` months from the one `now` (milliseconds since the epoch) is in, in UTC: `2026-11-01`. */
export function monthsFrom(now: number, count: number): string[] {
  const today = new Date(now)
  return Array.from({ length: count }, (_, index) => {
    const first = new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + index, 1))
    return first.toISOString().slice(0, 10)
  })
}
