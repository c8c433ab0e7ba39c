import { z } from 'zod'
import { callEventCatalog, callEventConsumer, callEventLog } from '../../../../durable-objects/open-event-actors.ts'
import type { ConsumerState } from '../../../../durable-objects/contracts.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { encodeEvent } from '../../../event-log/cloud-events.ts'
import { badExpression } from '../../../kernel/expression.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { ownTopic } from '../../../events/own-topic.ts'
import { encodeWith } from '../../../kernel/json.ts'
import { badEndpoint } from '../../../kernel/outside-url.ts'
import {
  acknowledged,
  acknowledgeRequest,
  consumerList,
  consumerSecrets,
  consumerView,
  deadLetterPage,
  deadLettersLimit,
  deadLettersMoved,
  deadLettersQuery,
  newConsumer,
  pulledEvents,
  pullRequest,
  seekRequest,
  type StartingPoint,
} from '../../../protocol/consumers-api.ts'
import { topicName } from '../../../protocol/events-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { openOwnTopic, publishOwnEvents, webhookOf } from './own-topic.ts'
import { accepted, fail } from '../../http/problem.ts'
import { takeItems } from '../../rate-limits/items.ts'

const tag = 'Consumers'
const access = 'server'
const path = '/v1/consumers/{name}'
const params = z.object({ name: topicName })

const exampleConsumer = {
  name: 'billing',
  topic: 'orders',
  types: ['order.'],
  keys: [],
  sources: [],
  condition: null,
  versions: { 'order.placed': 2 },
  push: { url: 'https://example.com/events', timeoutSeconds: 15 },
  parallel: 10,
  maxAttempts: 10,
  paused: false,
  full: false,
  generation: 1,
  settled: 1200,
  lag: 4,
  lagMs: 120,
  skipped: 0,
  retrying: 0,
  handedOut: 1,
  deadLetters: 0,
}
const exampleEvent = {
  specversion: '1.0',
  offset: 1204,
  source: '/shop',
  id: 'o-1',
  type: 'order.placed',
  time: '2026-12-01T10:00:00.000Z',
  version: 2,
  partitionkey: 'alice',
  data: { total: 20 },
} as const

/** A consumer as the API shows it, with how far it is behind its topic. */
async function viewOf(env: Env, tenant: string, name: string, state: ConsumerState | undefined) {
  if (state === undefined) return missing(name)
  const { spec: whole, isPaused, isFull, settled, ...figures } = state
  const { ordered: _, webhook: __, ...spec } = whole
  const page = await callEventLog(env, tenant, spec.topic, (log) => log.read(settled, 1))
  const [oldest] = page.kind === 'page' ? page.events : []
  const top = page.kind === 'page' ? page.top : settled
  return {
    name,
    ...spec,
    paused: isPaused,
    full: isFull,
    settled,
    lag: Math.max(0, top - settled),
    lagMs: oldest === undefined ? 0 : Math.max(0, systemClock.now() - oldest.at),
    ...figures,
  }
}

const missing = (name: string) =>
  fail('not-found', `consumer: there is no consumer ${name}; PUT /v1/consumers/${name} creates it`)

type EventConsumer = Parameters<Parameters<typeof callEventConsumer>[3]>[0]

/** Calls a consumer that exists: no other is opened. */
async function callExisting<R>(
  env: Env,
  tenant: string,
  name: string,
  call: (consumer: EventConsumer) => R,
): Promise<Awaited<R>> {
  const topic = await callEventCatalog(env, tenant, (catalog) => catalog.consumer(name))
  return topic === undefined ? missing(name) : await callEventConsumer(env, tenant, name, call)
}

/** Refuses versions that a type does not have: each of its events would become a dead letter. */
async function checkVersions(env: Env, tenant: string, versions: Readonly<Record<string, number>>): Promise<void> {
  const types = Object.keys(versions)
  if (types.length === 0) return
  for (const { type, newest } of await callEventCatalog(env, tenant, (catalog) => catalog.newestOf(types))) {
    const wanted = versions[type] ?? newest
    if (wanted > newest)
      fail('invalid-request', `versions.${type}: the newest version is ${newest}, got ${wanted}; register it first`)
  }
}

