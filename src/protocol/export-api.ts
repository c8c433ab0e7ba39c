import { z } from 'zod'

/** `GET /v1/users/{user}/export` and the exports of a conversation and a tenant. */
export const exportQuery = z.strictObject({
  cursor: z
    .string()
    .max(1000)
    .regex(/^\d{1,15}:[a-z-]+:/, 'not a cursor of this export; give `next` of the page before')
    .optional()
    .describe('`next` of the page before; leave it out to begin'),
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(1000)
    .default(500)
    .describe('Lines of the page, beside its last one. A page may have fewer while it has a `next`'),
})

/** NDJSON: one JSON object in each line. */
export const exportText = z
  .string()
  .describe(
    'One JSON object a line, each with `type` and `version`. The last line is `{"type":"page","version":1,"next":…,"lines":…}`, or `{"type":"end","version":1,"lines":…}` where the export is over; `lines` counts those of all pages so far.',
  )
