import { expect, test } from 'vitest'
import { readOwnEvent } from '../sdk/own-events.ts'
import { ownEvents } from '../src/edge/openapi/own-events.ts'
import {
  erasedUserEvent,
  failedJobEvent,
  notificationEvents,
  notificationEventsOf,
  type NotificationEvent,
  reportCreatedEvent,
} from '../src/events/own-events.ts'
import type { NewEvent } from '../src/events/log-event.ts'

const at = 1_790_000_000_000
const given = ({ type, data }: NewEvent): unknown => ({ type, data: JSON.parse(data ?? 'null') })
const isNotificationEvent = (name: string): name is NotificationEvent => Object.hasOwn(notificationEvents, name)
const names = Object.keys(notificationEvents).filter(isNotificationEvent)

test('the SDK reads each event of jobs, users and notifications, and no other', () => {
  const job = { queue: 'mails', job: 'j1', type: 'http', attempts: 3, reason: 'the endpoint answered 500', at }
  expect(readOwnEvent(given(failedJobEvent(job, 3)))).toEqual({ ...job, type: 'job.failed', jobType: 'http' })
  const erased = { erasure: 'e1', messages: 'delete', at } as const
  expect(readOwnEvent(given(erasedUserEvent(erased)))).toEqual({ type: 'user.erased', ...erased })
  const report = { review: 'r1', kind: 'message', conversation: 'c1', seq: 7, reason: 'spam', reports: 2, at } as const
  expect(readOwnEvent(given(reportCreatedEvent(report)))).toEqual({ type: 'report.created', ...report })
  const change = { notification: 'n1', user: 'ana', at, channel: 'email', step: 'mail', provider: 'p', reason: 'no' }
  const read = names.map((event) => {
    const [made] = notificationEventsOf('3', [{ n: 1, change: { event, changes: [change] } }])
    return made === undefined ? undefined : readOwnEvent(given(made))
  })
  expect(read).toEqual(names.map((event) => ({ type: `notification.${event}`, changes: [change] })))
  expect(readOwnEvent({ type: 'message.created', data: {} })).toBeUndefined()
})

test('each event that is made satisfies the schema that OpenAPI shows for it', () => {
  const made = [
    failedJobEvent({ queue: 'q', job: 'j', type: 'http', attempts: 1, reason: '', at }, 1),
    erasedUserEvent({ erasure: 'e', messages: 'keep-anonymous', at }),
    reportCreatedEvent({ review: 'r', kind: 'user', reason: 'other', reports: 1, at }),
    ...names.flatMap((event) =>
      notificationEventsOf('0', [{ n: 7, change: { event, changes: [{ notification: 'n', user: 'u', at }] } }]),
    ),
  ]
  const good = made.filter(({ type, data }) => ownEvents[type]?.data.safeParse(JSON.parse(data ?? '')).success)
  expect(good).toEqual(made)
})

test('changes of a burst are merged by their kind, in the order of a life, a hundred in an event at most', () => {
  const changes = (event: NotificationEvent, from: number, to: number) => ({
    event,
    changes: Array.from({ length: to - from }, (_, place) => ({ notification: `n${from + place}`, user: 'ana', at })),
  })
  const entries = [
    { n: 4, change: changes('created', 0, 80) },
    { n: 5, change: changes('read', 0, 1) },
    { n: 7, change: changes('created', 80, 130) },
    { n: 8, change: changes('read', 80, 81) },
  ]
  const events = notificationEventsOf('3', entries)
  expect(events.map(({ id, key }) => [id, key])).toEqual([
    ['4.created.0', 'notifications/3'],
    ['4.created.1', 'notifications/3'],
    ['4.read.0', 'notifications/3'],
  ])
  const sizes = events.map((event) => {
    const read = readOwnEvent(given(event))
    return read !== undefined && 'changes' in read ? read.changes.length : 0
  })
  expect(sizes).toEqual([100, 30, 2])
  expect(notificationEventsOf('3', entries)).toEqual(events)
})
