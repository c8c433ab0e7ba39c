import { z } from 'zod'

/** A day (UTC). */
export const day = z.iso.date('a day as 2026-11-22').refine((text) => text >= '2000', 'no day before 2000')

/** `GET /v1/usage`: days (UTC) from and up to, both included; the last 31 days when not said. */
export const usageQuery = z.strictObject({
  from: day.optional(),
  to: day.optional(),
  limit: z.coerce
    .number()
    .pipe(z.int().min(1).max(366))
    .optional()
    .describe('Days of one answer at most; 366 when it is not given'),
})

/** Use by day (UTC); days without any are left out. */
export const usageReport = z.object({
  from: z.string(),
  to: z.string(),
  days: z.array(
    z
      .object({
        day: z.string(),
        messages: z.int(),
        jobs: z.int(),
        connectionsPeak: z.int(),
        requests: z.int().describe('HTTP requests that were not refused'),
        commands: z.int().describe('Commands of connections'),
        messageBytes: z.int().describe('What the messages of the day take in Postgres, without indexes'),
      })
      .meta({ id: 'DayOfUse' }),
  ),
  next: z.string().nullable().describe('`from` of the next page; null on the last'),
  stored: z
    .object({ messages: z.int(), bytes: z.int() })
    .describe('All messages up to the last day, an estimate: what was deleted or edited since is not subtracted'),
})
export type UsageReport = z.output<typeof usageReport>

/** `GET /admin/v1/tenants/{id}/storage`. */
export const storageQuery = z.strictObject({
  cursor: z.string().max(1000).optional().describe('`next` of the page before'),
})

/** What the actors of a tenant store, a page of them. */
export const actorSizes = z
  .object({
    actors: z.array(
      z.object({
        class: z.string().describe('A class of actors, as Conversation or Inbox'),
        actors: z.int().describe('How many of them this page has'),
        bytes: z.int().describe('What their databases take, with indexes and free pages'),
      }),
    ),
    next: z.string().nullable().describe('`cursor` of the next page; null on the last. A class may go on there'),
  })
  .meta({ id: 'ActorSizes' })
export type ActorSizes = z.output<typeof actorSizes>
