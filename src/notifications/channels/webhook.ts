import { z } from 'zod'
import { keyUpTo } from '../short-key.ts'
import { gone, isSuccess } from './answers.ts'
import { hookUrl, hookUrlOf } from './chat.ts'
import { providerType } from './provider.ts'

const secret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, 'whsec_ and 24 to 64 bytes in base64')
  .describe('Signs the posts, as Standard Webhooks say')

/**
 * A POST to an endpoint, signed as Standard Webhooks 1.0 say: any 2xx is success, 410 means that the endpoint wants no more. The
 * receiver recognizes a repeat by `webhook-id`, which is the same for each attempt.
 */
export const webhook = providerType({
  channel: 'webhook',
  target: 'webhook',
  isIdempotent: true,
  credentials: z.strictObject({ url: hookUrl.exactOptional(), secret }),
  urlOf: ({ url }) => url,
  prepare: async ({ id, to, content, workflow }, { url, secret: key }, { now, sign }) => {
    const body = JSON.stringify({
      type: 'notification.delivered',
      timestamp: new Date(now).toISOString(),
      data: { id, workflow, ...content },
    })
    return {
      url: hookUrlOf(to, url),
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Parley-Notifications/1',
        ...(await sign(key, await keyUpTo(id), body)),
      },
      body,
    }
  },
  read: (answer) => {
    if (answer.status === 410) return gone(answer)
    return isSuccess(answer) ? { kind: 'delivered', answer: String(answer.status) } : undefined
  },
})
