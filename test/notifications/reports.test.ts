import PostalMime from 'postal-mime'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { confirmationIn, reportsIn } from '../../src/notifications/channels/events.ts'
import { providerTypeOf } from '../../src/notifications/channels/provider-types.ts'
import { userOfDelivery } from '../../src/notifications/channels/reference.ts'
import { encodedWords, readMailbox, writeMailbox } from '../../src/notifications/channels/mail.ts'

const now = Date.parse('2026-11-30T12:00:00Z')
const at = Date.parse('2026-11-30T11:00:00Z')
const time = '2026-11-30T11:00:00Z'
const ann = 'ann@example.com'

const sns = (message: object) => ({ Type: 'Notification', Message: JSON.stringify(message) })

describe('an address is marked by', () => {
  test.each([
    [
      'postmark',
      { RecordType: 'Bounce', Type: 'HardBounce', Inactive: true, Email: ann, BouncedAt: time, Description: 'unknown' },
      'bounce',
      'unknown',
    ],
    [
      'postmark',
      { RecordType: 'SpamComplaint', Type: 'SpamComplaint', Email: ann, BouncedAt: time, Description: 'spam' },
      'complaint',
      'spam',
    ],
    [
      'postmark',
      {
        RecordType: 'SubscriptionChange',
        SuppressSending: true,
        Recipient: ann,
        ChangedAt: time,
        SuppressionReason: 'ManualSuppression',
      },
      'unsubscribed',
      'ManualSuppression',
    ],
    [
      'resend',
      {
        type: 'email.bounced',
        created_at: time,
        data: { to: [ann], bounce: { type: 'Permanent', message: 'no mailbox' } },
      },
      'bounce',
      'no mailbox',
    ],
    ['resend', { type: 'email.complained', created_at: time, data: { to: [ann] } }, 'complaint', ''],
    [
      'sendgrid',
      [
        { event: 'bounce', type: 'bounce', email: ann, timestamp: at / 1000, reason: '550' },
        { event: 'delivered', email: ann },
      ],
      'bounce',
      '550',
    ],
    ['sendgrid', [{ event: 'spamreport', email: ann, timestamp: at / 1000 }], 'complaint', ''],
    ['sendgrid', [{ event: 'unsubscribe', email: ann, timestamp: at / 1000 }], 'unsubscribed', ''],
    [
      'ses',
      sns({
        notificationType: 'Bounce',
        bounce: {
          bounceType: 'Permanent',
          timestamp: time,
          bouncedRecipients: [{ emailAddress: ann, diagnosticCode: '550' }],
        },
      }),
      'bounce',
      '550',
    ],
    [
      'ses',
      sns({
        eventType: 'Complaint',
        complaint: { timestamp: time, complainedRecipients: [{ emailAddress: ann }], complaintFeedbackType: 'abuse' },
      }),
      'complaint',
      'abuse',
    ],
    [
      'ses',
      {
        notificationType: 'Bounce',
        bounce: {
          bounceType: 'Permanent',
          timestamp: time,
          bouncedRecipients: [{ emailAddress: ann, diagnosticCode: '550' }],
        },
      },
      'bounce',
      '550',
    ],
  ])('%s: %j', (type, body, reason, detail) => {
    expect(reportsIn(type, body, now)).toEqual([{ address: ann, reason, at, detail }])
  })
})

describe('no address is marked by', () => {
  test.each([
    ['postmark', { RecordType: 'Bounce', Type: 'SoftBounce', Inactive: false, Email: ann }],
    ['postmark', { RecordType: 'SubscriptionChange', SuppressSending: false, Recipient: ann }],
    ['postmark', { RecordType: 'Open', Recipient: ann }],
    ['resend', { type: 'email.bounced', data: { to: [ann], bounce: { type: 'Transient' } } }],
    ['resend', { type: 'email.delivered', data: { to: [ann] } }],
    ['sendgrid', [{ event: 'bounce', type: 'blocked', email: ann }]],
    [
      'ses',
      sns({
        notificationType: 'Bounce',
        bounce: { bounceType: 'Transient', bouncedRecipients: [{ emailAddress: ann }] },
      }),
    ],
    ['resend', { type: 'email.bounced', data: { to: ['not an address', 7], bounce: { type: 'Permanent' } } }],
    ['sendgrid', 'nonsense'],
    ['ses', { Message: '{' }],
    ['postmark', null],
    ['slack', { RecordType: 'Bounce', Type: 'HardBounce', Email: ann }],
  ])('%s: %j', (type, body) => {
    expect(reportsIn(type, body, now)).toEqual([])
  })
})

test('a report from the future counts from now', () => {
  const body = { type: 'email.complained', created_at: '2030-01-01T00:00:00Z', data: { to: [ann] } }
  expect(reportsIn('resend', body, now)).toMatchObject([{ at: now }])
})

