import { z } from 'zod'

/** A day (UTC). */
export const day = z.iso.date('a day as 2026-11-22').refine((text) => text >= '2000', 'no day before 2000')

/** `GET /v1/usage`: days (UTC) from and up to, both included; the last 31 days when not said. */
export const usageQuery = z.strictObject({ from: day.optional(), to: day.optional() })

/** Use by day (UTC); days without any are left out. */
export const usageReport = z.object({
  from: z.string(),
  to: z.string(),
  days: z.array(
    z.object({ day: z.string(), messages: z.int(), jobs: z.int(), connectionsPeak: z.int() }).meta({ id: 'DayOfUse' }),
  ),
})
