import { z } from 'zod'
import { gone } from './answers.ts'
import { hookUrl, hookUrlOf, titled } from './chat.ts'
import { providerType } from './provider.ts'

/** Errors of "Sending messages using incoming webhooks" (docs.slack.dev) after which the address never works again. */
const goneErrors = [
  'channel_is_archived',
  'channel_not_found',
  'no_service',
  'no_service_id',
  'no_team',
  'invalid_token',
  'team_disabled',
]
/** Characters of `text`; Slack cuts longer ones after 40,000. */
const maxLength = 40_000

/** Slack's incoming webhooks: the answer is the text "ok". They have no idempotency keys. */
export const slack = providerType({
  channel: 'chat',
  target: 'slack',
  isIdempotent: false,
  credentials: z.strictObject({ url: hookUrl.exactOptional() }),
  urlOf: ({ url }) => url,
  prepare: ({ to, content }, { url }) => ({
    url: hookUrlOf(to, url),
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      text: [titled(content, (title) => `*${escaped(title)}*`, escaped), linkOf(content.url)]
        .filter((part) => part !== undefined)
        .join('\n')
        .slice(0, maxLength),
    }),
  }),
  read: (answer) => {
    if (answer.status === 200 && answer.text.trim() === 'ok') return { kind: 'delivered', answer: '200' }
    return goneErrors.includes(answer.text.trim()) || answer.status === 410 ? gone(answer) : undefined
  },
})

/** "Formatting text for app surfaces": these three begin links and mentions such as `<!channel>`. */
const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const linkOf = (url: string | undefined): string | undefined =>
  url === undefined ? undefined : `<${url.replaceAll(/[<>|]/g, encodeURIComponent)}>`
