import { z } from 'zod'
import type { WebhookView } from '../../../../durable-objects/contracts.ts'
import { callEventCatalog, callEventConsumer, callEventLog } from '../../../../durable-objects/open-event-actors.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { webhookDeliveryId } from '../../../event-log/consumers/spec.ts'
import { webhookAttempts, type LoggedDelivery } from '../../../event-log/webhooks/webhook.ts'
import { ownEventTypes, ownTopic } from '../../../events/own-topic.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { uuidv7 } from '../../../kernel/id.ts'
import { badEndpoint } from '../../../kernel/outside-url.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import {
  acceptedDelivery,
  acceptedReplay,
  deliveriesQuery,
  deliveryPage,
  newWebhook,
  replayRequest,
  webhookList,
  webhookName,
  webhookSecrets,
  webhookView,
} from '../../../protocol/webhooks-api.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { badEventTypes, typePrefixes } from '../../openapi/own-events.ts'
import { openOwnTopic, publishOwnEvents, webhookConsumer, webhookOf } from './own-topic.ts'

const tag = 'Webhooks'
const access = 'server'
const path = '/v1/webhooks/{name}'
const params = z.object({ name: webhookName })

const exampleWebhook = {
  name: 'crm',
  url: 'https://example.com/parley',
  events: ['message.*', 'member.added'],
  ordered: true,
  description: '',
  timeoutSeconds: 15,
  parallel: 10,
  state: 'active',
  since: 1_790_000_000_000,
  reason: null,
  waiting: 0,
  lag: 0,
  replays: 0,
} as const

const missing = (name: string) =>
  fail('not-found', `webhook: there is no webhook ${name}; PUT /v1/webhooks/${name} creates it`)

type EventConsumer = Parameters<Parameters<typeof callEventConsumer>[3]>[0]

/** Calls the consumer of a webhook that exists: no other is opened. */
async function callExisting<R>(
  env: Env,
  tenant: string,
  name: string,
  call: (consumer: EventConsumer) => R,
): Promise<Awaited<R>> {
  const consumer = webhookConsumer(name)
  const topic = await callEventCatalog(env, tenant, (catalog) => catalog.consumer(consumer))
  return topic === undefined ? missing(name) : await callEventConsumer(env, tenant, consumer, call)
}

function viewOf(name: string, view: WebhookView | undefined, top: number) {
  if (view === undefined) return missing(name)
  const { spec, state, since, reason, settled, waiting, replaying } = view
  return {
    name,
    url: spec.push?.url ?? '',
    events: spec.webhook?.events ?? [],
    ordered: spec.ordered,
    description: spec.webhook?.description ?? '',
    timeoutSeconds: spec.push?.timeoutSeconds ?? 0,
    parallel: spec.parallel,
    state,
    since,
    reason,
    waiting,
    lag: Math.max(0, top - settled),
    replays: replaying,
  }
}

async function topOf(env: Env, tenant: string): Promise<number> {
  return (await callEventLog(env, tenant, ownTopic, (log) => log.state()))?.top ?? 0
}

async function readView(env: Env, tenant: string, name: string) {
  const view = await callExisting(env, tenant, name, (consumer) => consumer.webhook())
  return viewOf(name, view, await topOf(env, tenant))
}

/** Refuses types that no event has; `field` names them. */
function checkTypes(types: readonly string[], field: string): void {
  const bad = badEventTypes(types)
  if (bad !== undefined) fail('invalid-request', `${field}.${bad}`)
}

const listWebhooks = operation(
  defineOperation({
    id: 'listWebhooks',
    method: 'get',
    path: '/v1/webhooks',
    tag,
    summary: 'List your webhooks and how their endpoints do',
    access,
    responses: { 200: webhookList },
    example: { response: { webhooks: [exampleWebhook] } },
  }),
  async ({ c, caller: { tenant } }) => {
    const consumers = await callEventCatalog(c.env, tenant, (catalog) => catalog.consumers())
    const names = consumers.map(({ name }) => webhookOf(name)).filter((name) => name !== undefined)
    const top = names.length === 0 ? 0 : await topOf(c.env, tenant)
    const views = await Promise.all(
      names.map(async (name) => ({
        name,
        view: await callEventConsumer(c.env, tenant, webhookConsumer(name), (consumer) => consumer.webhook()),
      })),
    )
    // One may have been deleted meanwhile.
    const webhooks = views.flatMap(({ name, view }) => (view === undefined ? [] : [viewOf(name, view, top)]))
    return { status: 200, body: { webhooks } }
  },
)

