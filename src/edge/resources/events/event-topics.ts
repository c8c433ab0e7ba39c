import { z } from 'zod'
import { callEventCatalog, callEventLog } from '../../../../durable-objects/open-event-actors.ts'
import { ownTopic } from '../../../events/own-topic.ts'
import { eventTopic, eventTopicList, topicName, topicSettings } from '../../../protocol/events-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'

const tag = 'Events'
const access = 'server'
const path = '/v1/event-topics/{name}'
const params = z.object({ name: topicName })
const exampleTopic = {
  name: 'orders',
  maxAgeSeconds: 604_800,
  maxBytes: 1_073_741_824,
  first: 1,
  top: 1204,
  bytes: 312_000,
  consumers: ['billing'],
  waits: 0,
}

const listEventTopics = operation(
  defineOperation({
    id: 'listEventTopics',
    method: 'get',
    path: '/v1/event-topics',
    tag,
    summary: 'List the names of your topics of events',
    access,
    responses: { 200: eventTopicList },
    example: { response: { topics: ['default', 'orders'] } },
  }),
  async ({ c, caller }) => ({
    status: 200,
    body: {
      topics: (await callEventCatalog(c.env, caller.tenant, (catalog) => catalog.topics())).filter(
        (topic) => topic !== ownTopic,
      ),
    },
  }),
)

const readEventTopic = operation(
  defineOperation({
    id: 'readEventTopic',
    method: 'get',
    path,
    tag,
    summary: 'Read what a topic of events keeps',
    access,
    params,
    responses: { 200: eventTopic },
    example: { response: exampleTopic },
  }),
  async ({ c, caller, params: { name } }) => {
    const state = await callEventLog(c.env, caller.tenant, name, (log) => log.state())
    return state === undefined ? missing(name) : { status: 200, body: { name, ...state } }
  },
)

const putEventTopic = operation(
  defineOperation({
    id: 'putEventTopic',
    method: 'put',
    path,
    tag,
    summary: 'Create a topic of events, or change how long it keeps them',
    description: 'Events over `maxAgeSeconds` or `maxBytes` are deleted, the oldest first.',
    access,
    params,
    body: topicSettings,
    responses: { 200: eventTopic },
    errors: ['conflict'],
    example: { body: { maxAgeSeconds: 604_800 }, response: exampleTopic },
  }),
  async ({ c, caller: { tenant }, params: { name }, body: retention }) => {
    accepted(await callEventCatalog(c.env, tenant, (catalog) => catalog.addTopic(name)))
    await callEventLog(c.env, tenant, name, (log) => log.configure(retention))
    const state = await callEventLog(c.env, tenant, name, (log) => log.state())
    return state === undefined ? missing(name) : { status: 200, body: { name, ...state } }
  },
)

const missing = (name: string) =>
  fail('not-found', `topic: there is no topic ${name}; PUT /v1/event-topics/${name} creates it`)

/** Topics of events, and how long they keep them. */
export const eventTopics = [listEventTopics, readEventTopic, putEventTopic]
