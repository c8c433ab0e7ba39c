import { z } from 'zod'
import type { reportCreated } from '../protocol/moderation-api.ts'
import type { NewEvent } from './log-event.ts'

/** Parley's own events of jobs, notifications and erasures (docs/design/webhooks.md). Those of conversations are in `src/conversations`. */

const at = z.int().describe('Milliseconds since the epoch')

export const failedJob = z.object({
  queue: z.string(),
  job: z.string().describe('Its id'),
  type: z.string().describe('`http` for a job that is posted to your endpoint'),
  attempts: z.int(),
  reason: z.string().describe('Why its last attempt failed'),
  at,
})
export type FailedJob = z.output<typeof failedJob>

export const erasedUser = z.object({
  erasure: z
    .string()
    .describe(
      'The `run` of the answer to the request. The id of the user is not in the event, which is kept for 14 days',
    ),
  messages: z.enum(['delete', 'keep-anonymous']),
  at,
})

export const notificationChange = z.object({
  notification: z.string(),
  user: z.string().describe('The recipient'),
  at,
  step: z.string().optional().describe('Of a message on a channel: the step of the workflow'),
  channel: z.string().optional().describe('Of a message on a channel'),
  provider: z.string().optional().describe('The provider that was asked last'),
  reason: z.string().optional().describe('Why it failed, or what was reported'),
})
export type NotificationChange = z.output<typeof notificationChange>

/** Changes of one kind of one event, at most. */
export const maxChanges = 100
export const notificationChanges = z.object({
  changes: z.array(notificationChange).describe(`At most ${maxChanges}, of one burst, in their order`),
})

/** In the order of a life: of one burst those that come first are published first. */
export const notificationEvents = {
  created: 'A notification began for a recipient',
  sent: 'A message was handed to a provider for the first time, or put into the feed',
  delivered: 'The provider took a message, or the item is in the feed',
  failed: 'A message failed for good',
  reported:
    'A provider reported a bounce, a complaint or an unsubscription (`reason`) about a message that it had taken',
  opened: 'An e-mail was opened for the first time, if you track that',
  clicked: 'A link of an e-mail was followed for the first time, if you track that',
  seen: 'Items were marked as seen',
  read: 'Items were marked as read, and so as seen',
  interacted: 'Items were interacted with, and so read',
  archived: 'Items were archived',
} as const
export type NotificationEvent = keyof typeof notificationEvents

export const isNotificationEvent = (name: string): name is NotificationEvent => Object.hasOwn(notificationEvents, name)

/** `job.failed` of a job that became a dead letter. Another one follows when it was sent again and failed again: `run` counts its attempts. */
export const failedJobEvent = (data: FailedJob, run: number): NewEvent => ({
  source: `/queues/${data.queue}`,
  id: `${data.job}.${run}`,
  type: 'job.failed',
  key: data.job,
  version: 1,
  data: JSON.stringify(data),
  attributes: { time: new Date(data.at).toISOString(), subject: data.job },
})

/** `report.created` of each report of a review; `reports` counts them. */
export const reportCreatedEvent = (data: z.output<typeof reportCreated>): NewEvent => ({
  source: '/reviews',
  id: `${data.review}.${data.reports}`,
  type: 'report.created',
  key: `reviews/${data.review}`,
  version: 1,
  data: JSON.stringify(data),
  attributes: { time: new Date(data.at).toISOString(), subject: data.review },
})

export const erasedUserEvent = (data: z.output<typeof erasedUser>): NewEvent => ({
  source: '/users',
  id: data.erasure,
  type: 'user.erased',
  key: null,
  version: 1,
  data: JSON.stringify(data),
  attributes: { time: new Date(data.at).toISOString() },
})

/** Changes of one kind that were noted together. */
export interface NotedChanges {
  readonly event: NotificationEvent
  readonly changes: readonly NotificationChange[]
}

/**
 * The events of changes that were noted one after the other, merged by their kind; `actor` is the one that has their users, and `n` of the
 * first says which batch it is. The changes of one recipient stay in the order of a life.
 */
export function notificationEventsOf(
  actor: string,
  entries: readonly { readonly n: number; readonly change: NotedChanges }[],
): NewEvent[] {
  const first = entries[0]?.n ?? 0
  return Object.keys(notificationEvents).flatMap((event) => {
    const changes = entries.flatMap(({ change }) => (change.event === event ? change.changes : []))
    return chunks(changes).map((chunk, place) => ({
      source: `/notifications/${actor}`,
      id: `${first}.${event}.${place}`,
      type: `notification.${event}`,
      key: `notifications/${actor}`,
      version: 1,
      data: JSON.stringify({ changes: chunk }),
      attributes: { time: new Date(chunk[0]?.at ?? 0).toISOString() },
    }))
  })
}

const chunks = <T>(all: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(all.length / maxChanges) }, (_, place) =>
    all.slice(place * maxChanges, (place + 1) * maxChanges),
  )
