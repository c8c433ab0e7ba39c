import type { Channel } from '../model.ts'
import { apns } from './apns.ts'
import { discord } from './discord.ts'
import { fcm } from './fcm.ts'
import { postmark } from './postmark.ts'
import type { ProviderKind, ProviderType } from './provider.ts'
import { resend } from './resend.ts'
import { sendgrid } from './sendgrid.ts'
import { ses } from './ses.ts'
import { slack } from './slack.ts'
import { smtp, smtpType } from './smtp/smtp.ts'
import { twilio } from './twilio.ts'
import { webPush } from './web-push.ts'
import { webhook } from './webhook.ts'

/** Providers that are called over HTTP, by the names of their types. */
export const providerTypes: Readonly<Record<string, ProviderType>> = {
  resend,
  postmark,
  sendgrid,
  ses,
  twilio,
  'web-push': webPush,
  fcm,
  apns,
  slack,
  discord,
  webhook,
}

/** Keeps messages for `/demo/outbox` instead of sending them. */
export const outboxType = 'outbox'

/** Channels that leave the app, and so have providers. */
export const outsideChannels = ['email', 'push', 'sms', 'chat', 'webhook'] as const satisfies readonly Channel[]

export const providerTypeOf = (type: string): ProviderType | undefined =>
  Object.hasOwn(providerTypes, type) ? providerTypes[type] : undefined

/** What is known of a type, however it is called. */
export const providerKindOf = (type: string): ProviderKind | undefined =>
  type === smtpType ? smtp : providerTypeOf(type)
