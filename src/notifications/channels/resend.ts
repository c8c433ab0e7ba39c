import { z } from 'zod'
import { keyUpTo } from '../short-key.ts'
import { answerOf, deliveredWith, later, membersOf } from './answers.ts'
import { mailOf, writeMailbox } from './mail.ts'
import { providerType } from './provider.ts'
import { referenceTags } from './reference.ts'

/**
 * Resend, "Send Email" (resend.com/docs/api-reference): POST /emails with `Idempotency-Key` of at most 256 characters, which it
 * knows for 24 hours. Errors have a `name`; 429 also has `daily_quota_exceeded`.
 */
export const resend = providerType({
  channel: 'email',
  isIdempotent: true,
  credentials: z.strictObject({ apiKey: z.string().min(1).max(200) }),
  hostOf: () => 'api.resend.com',
  prepare: async (message, { apiKey }) => {
    const { to, sender, subject, text, html, headers } = mailOf(message)
    return {
      url: 'https://api.resend.com/emails',
      method: 'POST',
      headers: {
        authorization: `Bearer ${apiKey}`,
        'content-type': 'application/json',
        'idempotency-key': await keyUpTo(message.id),
      },
      body: JSON.stringify({
        from: writeMailbox(sender),
        to: [to],
        subject,
        text,
        html,
        headers,
        // Names and values are of letters, digits, _ and - only.
        tags: [
          { name: 'workflow', value: message.workflow.replaceAll(/[^\w-]/g, '_').slice(0, 256) },
          ...Object.entries(referenceTags(message.id, 256)).map(([tag, value]) => ({ name: tag, value })),
        ],
      }),
    }
  },
  read: (answer, { now }) => {
    const { id, name } = membersOf(answer.text)
    // A request with the same key is under way, or was made with another body: it may have been sent.
    if (answer.status === 409) return { kind: 'unknown', answer: answerOf(answer) }
    if (name === 'daily_quota_exceeded' || name === 'monthly_quota_exceeded') return later(answer, now, 3_600_000)
    return deliveredWith(answer, id)
  },
})
