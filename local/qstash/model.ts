import { z } from 'zod'

/** The methods `Upstash-Method` may name. */
export const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

const headerLists = z.record(z.string(), z.array(z.string()))

/** How one message is to be delivered, whether it is a message proper or a callback. */
export const deliveryOptions = z.object({
  method: z.enum(methods),
  /** What the destination receives: `Content-Type` and the forwarded headers. */
  header: headerLists,
  maxRetries: z.number(),
  /** Expression over `retried`, in milliseconds. */
  retryDelay: z.string().optional(),
  timeoutMs: z.number().optional(),
  delayMs: z.number(),
})
export type DeliveryOptions = z.infer<typeof deliveryOptions>

/** A callback is a message yet to be written: where it goes, and how. */
const callbackTarget = z.object({ url: z.string(), options: deliveryOptions })
export type CallbackTarget = z.infer<typeof callbackTarget>

/** Limits shared by all messages with the same key; an absent one is no limit. */
const flowLimits = z.object({
  key: z.string(),
  parallelism: z.number().optional(),
  /** Deliveries begun per period. */
  rate: z.number().optional(),
  periodMs: z.number(),
})
export type FlowLimits = z.infer<typeof flowLimits>

/** All a publisher can ask for in headers. */
export const publishOptions = deliveryOptions.extend({
  /** Unix milliseconds; wins over the delay. */
  notBefore: z.number().optional(),
  callback: callbackTarget.optional(),
  failureCallback: callbackTarget.optional(),
  labels: z.array(z.string()),
  flow: flowLimits.optional(),
})
export type PublishOptions = z.infer<typeof publishOptions>

/** What stays the same about a message from publishing to its end. */
export const messageDetails = publishOptions.extend({
  notBefore: z.number(),
  createdAt: z.number(),
  callerIp: z.string(),
  topicName: z.string().optional(),
  endpointName: z.string().optional(),
  scheduleId: z.string().optional(),
})
export type MessageDetails = z.infer<typeof messageDetails>

/** A message on its way. */
export interface Message {
  id: string
  /** The destination, exactly as published. */
  url: string
  queue: string | null
  /** Its place in the queue; a callback takes over the place of the message it tells about. */
  position: number
  /** Retries so far. */
  retried: number
  /** Unix milliseconds before which no attempt is made. */
  dueAt: number
  details: MessageDetails
  body: Uint8Array
}

/** One target of a URL group. */
export const endpoint = z.object({ name: z.string().optional(), url: z.string() })
export type Endpoint = z.infer<typeof endpoint>
