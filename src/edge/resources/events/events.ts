import { callEventLog } from '../../../../durable-objects/open-event-actors.ts'
import {
  countEvents,
  encodeEvent,
  readBinaryEvent,
  readEvents,
  type GivenEvent,
} from '../../../event-log/cloud-events.ts'
import type { Env } from '../../../env.ts'
import type { LogEvent, NewEvent } from '../../../events/log-event.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { encodeWith } from '../../../kernel/json.ts'
import { eventPage, eventsQuery, publishBody, publishedEvents, publishQuery } from '../../../protocol/events-api.ts'
import { sizes } from '../../../protocol/limits.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { requestBody, textOf } from '../../http/capped.ts'
import type { AppContext } from '../../http/context.ts'
import { parseJson } from '../../http/input.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { takeItems } from '../../rate-limits/items.ts'
import { typeOf } from './event-types.ts'

const tag = 'Events'
const access = 'server'

const exampleEvent = {
  specversion: '1.0',
  offset: 1204,
  source: '/shop',
  id: 'o-1',
  type: 'order.placed',
  time: '2026-12-01T10:00:00.000Z',
  version: 1,
  partitionkey: 'alice',
  data: { total: 20 },
} as const

const publishEvents = operation(
  defineOperation({
    id: 'publishEvents',
    method: 'post',
    path: '/v1/events',
    tag,
    summary: 'Publish one event or a batch: all of it, or none',
    description:
      'Plain events and CloudEvents 1.0 are accepted: structured and batched in JSON, or binary with `ce-*` headers. An event is ' +
      'the same by `source` and `id`: a repeat has no effect. Answered with 200 when all events were there already.',
    access,
    query: publishQuery,
    body: publishBody,
    rawBody: ['application/cloudevents+json', 'application/cloudevents-batch+json'],
    responses: { 201: publishedEvents, 200: publishedEvents },
    errors: ['conflict', 'not-found'],
    example: {
      body: { type: 'order.placed', key: 'alice', source: '/shop', id: 'o-1', data: { total: 20 } },
      response: { topic: 'default', events: [{ id: 'o-1', offset: 1204, duplicate: false }] },
    },
  }),
  async ({ c, caller, query: { topic } }) => {
    const given = await givenEvents(c, async (count) => await takeItems(c.env, caller, count))
    const events = await checked(c.env, caller.tenant, given)
    const appended = accepted(await callEventLog(c.env, caller.tenant, topic, (log) => log.append(events)))
    const body = {
      topic,
      events: appended.events.map(({ offset, duplicate }, index) => ({
        id: events[index]?.id ?? '',
        offset,
        duplicate,
      })),
    }
    return appended.events.every(({ duplicate }) => duplicate) ? { status: 200, body } : { status: 201, body }
  },
)

/** The events of a request; `charge` is called with their number before the first of them is read. */
async function givenEvents(c: AppContext, charge: (count: number) => Promise<void>): Promise<readonly GivenEvent[]> {
  const bytes = await requestBody(c, sizes.bodyBytes)
  if (c.req.header('ce-specversion') !== undefined) return eventsOf(readBinaryEvent(c.req.raw.headers, bytes))
  const given = parseJson(textOf(bytes))
  await charge(countEvents(given.value))
  return eventsOf(readEvents(given, systemClock.now()))
}

const eventsOf = (read: ReturnType<typeof readEvents>): readonly GivenEvent[] =>
  read.kind === 'bad' ? fail('invalid-request', read.detail) : read.events

/** Events with their versions, whose data satisfies the schemas of their types. */
async function checked(env: Env, tenant: string, given: readonly GivenEvent[]): Promise<NewEvent[]> {
  const events: NewEvent[] = []
  for (const [index, { version, ...event }] of given.entries()) {
    const type = await typeOf(env, tenant, event.type, version)
    const known = version ?? type?.newest ?? 1
    const bad =
      event.attributes.base64 === true && type !== undefined
        ? 'data: must be JSON, as its type has a schema'
        : type?.check(known, event.data)
    if (bad !== undefined) return fail('invalid-request', given.length === 1 ? bad : `events.${index}.${bad}`)
    events.push({ ...event, version: known })
  }
  return events
}

const readEventsPage = operation(
  defineOperation({
    id: 'readEvents',
    method: 'get',
    path: '/v1/events',
    tag,
    summary: 'Read the events of a topic in order, a page at a time',
    access,
    query: eventsQuery,
    responses: { 200: eventPage },
    errors: ['not-found'],
    example: { response: { events: [exampleEvent], next: 1204, first: 1, top: 1204 } },
  }),
  async ({ c, caller, query: { topic, after, since, limit, as } }) => {
    const { tenant } = caller
    const wanted = await versionsOf(c.env, tenant, as)
    // Upcasting costs the processor's time.
    if (as !== undefined) await takeItems(c.env, caller, limit)
    const from =
      since === undefined ? (after ?? 0) : await callEventLog(c.env, tenant, topic, (log) => log.offsetBefore(since))
    const { events, first, top } = accepted(await callEventLog(c.env, tenant, topic, (log) => log.read(from, limit)))
    const texts: string[] = []
    for (const event of events) texts.push(await encodedAs(c.env, tenant, event, wanted))
    const next = events.at(-1)?.offset ?? Math.max(from, first - 1)
    return { status: 200, json: encodeWith({ next, first, top }, { events: `[${texts.join(',')}]` }) }
  },
)

/** `order.placed@3,order.paid@2` as versions by type, each of which exists. */
async function versionsOf(env: Env, tenant: string, as: string | undefined): Promise<ReadonlyMap<string, number>> {
  const wanted = new Map<string, number>()
  for (const each of as?.split(',') ?? []) {
    const [name = '', version = ''] = each.split('@')
    const type = await typeOf(env, tenant, name, Number(version))
    if (type === undefined)
      return fail('invalid-request', `as: ${name} has no versions; leave it out to read its events as they are`)
    if (Number(version) < 1 || Number(version) > type.newest)
      return fail('invalid-request', `as: ${name} has the versions 1 to ${type.newest}, got ${Number(version)}`)
    wanted.set(name, Number(version))
  }
  return wanted
}

async function encodedAs(
  env: Env,
  tenant: string,
  event: LogEvent,
  wanted: ReadonlyMap<string, number>,
): Promise<string> {
  const version = wanted.get(event.type)
  if (version === undefined || version <= event.version) return encodeEvent(event)
  const type = await typeOf(env, tenant, event.type, version)
  const upcast = type?.upcast(event.data, event.version, version) ?? {
    kind: 'failed' as const,
    reason: `there is no type ${event.type}`,
  }
  return upcast.kind === 'failed' ? encodeEvent(event, upcast.reason) : encodeEvent({ ...event, ...upcast })
}

/** Events of the tenant: published once, kept in order, read at any offset. */
export const events = [publishEvents, readEventsPage]
