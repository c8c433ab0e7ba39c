import { z } from 'zod'

const publication = z.object({ offset: z.number().default(0), data: z.unknown() })

/** One line from the server, as far as a visitor looks at it. */
export const line = z.object({
  id: z.number().optional(),
  error: z
    .object({
      code: z.number(),
      message: z.string(),
      data: z.object({ retryAfterMs: z.number().default(1000) }).default({ retryAfterMs: 1000 }),
    })
    .optional(),
  push: z
    .object({
      channel: z.string().default(''),
      pub: publication.optional(),
      unsubscribe: z.object({ code: z.number() }).optional(),
    })
    .optional(),
  subscribe: z
    .object({
      offset: z.number().default(0),
      epoch: z.string().default(''),
      was_recovering: z.boolean().default(false),
      recovered: z.boolean().default(false),
      publications: z.array(publication).default([]),
    })
    .optional(),
  rpc: z.object({ data: z.unknown() }).optional(),
  history: z.object({ publications: z.array(publication), offset: z.number(), epoch: z.string() }).optional(),
})

/** What the server said. */
export type Line = z.output<typeof line>
export type Publication = z.output<typeof publication>

/**
 * How a command ended. `busy`: not now, as an overloaded server may say. `cut`: the connection went before, so it may
 * have been done or not.
 */
export type Answer =
  | { readonly kind: 'answered'; readonly line: Line }
  | { readonly kind: 'busy'; readonly code: number; readonly retryAfterMs: number }
  | { readonly kind: 'refused'; readonly code: number; readonly message: string }
  | { readonly kind: 'cut' }

const tooMany = 111

/** The answer a line is. */
export function answerOf(said: Line): Answer {
  if (said.error === undefined) return { kind: 'answered', line: said }
  const { code, message, data } = said.error
  return code === tooMany ? { kind: 'busy', code, retryAfterMs: data.retryAfterMs } : { kind: 'refused', code, message }
}

/** What a message sent at once is answered with. */
export const sent = z.object({ seq: z.number(), duplicate: z.boolean() })

const message = z.object({ type: z.literal('message'), text: z.string() })

/** The number a message carries between two markers; 0 for whatever else a stream says. */
export function numberIn(data: unknown): number {
  const read = message.safeParse(data)
  return read.success ? Number(/^~(\d+)~/.exec(read.data.text)?.[1] ?? 0) : 0
}
