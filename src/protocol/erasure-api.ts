import { z } from 'zod'

const time = z.int().describe('Milliseconds since the epoch')

/** `DELETE /v1/users/{user}`. */
export const erasureQuery = z.strictObject({
  messages: z
    .enum(['delete', 'keep-anonymous'])
    .default('delete')
    .describe('`delete` removes the content of the messages of the user, `keep-anonymous` keeps it under a pseudonym'),
})

const erasedStore = z
  .object({
    store: z.string(),
    holds: z.string().describe('What it holds of one user'),
    how: z
      .enum(['deleted', 'rewritten', 'follows', 'expires', 'tenant'])
      .describe(
        '`rewritten` with a pseudonym; `follows` another store; `expires` by itself; `tenant`: content that only your server can tell',
      ),
    erased: z.int().describe('Entries, rows and actors that were deleted or rewritten'),
    left: z.int().describe('What the last round still found; 0 everywhere at the end'),
  })
  .meta({ id: 'ErasedUserStore' })

/** `GET /v1/users/{user}/erasure`: progress, and in the end the report. */
export const erasureView = z
  .object({
    user: z.string(),
    erasure: z.string().describe('Names this erasure in the event `user.erased`'),
    messages: z.enum(['delete', 'keep-anonymous']),
    phase: z.enum(['settling', 'erasing', 'erased']),
    requestedAt: time,
    endedAt: time.nullable(),
    failure: z.string().nullable().describe('Why the last attempt failed; it is repeated'),
    stores: z.array(erasedStore),
  })
  .meta({ id: 'UserErasure' })
