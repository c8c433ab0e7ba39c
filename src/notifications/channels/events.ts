import { isRecord, membersOf } from './answers.ts'
import { emailPattern } from './mail.ts'
import { deliveryIn } from './reference.ts'

/** What a provider says of an address. */
export interface Report {
  readonly address: string
  readonly reason: 'bounce' | 'complaint' | 'unsubscribed'
  readonly at: number
  readonly detail: string
  /** The id of the delivery that it is about, where the provider gives back what the message was tagged with. */
  readonly delivery?: string | undefined
}

type Members = Readonly<Record<string, unknown>>

const detailLength = 300

const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const record = (value: unknown): Members => (isRecord(value) ? value : {})
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

function report(address: unknown, reason: Report['reason'], at: number, detail: unknown, tags: unknown): Report[] {
  if (typeof address !== 'string' || !emailPattern.test(address)) return []
  const delivery = deliveryIn(tags)
  return [
    {
      address,
      reason,
      at,
      detail: text(detail).slice(0, detailLength),
      ...(delivery === undefined ? {} : { delivery }),
    },
  ]
}

/** A time that the provider wrote; `now` when it wrote none, or one that is later. */
function timeOf(value: unknown, now: number): number {
  const at = typeof value === 'number' ? value * 1000 : Date.parse(text(value))
  return Number.isFinite(at) && at <= now ? at : now
}

/** Postmark, "Bounce", "Spam complaint" and "Subscription change" webhooks. Only a bounce that made the address inactive is lasting. */
function postmark(body: unknown, now: number): Report[] {
  const event = record(body)
  switch (event['RecordType']) {
    case 'Bounce':
      return event['Inactive'] === true || event['Type'] === 'HardBounce'
        ? report(event['Email'], 'bounce', timeOf(event['BouncedAt'], now), event['Description'], event['Metadata'])
        : []
    case 'SpamComplaint':
      return report(
        event['Email'],
        'complaint',
        timeOf(event['BouncedAt'], now),
        event['Description'],
        event['Metadata'],
      )
    case 'SubscriptionChange':
      return event['SuppressSending'] === true
        ? report(
            event['Recipient'],
            'unsubscribed',
            timeOf(event['ChangedAt'], now),
            event['SuppressionReason'],
            event['Metadata'],
          )
        : []
    default:
      return []
  }
}

/** Resend, "Event types": `email.bounced` of the type Permanent, and `email.complained`. */
function resend(body: unknown, now: number): Report[] {
  const event = record(body)
  const data = record(event['data'])
  const bounce = record(data['bounce'])
  const at = timeOf(event['created_at'], now)
  const isLasting = event['type'] === 'email.bounced' && bounce['type'] === 'Permanent'
  if (!isLasting && event['type'] !== 'email.complained') return []
  return list(data['to']).flatMap((address) =>
    report(address, isLasting ? 'bounce' : 'complaint', at, bounce['message'], data['tags']),
  )
}

/** SendGrid, "Event Webhook": a list. A bounce of the type "blocked" passes. */
function sendgrid(body: unknown, now: number): Report[] {
  return list(body)
    .map(record)
    .flatMap((own) => {
      // Custom arguments stand beside the members of the event.
      const { event, email, type, reason, timestamp } = own
      const at = timeOf(timestamp, now)
      if (event === 'bounce' && type !== 'blocked') return report(email, 'bounce', at, reason, own)
      if (event === 'spamreport') return report(email, 'complaint', at, reason, own)
      return event === 'unsubscribe' ? report(email, 'unsubscribed', at, reason, own) : []
    })
}

/** Amazon SES, "notification contents" and "event publishing", as SNS wraps them. Only permanent bounces are lasting. */
function ses(body: unknown, now: number): Report[] {
  const outer = record(body)
  const event = typeof outer['Message'] === 'string' ? membersOf(outer['Message']) : outer
  const kind = event['notificationType'] ?? event['eventType']
  // Those of event publishing; notifications of an identity have none.
  const { tags } = record(event['mail'])
  if (kind === 'Bounce') {
    const { bounceType, bouncedRecipients, timestamp } = record(event['bounce'])
    if (bounceType !== 'Permanent') return []
    return list(bouncedRecipients)
      .map(record)
      .flatMap(({ emailAddress, diagnosticCode }) =>
        report(emailAddress, 'bounce', timeOf(timestamp, now), diagnosticCode, tags),
      )
  }
  if (kind !== 'Complaint') return []
  const { complainedRecipients, complaintFeedbackType, timestamp } = record(event['complaint'])
  return list(complainedRecipients)
    .map(record)
    .flatMap(({ emailAddress }) =>
      report(emailAddress, 'complaint', timeOf(timestamp, now), complaintFeedbackType, tags),
    )
}

const readers: Readonly<Record<string, (body: unknown, now: number) => Report[]>> = { postmark, resend, sendgrid, ses }

/** Whether providers of a type report bounces. */
export const hasEvents = (type: string): boolean => Object.hasOwn(readers, type)

/** The addresses that a report says cannot be reached. Events about anything else are none. */
export function reportsIn(type: string, body: unknown, now: number): Report[] {
  return (Object.hasOwn(readers, type) ? readers[type] : undefined)?.(body, now).slice(0, 1000) ?? []
}

/** The address that SNS wants called before it reports anything ("Confirm the subscription"); one of Amazon's own hosts only. */
export function confirmationIn(type: string, body: unknown): string | undefined {
  const { Type: kind, SubscribeURL: url } = record(body)
  if (type !== 'ses' || kind !== 'SubscriptionConfirmation' || typeof url !== 'string' || !URL.canParse(url))
    return undefined
  const { protocol, host } = new URL(url)
  return protocol === 'https:' && /^sns\.[a-z0-9-]+\.amazonaws\.com$/.test(host) ? url : undefined
}