const readWebhook = operation(
  defineOperation({
    id: 'readWebhook',
    method: 'get',
    path,
    tag,
    summary: 'Read a webhook and how its endpoint does',
    access,
    params,
    responses: { 200: webhookView },
    example: { response: exampleWebhook },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => ({
    status: 200,
    body: await readView(c.env, tenant, name),
  }),
)

const putWebhook = operation(
  defineOperation({
    id: 'putWebhook',
    method: 'put',
    path,
    tag,
    summary: 'Create a webhook, or change it',
    description:
      'Posts events of your conversations to your endpoint, signed by Standard Webhooks. A new webhook begins with what happens from now ' +
      'on. At most 20 of them.',
    access,
    params,
    body: newWebhook,
    responses: { 200: webhookView },
    errors: ['conflict'],
    example: {
      body: { url: 'https://example.com/parley', events: ['message.*', 'member.added'], ordered: true },
      response: exampleWebhook,
    },
  }),
  async ({
    c,
    caller: { tenant },
    params: { name },
    body: { url, events, ordered, description, timeoutSeconds, parallel },
  }) => {
    const bad = badEndpoint(url, loadConfig(c.env).endpoints)
    if (bad !== undefined) return fail('invalid-request', bad)
    checkTypes(events, 'events')
    await openOwnTopic(c.env, tenant)
    const consumer = webhookConsumer(name)
    accepted(await callEventCatalog(c.env, tenant, (catalog) => catalog.addConsumer(consumer, ownTopic)))
    const spec = {
      topic: ownTopic,
      types: typePrefixes(events),
      keys: [],
      sources: [],
      condition: null,
      versions: {},
      push: { url, timeoutSeconds },
      parallel,
      maxAttempts: webhookAttempts,
      ordered,
      webhook: { name, description, events },
    }
    const top = await topOf(c.env, tenant)
    await callEventConsumer(c.env, tenant, consumer, (webhook) => webhook.configure(spec, top))
    await callEventLog(c.env, tenant, ownTopic, (log) => log.addConsumer(consumer))
    await publishOwnEvents(c.env, tenant)
    return { status: 200, body: await readView(c.env, tenant, name) }
  },
)

const deleteWebhook = operation(
  defineOperation({
    id: 'deleteWebhook',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a webhook with its secrets and its log of deliveries',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const consumer = webhookConsumer(name)
    const topic = await callEventCatalog(c.env, tenant, (catalog) => catalog.consumer(consumer))
    if (topic === undefined) return missing(name)
    await callEventLog(c.env, tenant, topic, (log) => log.removeConsumer(consumer))
    await callEventConsumer(c.env, tenant, consumer, (webhook) => webhook.remove())
    await callEventCatalog(c.env, tenant, (catalog) => catalog.removeConsumer(consumer))
    await publishOwnEvents(c.env, tenant)
    return { status: 204 }
  },
)

const pauseWebhook = operation(
  defineOperation({
    id: 'pauseWebhook',
    method: 'post',
    path: `${path}/pause`,
    tag,
    summary: 'Post no more events; they wait for as long as the topic keeps them, 14 days',
    access,
    params,
    responses: { 200: webhookView },
    example: { response: { ...exampleWebhook, state: 'paused' } },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    await callExisting(c.env, tenant, name, (consumer) => consumer.setPaused(true))
    return { status: 200, body: await readView(c.env, tenant, name) }
  },
)

const enableWebhook = operation(
  defineOperation({
    id: 'enableWebhook',
    method: 'post',
    path: `${path}/enable`,
    tag,
    summary: 'Go on with a webhook that is paused, failing or disabled, where it stopped and at once',
    access,
    params,
    responses: { 200: webhookView },
    example: { response: exampleWebhook },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    await callExisting(c.env, tenant, name, (consumer) => consumer.enable())
    return { status: 200, body: await readView(c.env, tenant, name) }
  },
)

const readWebhookSecret = operation(
  defineOperation({
    id: 'readWebhookSecret',
    method: 'get',
    path: `${path}/secret`,
    tag,
    summary: 'Read the secrets with which a webhook signs its posts',
    access,
    params,
    isSecret: true,
    responses: { 200: webhookSecrets },
    example: { response: { secrets: ['whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ='] } },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => ({
    status: 200,
    body: { secrets: await callExisting(c.env, tenant, name, (consumer) => consumer.secrets()) },
  }),
)

const rotateWebhookSecret = operation(
  defineOperation({
    id: 'rotateWebhookSecret',
    method: 'post',
    path: `${path}/rotate-secret`,
    tag,
    summary: 'Replace the secret; posts are signed with the old one as well for a day',
    access,
    params,
    isSecret: true,
    responses: { 200: webhookSecrets },
    example: { response: { secrets: ['whsec_bmV3LW5ldy1uZXctbmV3', 'whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ='] } },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => ({
    status: 200,
    body: { secrets: await callExisting(c.env, tenant, name, (consumer) => consumer.rotateSecret()) },
  }),
)

const testWebhook = operation(
  defineOperation({
    id: 'testWebhook',
    method: 'post',
    path: `${path}/test`,
    tag,
    summary: 'Send the event webhook.ping to a webhook',
    description: 'It goes the way of all events, whatever the filter. What became of it is in the log of deliveries.',
    access,
    params,
    responses: { 202: acceptedDelivery },
    example: { response: { delivery: 'crm-1204' } },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    if ((await callExisting(c.env, tenant, name, (consumer) => consumer.webhook())) === undefined) return missing(name)
    const now = systemClock.now()
    const ping = {
      source: `/webhooks/${name}`,
      id: uuidv7(now),
      type: ownEventTypes.ping,
      key: null,
      version: 1,
      data: JSON.stringify({ webhook: name, at: now }),
      attributes: { time: new Date(now).toISOString(), subject: name },
    }
    const answer = accepted(await callEventLog(c.env, tenant, ownTopic, (log) => log.append([ping], true)))
    return { status: 202, body: { delivery: webhookDeliveryId(name, answer.events[0]?.offset ?? 0) } }
  },
)

const shown = (name: string, { offset, source, id, type, ...rest }: LoggedDelivery) => ({
  id: webhookDeliveryId(name, offset),
  event: { source, id, type },
  ...rest,
})

const listWebhookDeliveries = operation(
  defineOperation({
    id: 'listWebhookDeliveries',
    method: 'get',
    path: `${path}/deliveries`,
    tag,
    summary: 'List what became of events, the newest events first',
    description:
      'Every event of which an attempt failed, and of the others one in ten seconds: at most 1,000 of each, for 14 days.',
    access,
    params,
    query: deliveriesQuery,
    responses: { 200: deliveryPage },
    example: {
      response: {
        deliveries: [
          {
            id: 'crm-1204',
            event: { source: '/conversations/lunch', id: 'k3J9xQ2a.7', type: 'message.created' },
            state: 'retrying',
            attempts: 2,
            firstAt: 1_790_000_000_000,
            at: 1_790_000_001_000,
            status: 500,
            reason: 'the endpoint answered 500',
            answer: 'Internal Server Error',
            durationMs: 31,
          },
        ],
        next: null,
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { name }, query: { cursor = Number.MAX_SAFE_INTEGER, limit, state } }) => {
    const found = await callExisting(c.env, tenant, name, (consumer) => consumer.deliveries(cursor, limit + 1, state))
    const page = found.slice(0, limit)
    const next = found.length > limit ? (page.at(-1)?.offset ?? null) : null
    return { status: 200, body: { deliveries: page.map((delivery) => shown(name, delivery)), next } }
  },
)

const deliveryParams = params.extend({ delivery: z.string().regex(/^[A-Za-z0-9_-]{1,64}-\d{1,15}$/) })

const retryWebhookDelivery = operation(
  defineOperation({
    id: 'retryWebhookDelivery',
    method: 'post',
    path: `${path}/deliveries/{delivery}/retry`,
    tag,
    summary: 'Post one event again now, whether it was delivered, waits or was given up',
    access,
    params: deliveryParams,
    responses: { 202: acceptedDelivery },
    example: { response: { delivery: 'crm-1204' } },
  }),
  async ({ c, caller: { tenant }, params: { name, delivery } }) => {
    const offset = Number(delivery.slice(delivery.lastIndexOf('-') + 1))
    if (delivery !== webhookDeliveryId(name, offset))
      return fail('not-found', `delivery: the ids of ${name} begin with ${name}-`)
    accepted(await callExisting(c.env, tenant, name, (consumer) => consumer.redeliver(offset)))
    return { status: 202, body: { delivery } }
  },
)

const replayWebhook = operation(
  defineOperation({
    id: 'replayWebhook',
    method: 'post',
    path: `${path}/replay`,
    tag,
    summary: 'Post the events of a time again',
    description:
      'With the same ids, so that a receiver can tell them. The oldest come first, beside new events; with `ordered` those of a ' +
      'conversation keep their order. Events are kept for 14 days. At most 10 replays at once.',
    access,
    params,
    body: replayRequest,
    responses: { 202: acceptedReplay },
    errors: ['conflict'],
    example: {
      body: { from: 1_790_000_000_000, to: 1_790_003_600_000, types: ['message.created'] },
      response: { events: 12 },
    },
  }),
  async ({ c, caller: { tenant }, params: { name }, body: { from, to, types } }) => {
    checkTypes(types, 'types')
    const view = await callExisting(c.env, tenant, name, (consumer) => consumer.webhook())
    if (view === undefined) return missing(name)
    const offsetBefore = async (at: number) =>
      await callEventLog(c.env, tenant, ownTopic, (log) => log.offsetBefore(at))
    const after = await offsetBefore(from)
    const upTo = Math.min(to === undefined ? Infinity : await offsetBefore(to), view.settled)
    if (upTo <= after) return { status: 202, body: { events: 0 } }
    const replay = { after, upTo, types: typePrefixes(types) }
    accepted(await callExisting(c.env, tenant, name, (consumer) => consumer.replay(replay)))
    return { status: 202, body: { events: upTo - after } }
  },
)

/** Webhooks: endpoints of the tenant that get Parley's own events. */
export const webhooks = [
  listWebhooks,
  readWebhook,
  putWebhook,
  deleteWebhook,
  pauseWebhook,
  enableWebhook,
  readWebhookSecret,
  rotateWebhookSecret,
  testWebhook,
  listWebhookDeliveries,
  retryWebhookDelivery,
  replayWebhook,
]