test('a subscription of SNS is confirmed at Amazon’s own hosts only', () => {
  const confirm = (SubscribeURL: unknown, type = 'ses') =>
    confirmationIn(type, { Type: 'SubscriptionConfirmation', SubscribeURL })
  const url = 'https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=x'
  expect(confirm(url)).toBe(url)
  expect(confirm(url, 'postmark')).toBeUndefined()
  expect(confirm('https://sns.eu-west-1.amazonaws.com.example.com/')).toBeUndefined()
  expect(confirm('http://sns.eu-west-1.amazonaws.com/')).toBeUndefined()
  expect(confirm('https://evil.example/#sns.eu-west-1.amazonaws.com')).toBeUndefined()
})

describe('a sender', () => {
  test.each([
    ['shop@example.com', '', 'shop@example.com'],
    ['Shop <shop@example.com>', 'Shop', 'shop@example.com'],
    ['"Shop, Inc." <shop@example.com>', 'Shop, Inc.', 'shop@example.com'],
    [`Łukasz Größe 🎉 ${'x'.repeat(60)} <l@example.com>`, `Łukasz Größe 🎉 ${'x'.repeat(60)}`, 'l@example.com'],
  ])('%s is written so that a MIME library reads the same', async (given, name, address) => {
    const sender = readMailbox(given)
    expect(sender).toEqual({ name, email: address })
    const header = writeMailbox(sender ?? { name: '', email: '' }, encodedWords)
    for (const line of header.split('\r\n')) expect(line.length).toBeLessThan(998)
    const { from } = await new PostalMime().parse(`From: ${header}\r\nSubject: x\r\n\r\nbody`)
    expect(from).toMatchObject({ name, address })
  })

  test.each([
    'no address',
    'a@b',
    'a@b.c\r\nBcc: x@y.z',
    'Name\r\nBcc: x@y.z <a@example.com>',
    'a b@example.com',
    '<a@example.com',
    'a@example..com',
  ])('that is %j is none', (given) => {
    expect(readMailbox(given)).toBeUndefined()
  })
})

const texts = z.record(z.string(), z.string())
const bodies = z.object({
  tags: z.array(z.object({ name: z.string(), value: z.string() })).optional(),
  Metadata: texts.optional(),
  personalizations: z.array(z.object({ custom_args: texts })).optional(),
  EmailTags: z.array(z.object({ Name: z.string(), Value: z.string() })).optional(),
})
type Sent = z.output<typeof bodies>

describe('a report names its delivery by what the message was tagged with', () => {
  const user = `a/${'b'.repeat(126)}`
  const id = `0199c1f0-9d2e-7c3a-8f00-b3f1c6a52e11/${user}/mail`
  const credentials: Readonly<Record<string, object>> = {
    resend: { apiKey: 'x' },
    postmark: { serverToken: 'x' },
    sendgrid: { apiKey: 'x' },
    ses: { accessKeyId: 'AKIDEXAMPLE012345', secretAccessKey: 'secret', region: 'eu-west-1' },
  }
  /** The body of the request with which a provider is given the message. */
  const sent = async (type: string) => {
    const call = await providerTypeOf(type)!.prepare(
      {
        id,
        content: { title: 'Hi', body: 'Body' },
        to: ann,
        from: 'news@example.com',
        priority: 'normal',
        headers: {},
        workflow: 'welcome',
      },
      credentials[type],
      { now, sign: async () => ({}) },
    )
    return bodies.parse(JSON.parse(String(call.body)))
  }

  test.each([
    ['resend', ({ tags }: Sent) => ({ type: 'email.complained', data: { to: [ann], tags } })],
    [
      'resend',
      ({ tags = [] }: Sent) => ({
        type: 'email.complained',
        data: { to: [ann], tags: Object.fromEntries(tags.map(({ name, value }) => [name, value])) },
      }),
    ],
    ['postmark', ({ Metadata }: Sent) => ({ RecordType: 'SpamComplaint', Email: ann, Metadata })],
    [
      'sendgrid',
      ({ personalizations }: Sent) => [{ event: 'spamreport', email: ann, ...personalizations?.[0]?.custom_args }],
    ],
    [
      'ses',
      ({ EmailTags = [] }: Sent) =>
        sns({
          eventType: 'Complaint',
          mail: { tags: Object.fromEntries(EmailTags.map(({ Name, Value }) => [Name, [Value]])) },
          complaint: { complainedRecipients: [{ emailAddress: ann }] },
        }),
    ],
  ] as const)('%s', async (type, eventOf) => {
    const [report] = reportsIn(type, eventOf(await sent(type)), now)
    expect(report).toMatchObject({ address: ann, delivery: id })
    expect(userOfDelivery(report?.delivery ?? '')?.user).toBe(user)
  })

  test('and names none where the tags are missing, or say nonsense', () => {
    for (const Metadata of [
      undefined,
      null,
      'x',
      { delivery: 17 },
      { delivery: '%%%' },
      { delivery: btoa('nonsense') },
    ])
      expect(reportsIn('postmark', { RecordType: 'SpamComplaint', Email: ann, Metadata }, now)[0]).not.toHaveProperty(
        'delivery',
      )
  })
})