/** The offset behind which a consumer of this topic begins; `field` names it where it is refused. */
async function offsetOf(env: Env, tenant: string, topic: string, point: StartingPoint, field: string): Promise<number> {
  if (point === 'earliest') return 0
  const top = async () => (await callEventLog(env, tenant, topic, (log) => log.state()))?.top ?? 0
  if (point === 'latest') return await top()
  if ('offset' in point) {
    const newest = point.offset === 0 ? 0 : await top()
    if (point.offset > newest)
      fail('invalid-request', `${field}.offset: the newest event of ${topic} has offset ${newest}, got ${point.offset}`)
    return point.offset
  }
  return await callEventLog(env, tenant, topic, (log) => log.offsetBefore(point.time))
}

const listConsumers = operation(
  defineOperation({
    id: 'listConsumers',
    method: 'get',
    path: '/v1/consumers',
    tag,
    summary: 'List your consumers and their topics',
    access,
    responses: { 200: consumerList },
    example: { response: { consumers: [{ name: 'billing', topic: 'orders' }] } },
  }),
  async ({ c, caller }) => ({
    status: 200,
    body: {
      consumers: (await callEventCatalog(c.env, caller.tenant, (catalog) => catalog.consumers())).filter(
        ({ name }) => webhookOf(name) === undefined,
      ),
    },
  }),
)

