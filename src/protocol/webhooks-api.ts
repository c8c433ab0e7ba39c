import { z } from 'zod'
import { urlLength } from '../kernel/outside-url.ts'
import { time } from './jobs-api.ts'

export const webhookName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'letters, digits and _ - only, at most 64')

const eventTypes = z.array(z.string().min(1).max(100)).max(50)

/** `PUT /v1/webhooks/:name`. */
export const newWebhook = z.strictObject({
  url: z.string().max(urlLength).describe('An https address on port 443'),
  events: eventTypes.default([]).describe('Types of events, or groups of them such as `message.*`; all without it'),
  ordered: z
    .boolean()
    .default(false)
    .describe('Events of a conversation are posted one after the other: a failing one holds up the later ones'),
  description: z.string().max(500).default(''),
  timeoutSeconds: z.int().min(1).max(60).default(15),
  parallel: z.int().min(1).max(100).default(10).describe('Posts under way at once'),
})

const states = ['active', 'paused', 'failing', 'disabled'] as const

/** A webhook. */
export const webhookView = z
  .object({
    name: z.string(),
    url: z.string(),
    events: z.array(z.string()),
    ordered: z.boolean(),
    description: z.string(),
    timeoutSeconds: z.int(),
    parallel: z.int(),
    state: z
      .enum(states)
      .describe('`failing`: nothing but failures since then; `disabled`: for five days, or after a 410'),
    since: time,
    reason: z.string().nullable(),
    waiting: z.int().describe('Events that failed or wait behind one that did, and those of a replay'),
    lag: z.int().describe('Events that have not been looked at, or are being posted'),
    replays: z.int().describe('Replays under way'),
  })
  .meta({ id: 'Webhook' })

export const webhookList = z.object({ webhooks: z.array(webhookView) })

export const webhookSecrets = z
  .object({ secrets: z.array(z.string()).describe('The newest first; posts are signed with each of them') })
  .meta({ id: 'WebhookSecrets' })

/** `GET /v1/webhooks/:name/deliveries`. */
export const deliveriesQuery = z.strictObject({
  cursor: z.coerce.number().int().min(1).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
  state: z.enum(['delivered', 'retrying', 'given-up']).optional(),
})

export const webhookDelivery = z
  .object({
    id: z.string().describe('The header `webhook-id`'),
    event: z.object({ source: z.string(), id: z.string(), type: z.string() }),
    state: z.enum(['delivered', 'retrying', 'given-up']),
    attempts: z.int(),
    firstAt: time,
    at: time.describe('The newest attempt'),
    status: z.int().nullable().describe('Null where the endpoint did not answer'),
    reason: z.string().nullable(),
    answer: z.string().describe('How the answer began'),
    durationMs: z.int(),
  })
  .meta({ id: 'WebhookDelivery' })

export const deliveryPage = z.object({ deliveries: z.array(webhookDelivery), next: z.int().nullable() })

export const acceptedDelivery = z.object({ delivery: z.string().describe('Its id in the log of deliveries') })

/** `POST /v1/webhooks/:name/replay`. */
export const replayRequest = z
  .strictObject({
    from: z.int().min(0).describe('Milliseconds since the epoch'),
    to: z.int().min(0).optional().describe('Now without it'),
    types: eventTypes.default([]).describe('Those among the events of the webhook; all without it'),
  })
  .refine(({ from, to }) => to === undefined || from < to, 'from: must be before to')

export const acceptedReplay = z.object({
  events: z.int().describe('Events in that time, before the filter; those that are still to be posted do not count'),
})
