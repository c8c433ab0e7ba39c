import { z } from 'zod'
import { isSuccess } from './answers.ts'
import { mailOf } from './mail.ts'
import { providerType } from './provider.ts'
import { referenceTags } from './reference.ts'

const hostIn = ({ region }: { readonly region: 'global' | 'eu' }): string =>
  `api${region === 'eu' ? '.eu' : ''}.sendgrid.com`

/**
 * SendGrid, "Mail Send" (v3): 202 with `X-Message-Id` and no body. It has no idempotency keys. Bounces are known by its event
 * webhook only.
 */
export const sendgrid = providerType({
  channel: 'email',
  isIdempotent: false,
  credentials: z.strictObject({
    apiKey: z.string().min(1).max(200),
    region: z.enum(['global', 'eu']).default('global'),
  }),
  hostOf: hostIn,
  prepare: (message, { apiKey, region }) => {
    const { to, sender, subject, text, html, headers } = mailOf(message)
    return {
      url: `https://${hostIn({ region })}/v3/mail/send`,
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        personalizations: [{ to: [{ email: to }], custom_args: referenceTags(message.id, 1000) }],
        from: sender.name === '' ? { email: sender.email } : sender,
        subject,
        // Text first, as RFC 2046 §5.1.4 orders alternatives.
        content: [
          { type: 'text/plain', value: text === '' ? ' ' : text },
          ...(html === undefined ? [] : [{ type: 'text/html', value: html }]),
        ],
        ...(Object.keys(headers).length === 0 ? {} : { headers }),
        categories: [message.workflow],
        tracking_settings: { click_tracking: { enable: false }, open_tracking: { enable: false } },
      }),
    }
  },
  read: (answer) => {
    if (!isSuccess(answer)) return undefined
    const id = answer.headers.get('x-message-id')
    // A body that is not empty, or no id, is not SendGrid's own answer.
    if (id === null || id === '') return undefined
    return { kind: 'delivered', providerId: id.slice(0, 200), answer: String(answer.status) }
  },
})
