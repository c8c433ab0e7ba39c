import { z } from 'zod'
import { recipientsNumberOf } from '../../../../durable-objects/address.ts'
import {
  callAllRecipients,
  callNotificationCatalog,
  callRecipientsNumbered,
} from '../../../../durable-objects/open-recipients.ts'
import type { Env } from '../../../env.ts'
import { notificationName } from '../../../protocol/feed-api.ts'
import {
  subscribed,
  subscriberPage,
  subscribersQuery,
  topic as topicView,
  topicList,
  topicsQuery,
  topicUsers,
  unsubscribed,
} from '../../../protocol/notification-topics-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { takeItems } from '../../rate-limits/items.ts'
import { pageOfActors } from './pages.ts'

const tag = 'Notification topics'
const access = 'server'
const path = '/v1/topics/{topic}'
const params = z.object({ topic: notificationName })
const example = { name: 'release-notes', subscribers: 1204 }

const putTopic = operation(
  defineOperation({
    id: 'putTopic',
    method: 'put',
    path,
    tag,
    summary: 'Make a topic: a named set of users that notifications can go to',
    description: 'Not a topic of publish/subscribe. A repeat has no effect and is answered with 200.',
    access,
    params,
    responses: { 201: topicView, 200: topicView },
    errors: ['conflict'],
    example: { response: { ...example, subscribers: 0 } },
  }),
  async ({ c, caller: { tenant }, params: { topic: name } }) => {
    const { isNew, topic } = accepted(await callNotificationCatalog(c.env, tenant, (own) => own.putTopic(name)))
    if (isNew) return { status: 201, body: { name, subscribers: 0 } }
    return { status: 200, body: { name, subscribers: await countOf(c.env, tenant, topic) } }
  },
)

const listTopics = operation(
  defineOperation({
    id: 'listTopics',
    method: 'get',
    path: '/v1/topics',
    tag,
    summary: 'List the names of your topics of notifications',
    access,
    query: topicsQuery,
    responses: { 200: topicList },
    example: { response: { topics: ['release-notes'], next: null } },
  }),
  async ({ c, caller, query: { cursor = '', limit } }) => {
    const topics = await callNotificationCatalog(c.env, caller.tenant, (own) => own.topics(cursor, limit))
    return { status: 200, body: { topics, next: topics.length < limit ? null : (topics.at(-1) ?? null) } }
  },
)

const readTopic = operation(
  defineOperation({
    id: 'readTopic',
    method: 'get',
    path,
    tag,
    summary: 'Read how many users a topic has',
    access,
    params,
    responses: { 200: topicView },
    example: { response: example },
  }),
  async ({ c, caller: { tenant }, params: { topic: name } }) => {
    const topic = await numberOf(c.env, tenant, name)
    return { status: 200, body: { name, subscribers: await countOf(c.env, tenant, topic) } }
  },
)

const subscribeUsers = operation(
  defineOperation({
    id: 'subscribeUsers',
    method: 'put',
    path: `${path}/subscribers`,
    tag,
    summary: 'Subscribe up to 1,000 users to a topic',
    access,
    params,
    body: topicUsers,
    responses: { 200: subscribed },
    example: { body: { users: ['ada', 'bob'] }, response: { added: 2 } },
  }),
  async ({ c, caller, params: { topic: name }, body: { users } }) => {
    await takeItems(c.env, caller, users.length)
    const topic = await numberOf(c.env, caller.tenant, name)
    const counts = await eachActor(c.env, caller.tenant, users, (own, some) => own.subscribe(topic, some))
    return { status: 200, body: { added: sumOf(counts) } }
  },
)

const unsubscribeUsers = operation(
  defineOperation({
    id: 'unsubscribeUsers',
    method: 'delete',
    path: `${path}/subscribers`,
    tag,
    summary: 'End the subscriptions of up to 1,000 users of a topic',
    access,
    params,
    body: topicUsers,
    responses: { 200: unsubscribed },
    example: { body: { users: ['bob'] }, response: { removed: 1 } },
  }),
  async ({ c, caller, params: { topic: name }, body: { users } }) => {
    await takeItems(c.env, caller, users.length)
    const topic = await numberOf(c.env, caller.tenant, name)
    const counts = await eachActor(c.env, caller.tenant, users, (own, some) => own.unsubscribe(topic, some))
    return { status: 200, body: { removed: sumOf(counts) } }
  },
)

const listSubscribers = operation(
  defineOperation({
    id: 'listSubscribers',
    method: 'get',
    path: `${path}/subscribers`,
    tag,
    summary: 'List the users of a topic',
    description: 'The order has no meaning.',
    access,
    params,
    query: subscribersQuery,
    responses: { 200: subscriberPage },
    example: { response: { users: ['ada'], next: null } },
  }),
  async ({ c, caller: { tenant }, params: { topic: name }, query: { cursor, limit } }) => {
    const topic = await numberOf(c.env, tenant, name)
    const { items: users, next } = await pageOfActors(cursor, limit, async (actor, after, wanted) => {
      const items = await callRecipientsNumbered(c.env, tenant, actor, (own) => own.subscribers(topic, after, wanted))
      return { items, last: items.at(-1) ?? '' }
    })
    return { status: 200, body: { users, next } }
  },
)

const removeTopic = operation(
  defineOperation({
    id: 'removeTopic',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a topic with its subscriptions',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { topic: name } }) => {
    const topic = await numberOf(c.env, tenant, name)
    // The name goes last: while one actor has not answered, a repeat of the request finds the topic.
    await callAllRecipients(c.env, tenant, (own) => own.removeTopic(topic))
    await callNotificationCatalog(c.env, tenant, (own) => own.removeTopic(name))
    return { status: 204 }
  },
)

/** Topics of notifications and their subscribers. */
export const notificationTopics = [
  putTopic,
  listTopics,
  readTopic,
  subscribeUsers,
  listSubscribers,
  unsubscribeUsers,
  removeTopic,
]

/** The number of a topic, by which its subscribers are stored. */
async function numberOf(env: Env, tenant: string, name: string): Promise<number> {
  const topic = await callNotificationCatalog(env, tenant, (own) => own.topic(name))
  return topic ?? fail('not-found', `topic: there is no topic ${name}; PUT /v1/topics/${name} makes one`)
}

const countOf = async (env: Env, tenant: string, topic: number): Promise<number> =>
  sumOf(await callAllRecipients(env, tenant, (own) => own.subscriberCount(topic)))

type Recipients = Parameters<Parameters<typeof callRecipientsNumbered>[3]>[0]

/** One call to each of the actors that have some of the users. */
const eachActor = <R>(
  env: Env,
  tenant: string,
  users: readonly string[],
  call: (own: Recipients, some: readonly string[]) => R,
) =>
  Promise.all(
    [...Map.groupBy(new Set(users), recipientsNumberOf)].map(([number, some]) =>
      callRecipientsNumbered(env, tenant, number, (own) => call(own, some)),
    ),
  )

const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0)
