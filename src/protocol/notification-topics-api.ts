import { z } from 'zod'
import { notificationName } from './feed-api.ts'
import { userId } from './payloads.ts'

/** Users that one request subscribes, or whose subscriptions it ends. */
export const maxSubscribersAtOnce = 1000

export const topic = z.object({ name: z.string(), subscribers: z.int() }).meta({ id: 'NotificationTopic' })

export const topicsQuery = z.strictObject({
  cursor: notificationName.optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

export const topicList = z.object({
  topics: z.array(z.string()).describe('Names, in their order'),
  next: z.string().nullable().describe('Cursor of the next page'),
})

/** `PUT` and `DELETE /v1/topics/{topic}/subscribers`. */
export const topicUsers = z.strictObject({ users: z.array(userId).min(1).max(maxSubscribersAtOnce) })

export const subscribed = z.object({ added: z.int().describe('Users that were not subscribed before') })
export const unsubscribed = z.object({ removed: z.int().describe('Users that were subscribed') })

export const subscribersQuery = z.strictObject({
  cursor: z
    .string()
    .regex(/^(?:\d|1[0-5]):[\x21-\x7e]{0,128}$/, 'not a cursor of this list; give `next` of the page before')
    .optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
})

export const subscriberPage = z.object({
  users: z.array(z.string()),
  next: z.string().nullable().describe('Cursor of the next page'),
})