const readConsumer = operation(
  defineOperation({
    id: 'readConsumer',
    method: 'get',
    path,
    tag,
    summary: 'Read a consumer: its rules, its position and how far it is behind',
    access,
    params,
    responses: { 200: consumerView },
    example: { response: exampleConsumer },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const state = await callExisting(c.env, tenant, name, (consumer) => consumer.state())
    return { status: 200, body: await viewOf(c.env, tenant, name, state) }
  },
)

const putConsumer = operation(
  defineOperation({
    id: 'putConsumer',
    method: 'put',
    path,
    tag,
    summary: 'Create a consumer, or change its rules; its position stays',
    description:
      'With `push` events are posted to an https endpoint, signed by Standard Webhooks; without it they are pulled. Events of one key ' +
      'are handed out one after the other.',
    access,
    params,
    body: newConsumer,
    responses: { 200: consumerView },
    errors: ['conflict'],
    example: {
      body: { topic: 'orders', types: ['order.'], push: { url: 'https://example.com/events' } },
      response: exampleConsumer,
    },
  }),
  async ({ c, caller: { tenant }, params: { name }, body: { from, condition = null, push = null, ...rules } }) => {
    const bad =
      (condition === null ? undefined : prefixed('condition', badExpression(condition))) ??
      (push === null ? undefined : prefixed('push', badEndpoint(push.url, loadConfig(c.env).endpoints), '.'))
    if (bad !== undefined) return fail('invalid-request', bad)
    if (rules.topic === ownTopic) await openOwnTopic(c.env, tenant)
    if ((await callEventLog(c.env, tenant, rules.topic, (log) => log.state())) === undefined)
      return fail(
        'not-found',
        `topic: there is no topic ${rules.topic}; PUT /v1/event-topics/${rules.topic} creates it`,
      )
    await checkVersions(c.env, tenant, rules.versions)
    const offset = await offsetOf(c.env, tenant, rules.topic, from, 'from')
    accepted(await callEventCatalog(c.env, tenant, (catalog) => catalog.addConsumer(name, rules.topic)))
    const spec = { ...rules, condition, push, ordered: true, webhook: null }
    await callEventConsumer(c.env, tenant, name, (consumer) => consumer.configure(spec, offset))
    await callEventLog(c.env, tenant, rules.topic, (log) => log.addConsumer(name))
    if (rules.topic === ownTopic) await publishOwnEvents(c.env, tenant)
    const state = await callEventConsumer(c.env, tenant, name, (consumer) => consumer.state())
    return { status: 200, body: await viewOf(c.env, tenant, name, state) }
  },
)

const prefixed = (field: string, bad: string | undefined, separator = ': '): string | undefined =>
  bad === undefined ? undefined : `${field}${separator}${bad}`

const deleteConsumer = operation(
  defineOperation({
    id: 'deleteConsumer',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a consumer with its position and its dead letters',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const topic = await callEventCatalog(c.env, tenant, (catalog) => catalog.consumer(name))
    if (topic === undefined) return missing(name)
    await callEventLog(c.env, tenant, topic, (log) => log.removeConsumer(name))
    await callEventConsumer(c.env, tenant, name, (consumer) => consumer.remove())
    await callEventCatalog(c.env, tenant, (catalog) => catalog.removeConsumer(name))
    if (topic === ownTopic) await publishOwnEvents(c.env, tenant)
    return { status: 204 }
  },
)

const pauseOperation = (id: string, verb: 'pause' | 'resume', summary: string) =>
  operation(
    defineOperation({
      id,
      method: 'post',
      path: `/v1/consumers/{name}/${verb}`,
      tag,
      summary,
      access,
      params,
      responses: { 200: consumerView },
      example: { response: { ...exampleConsumer, paused: verb === 'pause' } },
    }),
    async ({ c, caller: { tenant }, params: { name } }) => {
      await callExisting(c.env, tenant, name, (consumer) => consumer.setPaused(verb === 'pause'))
      const state = await callEventConsumer(c.env, tenant, name, (consumer) => consumer.state())
      return { status: 200, body: await viewOf(c.env, tenant, name, state) }
    },
  )

const pauseConsumer = pauseOperation(
  'pauseConsumer',
  'pause',
  'Hand out no more events; those handed out can be acknowledged',
)
const resumeConsumer = pauseOperation('resumeConsumer', 'resume', 'Hand out events of a paused consumer again')

const seekConsumer = operation(
  defineOperation({
    id: 'seekConsumer',
    method: 'post',
    path: '/v1/consumers/{name}/seek',
    tag,
    summary: 'Continue a consumer at another offset or time',
    description:
      'Retries and leases are dropped and late acknowledgements are refused; dead letters stay. Ids of deliveries stay the same, so clear ' +
      'the inbox of the consumer where effects are to be made again.',
    access,
    params,
    body: seekRequest,
    responses: { 200: consumerView },
    example: { body: { to: { offset: 0 } }, response: exampleConsumer },
  }),
  async ({ c, caller: { tenant }, params: { name }, body: { to } }) => {
    const topic = await callEventCatalog(c.env, tenant, (catalog) => catalog.consumer(name))
    if (topic === undefined) return missing(name)
    const offset = await offsetOf(c.env, tenant, topic, to, 'to')
    await callEventConsumer(c.env, tenant, name, (consumer) => consumer.seek(offset))
    const state = await callEventConsumer(c.env, tenant, name, (consumer) => consumer.state())
    return { status: 200, body: await viewOf(c.env, tenant, name, state) }
  },
)

const pullConsumer = operation(
  defineOperation({
    id: 'pullEvents',
    method: 'post',
    path: '/v1/consumers/{name}/pull',
    tag,
    summary: 'Lease events of a consumer, waiting for them if there are none',
    description: 'Acknowledge them before the lease is over; otherwise they are handed out again.',
    access,
    params,
    body: pullRequest,
    optionalBody: true,
    responses: { 200: pulledEvents },
    errors: ['conflict'],
    example: {
      body: { max: 10, waitSeconds: 10 },
      response: {
        lease: 'c2Vjb25k',
        until: 1_790_000_030_000,
        events: [{ id: 'billing/orders/1204', attempt: 1, event: exampleEvent }],
      },
    },
  }),
  async ({ c, caller, params: { name }, body: { max, waitSeconds, leaseSeconds } }) => {
    await takeItems(c.env, caller, max)
    const { lease, until, events } = accepted(
      await callExisting(c.env, caller.tenant, name, (consumer) =>
        consumer.pull(max, leaseSeconds * 1000, waitSeconds * 1000),
      ),
    )
    const texts = events.map(({ event, ...rest }) => encodeWith(rest, { event }))
    return { status: 200, json: encodeWith({ lease, until }, { events: `[${texts.join(',')}]` }) }
  },
)

const acknowledgeEvents = operation(
  defineOperation({
    id: 'acknowledgeEvents',
    method: 'post',
    path: '/v1/consumers/{name}/acknowledge',
    tag,
    summary: 'Settle leased events by their offsets: done, or failed and to be tried again',
    access,
    params,
    body: acknowledgeRequest,
    responses: { 200: acknowledged },
    example: { body: { lease: 'c2Vjb25k', done: [1204] }, response: { late: [] } },
  }),
  async ({ c, caller, params: { name }, body: { lease, done, failed } }) => {
    await takeItems(c.env, caller, done.length + failed.length)
    const settled = accepted(
      await callExisting(c.env, caller.tenant, name, (consumer) =>
        consumer.settle({
          lease,
          done,
          failed: failed.map(({ offset, reason, delaySeconds }) => ({
            offset,
            reason,
            delayMs: delaySeconds === undefined ? undefined : delaySeconds * 1000,
          })),
        }),
      ),
    )
    return { status: 200, body: { late: settled.late } }
  },
)

const listDeadLetters = operation(
  defineOperation({
    id: 'listDeadLetters',
    method: 'get',
    path: '/v1/consumers/{name}/dead-letters',
    tag,
    summary: 'List the events that a consumer could not handle, with the reason',
    access,
    params,
    query: deadLettersQuery,
    responses: { 200: deadLetterPage },
    example: {
      response: {
        deadLetters: [
          { event: exampleEvent, attempts: 10, reason: 'the endpoint answered 500', at: 1_790_000_000_000 },
        ],
        next: null,
      },
    },
  }),
  async ({ c, caller, params: { name }, query: { after, limit } }) => {
    const found = await callExisting(c.env, caller.tenant, name, (consumer) => consumer.deadLetters(after, limit + 1))
    const page = found.slice(0, limit)
    const next = found.length > limit ? (page.at(-1)?.event.offset ?? null) : null
    const texts = page.map(({ event, ...rest }) => encodeWith(rest, { event: encodeEvent(event) }))
    return { status: 200, json: encodeWith({ next }, { deadLetters: `[${texts.join(',')}]` }) }
  },
)

const redriveDeadLetters = operation(
  defineOperation({
    id: 'redriveDeadLetters',
    method: 'post',
    path: '/v1/consumers/{name}/redrive',
    tag,
    summary: 'Hand dead letters of a consumer out again, the oldest first',
    access,
    params,
    body: deadLettersLimit,
    optionalBody: true,
    responses: { 200: deadLettersMoved },
    example: { body: { limit: 100 }, response: { count: 3 } },
  }),
  async ({ c, caller, params: { name }, body: { limit } }) => ({
    status: 200,
    body: { count: await callExisting(c.env, caller.tenant, name, (consumer) => consumer.redrive(limit)) },
  }),
)

const deleteDeadLetters = operation(
  defineOperation({
    id: 'deleteDeadLetters',
    method: 'delete',
    path: '/v1/consumers/{name}/dead-letters',
    tag,
    summary: 'Delete dead letters of a consumer, the oldest first',
    access,
    params,
    responses: { 200: deadLettersMoved },
    example: { response: { count: 3 } },
  }),
  async ({ c, caller, params: { name } }) => ({
    status: 200,
    body: { count: await callExisting(c.env, caller.tenant, name, (consumer) => consumer.deleteDead(1000)) },
  }),
)

const readConsumerSecrets = operation(
  defineOperation({
    id: 'readConsumerSecrets',
    method: 'get',
    path: '/v1/consumers/{name}/secret',
    tag,
    summary: 'Read the secrets with which a consumer signs its posts',
    access,
    params,
    isSecret: true,
    responses: { 200: consumerSecrets },
    example: { response: { secrets: ['whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ='] } },
  }),
  async ({ c, caller, params: { name } }) => ({
    status: 200,
    body: { secrets: await callExisting(c.env, caller.tenant, name, (consumer) => consumer.secrets()) },
  }),
)

const rotateConsumerSecret = operation(
  defineOperation({
    id: 'rotateConsumerSecret',
    method: 'post',
    path: '/v1/consumers/{name}/secret',
    tag,
    summary: 'Replace the secret; posts are signed with the old one as well for a day',
    access,
    params,
    isSecret: true,
    responses: { 200: consumerSecrets },
    example: { response: { secrets: ['whsec_bmV3LW5ldy1uZXctbmV3', 'whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ='] } },
  }),
  async ({ c, caller, params: { name } }) => ({
    status: 200,
    body: { secrets: await callExisting(c.env, caller.tenant, name, (consumer) => consumer.rotateSecret()) },
  }),
)

/** Consumers of the tenant: which events they get, how far they are, and what they could not handle. */
export const consumers = [
  listConsumers,
  readConsumer,
  putConsumer,
  deleteConsumer,
  pauseConsumer,
  resumeConsumer,
  seekConsumer,
  pullConsumer,
  acknowledgeEvents,
  listDeadLetters,
  redriveDeadLetters,
  deleteDeadLetters,
  readConsumerSecrets,
  rotateConsumerSecret,
]
