import { z } from 'zod'
import { deliveredWith, gone, later, membersOf } from './answers.ts'
import { hookUrl, hookUrlOf, titled } from './chat.ts'
import { providerType } from './provider.ts'

/** Characters of `content`, at most. */
const maxLength = 2000
/** "Unknown Webhook" of Discord's JSON error codes. */
const unknownWebhook = 10_015

/**
 * Discord, "Execute Webhook": with `wait=true` the answer has the message's id. 429 has `retry_after` in seconds, with a fraction. They
 * have no idempotency keys.
 */
export const discord = providerType({
  channel: 'chat',
  target: 'discord',
  isIdempotent: false,
  credentials: z.strictObject({ url: hookUrl.exactOptional() }),
  urlOf: ({ url }) => url,
  prepare: ({ to, content }, { url }) => {
    const address = hookUrlOf(to, url)
    return {
      url: `${address}${address.includes('?') ? '&' : '?'}wait=true`,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        content: [titled(content, (title) => `**${title}**`), content.url]
          .filter((part) => part !== undefined)
          .join('\n')
          .slice(0, maxLength),
        // No text of a template can notify a whole server.
        allowed_mentions: { parse: [] },
      }),
    }
  },
  read: (answer, { now }) => {
    const { id, code, retry_after: seconds } = membersOf(answer.text)
    if (answer.status === 404 && code === unknownWebhook) return gone(answer)
    if (answer.status === 429 && typeof seconds === 'number' && seconds >= 0)
      return later(answer, now, Math.min(86_400_000, Math.ceil(seconds * 1000)))
    return deliveredWith(answer, id)
  },
})
