import { z } from 'zod'
import { deliveredWith, later, membersOf, refused } from './answers.ts'
import { encodedWords, mailOf, writeMailbox } from './mail.ts'
import { providerType } from './provider.ts'
import { referenceTags } from './reference.ts'
import { signedByAws } from './sigv4.ts'

/** Errors of "SendEmail" (SES API v2) that pass: limits of the account, and sending that is paused. */
const passing = ['TooManyRequestsException', 'LimitExceededException', 'SendingPausedException', 'ThrottlingException']

const hostIn = ({ region }: { readonly region: string }): string => `email.${region}.amazonaws.com`

/**
 * Amazon SES, API v2 "SendEmail", signed with Signature Version 4. It has no idempotency keys.
 */
export const ses = providerType({
  channel: 'email',
  isIdempotent: false,
  credentials: z.strictObject({
    accessKeyId: z.string().regex(/^\w{16,128}$/),
    secretAccessKey: z.string().min(1).max(200),
    region: z.string().regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/, 'the name of an AWS region'),
    configurationSet: z
      .string()
      .regex(/^[\w-]{1,64}$/)
      .exactOptional(),
  }),
  hostOf: hostIn,
  prepare: async (message, { accessKeyId, secretAccessKey, region, configurationSet }, { now }) => {
    const { to, sender, subject, text, html, headers } = mailOf(message)
    const utf8 = (data: string) => ({ Data: data, Charset: 'UTF-8' })
    const body = JSON.stringify({
      FromEmailAddress: writeMailbox(sender, encodedWords),
      Destination: { ToAddresses: [to] },
      Content: {
        Simple: {
          Subject: utf8(subject),
          Body: { Text: utf8(text), ...(html === undefined ? {} : { Html: utf8(html) }) },
          ...(Object.keys(headers).length === 0
            ? {}
            : { Headers: Object.entries(headers).map(([Name, Value]) => ({ Name, Value })) }),
        },
      },
      EmailTags: Object.entries(referenceTags(message.id, 256)).map(([Name, Value]) => ({ Name, Value })),
      ...(configurationSet === undefined ? {} : { ConfigurationSetName: configurationSet }),
    })
    const url = `https://${hostIn({ region })}/v2/email/outbound-emails`
    const given = { 'content-type': 'application/json' }
    const signing = { accessKeyId, secretAccessKey, region, service: 'ses' }
    return {
      url,
      method: 'POST',
      headers: await signedByAws({ method: 'POST', url, headers: given, body }, signing, now),
      body,
    }
  },
  read: (answer, { now }) => {
    const { MessageId: id, __type: type } = membersOf(answer.text)
    const name = (answer.headers.get('x-amzn-errortype') ?? (typeof type === 'string' ? type : '')).replace(
      /:.*$|^.*#/g,
      '',
    )
    if (passing.includes(name)) return later(answer, now)
    if (answer.status === 400 || answer.status === 404) return refused(answer)
    return deliveredWith(answer, id)
  },
})
