import { z } from 'zod'
import { deliveredWith, gone, later, membersOf, refused } from './answers.ts'
import { mailOf, writeMailbox } from './mail.ts'
import { providerType } from './provider.ts'
import { referenceTags } from './reference.ts'

/** Codes of Postmark's "API error codes" that speak about the recipient: 406 is an inactive one, after a bounce or a complaint. */
const inactive = 406
/** 405 is "not allowed to send", for an account without credits. */
const noCredits = 405

/** Postmark, "Send a single email" (postmarkapp.com/developer/api/email-api). It has no idempotency keys. */
export const postmark = providerType({
  channel: 'email',
  isIdempotent: false,
  credentials: z.strictObject({
    serverToken: z.string().min(1).max(200),
    messageStream: z
      .string()
      .regex(/^[\w-]{1,64}$/)
      .default('outbound'),
  }),
  hostOf: () => 'api.postmarkapp.com',
  prepare: (message, { serverToken, messageStream }) => {
    const { to, sender, subject, text, html, headers } = mailOf(message)
    return {
      url: 'https://api.postmarkapp.com/email',
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        'x-postmark-server-token': serverToken,
      },
      body: JSON.stringify({
        From: writeMailbox(sender),
        To: to,
        Subject: subject,
        TextBody: text,
        HtmlBody: html,
        MessageStream: messageStream,
        Headers: Object.entries(headers).map(([Name, Value]) => ({ Name, Value })),
        // A value has 80 characters at most.
        Metadata: referenceTags(message.id, 80),
        Tag: message.workflow,
        // Parley tracks itself where the tenant wants it.
        TrackOpens: false,
        TrackLinks: 'None',
      }),
    }
  },
  read: (answer, { now }) => {
    const { ErrorCode: code, MessageID: id } = membersOf(answer.text)
    if (code === inactive) return gone(answer)
    if (code === noCredits) return later(answer, now, 3_600_000)
    if (typeof code === 'number' && code !== 0) return refusedUnlessServer(answer)
    return code === 0 ? deliveredWith(answer, id) : undefined
  },
})

const refusedUnlessServer = (answer: Parameters<typeof refused>[0]) =>
  answer.status >= 500 || answer.status === 429 ? undefined : refused(answer)
