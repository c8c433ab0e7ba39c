import { z } from 'zod'
import { publishedEvents } from '../../conversations/published-events.ts'
import { erasedUser, failedJob, notificationChanges, notificationEvents } from '../../events/own-events.ts'
import { ownEventTypes } from '../../events/own-topic.ts'
import { reportCreated } from '../../protocol/moderation-api.ts'
import { runEvent } from '../../protocol/sagas-api.ts'

const webhook = z.string().describe('Its name')

/** What is published of a run of a saga whose definition names the topic `$parley`. */
const ofRun = z.object({
  saga: z.string(),
  version: z.int(),
  run: z.string().describe('Its id'),
  startedAt: z.int(),
  at: z.int(),
  step: z.string().optional(),
  reason: z.string().optional(),
  input: z.unknown().optional(),
})
const whenOfRun: Readonly<Record<z.output<typeof runEvent>, string>> = {
  'saga.completed': 'A run of a saga has ended, and all its steps are done or skipped',
  'saga.compensated': 'A run of a saga has ended, and what was done is compensated',
  'saga.attention': 'A step of a run waits for a person',
}

/** Every event that Parley publishes itself, by type: when, and its data. */
export const ownEvents: Readonly<Record<string, { readonly when: string; readonly data: z.ZodType }>> = {
  ...publishedEvents,
  ...Object.fromEntries(runEvent.options.map((type) => [type, { when: whenOfRun[type], data: ofRun }])),
  ...Object.fromEntries(
    Object.entries(notificationEvents).map(([event, when]) => [
      `notification.${event}`,
      { when, data: notificationChanges },
    ]),
  ),
  'job.failed': { when: 'A job is out of attempts and became a dead letter', data: failedJob },
  'report.created': { when: 'A user reported a message or a user', data: reportCreated },
  'user.erased': { when: 'The erasure of a user has ended', data: erasedUser },
  [ownEventTypes.disabled]: {
    when: 'An endpoint was disabled after five days of failures, or because it answered 410',
    data: z.object({ webhook, url: z.string(), at: z.int(), reason: z.string() }),
  },
  [ownEventTypes.ping]: {
    when: 'You asked for a test of a webhook; no other webhook gets it',
    data: z.object({ webhook, at: z.int() }),
  },
}

const groups = [...new Set(Object.keys(ownEvents).map((type) => `${type.slice(0, type.indexOf('.'))}.*`))]

/** Why one of these is neither a type of an event nor a group of types: its index and the fix. */
export function badEventTypes(types: readonly string[]): string | undefined {
  const index = types.findIndex((type) => !Object.hasOwn(ownEvents, type) && !groups.includes(type))
  if (index < 0) return undefined
  return `${index}: no event has the type ${types[index]}; one of ${[...Object.keys(ownEvents), ...groups].join(', ')}`
}

/** The beginnings of types that a consumer compares with; no type is the beginning of another. */
export const typePrefixes = (types: readonly string[]): string[] =>
  types.map((type) => (type.endsWith('*') ? type.slice(0, -1) : type))
