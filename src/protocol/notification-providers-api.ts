import { z } from 'zod'
import { sagaName } from './sagas-api.ts'

export const providerName = sagaName

export const providerChannel = z.enum(['email', 'push', 'sms', 'chat', 'webhook'])

export const providerTypeName = z.enum([
  'resend',
  'postmark',
  'sendgrid',
  'ses',
  'smtp',
  'twilio',
  'web-push',
  'fcm',
  'apns',
  'slack',
  'discord',
  'webhook',
  'outbox',
])

/** `PUT /v1/notification-providers/{name}`. */
export const newProvider = z
  .strictObject({
    channel: providerChannel,
    type: providerTypeName,
    order: z.int().min(0).max(1000).default(100).describe('The lowest of a channel is used first'),
    from: z.string().max(320).optional().describe('Sender: `Name <name@example.com>`, or a phone number'),
    onUnknown: z
      .enum(['wait', 'failover'])
      .default('wait')
      .describe('What follows when the provider may have sent a message and did not say so'),
    credentials: z
      .record(z.string(), z.unknown())
      .optional()
      .describe('What the type asks for; stored encrypted and never shown. Without it those of before are kept'),
  })
  .meta({ id: 'NewNotificationProvider' })

export const providerView = z
  .object({
    name: z.string(),
    channel: providerChannel,
    type: z.string(),
    order: z.int(),
    from: z.string().nullable(),
    onUnknown: z.enum(['wait', 'failover']),
    isIdempotent: z.boolean().describe('Whether it makes one message of a repeat'),
    hasCredentials: z.boolean(),
    eventsUrl: z.string().nullable().describe('Where the provider reports bounces and complaints; a secret'),
  })
  .meta({ id: 'NotificationProvider' })

export const providerList = z.object({ providers: z.array(providerView) })

/** What providers report: each has a shape of its own. */
export const providerEvents = z.unknown().describe('What the provider posts')

export const providerEventsAnswer = z.object({ noted: z.int().describe('Addresses that were marked') })

export const undeliverableAddress = z
  .object({
    address: z.string(),
    reason: z.enum(['bounce', 'complaint', 'unsubscribed']),
    provider: z.string(),
    at: z.int(),
    detail: z.string(),
  })
  .meta({ id: 'UndeliverableAddress' })

export const addressParam = z.string().min(3).max(320)
