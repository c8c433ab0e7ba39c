import { count, fields, text } from './parse.ts'

const notificationTypes = [
  'notification.created',
  'notification.sent',
  'notification.delivered',
  'notification.failed',
  'notification.reported',
  'notification.opened',
  'notification.clicked',
  'notification.seen',
  'notification.read',
  'notification.interacted',
  'notification.archived',
] as const

/** A job became a dead letter. */
export interface JobFailedEvent {
  readonly type: 'job.failed'
  readonly queue: string
  readonly job: string
  /** `http` for a job that is posted to your endpoint. */
  readonly jobType: string
  readonly attempts: number
  readonly reason: string
  /** In milliseconds since the epoch. */
  readonly at: number
}

/** The erasure of a user has ended; `erasure` is that of the answer to the request. */
export interface UserErasedEvent {
  readonly type: 'user.erased'
  readonly erasure: string
  readonly messages: 'delete' | 'keep-anonymous'
  /** In milliseconds since the epoch. */
  readonly at: number
}

/** A user reported a message or a user; `GET /v1/reviews/{review}` has the rest. */
export interface ReportCreatedEvent {
  readonly type: 'report.created'
  readonly review: string
  readonly kind: 'message' | 'user'
  /** Of a message. */
  readonly conversation: string | undefined
  readonly seq: number | undefined
  readonly reason: string
  /** How many users have reported it. */
  readonly reports: number
  /** In milliseconds since the epoch. */
  readonly at: number
}

/** What happened to a notification of one recipient, or to its message on one channel. */
export interface NotificationChange {
  readonly notification: string
  readonly user: string
  /** In milliseconds since the epoch. */
  readonly at: number
  /** Of a message on a channel. */
  readonly step: string | undefined
  readonly channel: string | undefined
  readonly provider: string | undefined
  /** Why it failed, or what was reported: `bounce`, `complaint` or `unsubscribed`. */
  readonly reason: string | undefined
}

/** What happened to notifications in one burst. */
export interface NotificationsEvent {
  readonly type: (typeof notificationTypes)[number]
  readonly changes: readonly NotificationChange[]
}

export type OwnEvent = JobFailedEvent | ReportCreatedEvent | UserErasedEvent | NotificationsEvent

/** Reads an event of jobs, users or notifications as a webhook or consumer gets it; undefined for another event. */
export function readOwnEvent(event: unknown): OwnEvent | undefined {
  const given = fields(event)
  const data = fields(given['data'])
  const at = typeof data['at'] === 'number' ? data['at'] : 0
  if (given['type'] === 'job.failed')
    return {
      type: 'job.failed',
      queue: text(data['queue']),
      job: text(data['job']),
      jobType: text(data['type']),
      attempts: count(data['attempts']),
      reason: text(data['reason']),
      at,
    }
  if (given['type'] === 'report.created')
    return {
      type: 'report.created',
      review: text(data['review']),
      kind: data['kind'] === 'user' ? 'user' : 'message',
      conversation: typeof data['conversation'] === 'string' ? data['conversation'] : undefined,
      seq: typeof data['seq'] === 'number' ? data['seq'] : undefined,
      reason: text(data['reason']),
      reports: count(data['reports']),
      at,
    }
  if (given['type'] === 'user.erased')
    return {
      type: 'user.erased',
      erasure: text(data['erasure']),
      messages: data['messages'] === 'keep-anonymous' ? 'keep-anonymous' : 'delete',
      at,
    }
  const type = notificationTypes.find((each) => each === given['type'])
  if (type === undefined) return undefined
  const changes: readonly unknown[] = Array.isArray(data['changes']) ? data['changes'] : []
  return { type, changes: changes.map(changeIn) }
}

function changeIn(value: unknown): NotificationChange {
  const given = fields(value)
  const optional = (name: string) => (typeof given[name] === 'string' ? given[name] : undefined)
  return {
    notification: text(given['notification']),
    user: text(given['user']),
    at: count(given['at']),
    step: optional('step'),
    channel: optional('channel'),
    provider: optional('provider'),
    reason: optional('reason'),
  }
}
