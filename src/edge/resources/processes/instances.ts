import { z } from 'zod'
import type { EventProgress } from '../../../../durable-objects/contracts.ts'
import { callEventCatalog, callEventConsumer } from '../../../../durable-objects/open-event-actors.ts'
import type { Env } from '../../../env.ts'
import type { SeenEvent } from '../../../events/log-event.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import {
  correlationId,
  instancePage,
  instanceQuery,
  instancesQuery,
  instanceView,
  processName,
} from '../../../protocol/processes-api.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { callExisting } from './existing-process.ts'

const tag = 'Processes'
const access = 'server'

/** Consumers that are asked about the events of one page. */
const maxConsumers = 40

const exampleEvent = {
  topic: 'default',
  offset: 1204,
  at: 1_790_000_000_000,
  type: 'order.placed',
  source: '/shop',
  id: 'o-1',
  key: 'alice',
  version: 1,
}

const listInstances = operation(
  defineOperation({
    id: 'listProcessInstances',
    method: 'get',
    path: '/v1/processes/{name}/instances',
    tag,
    summary: 'List instances of a process, the newest first',
    access,
    params: z.object({ name: processName }),
    query: instancesQuery,
    responses: { 200: instancePage },
    example: { response: { instances: [{ correlation: 'o-1', version: 1, state: 'late' }], next: null } },
  }),
  async ({ c, caller, params: { name }, query: { state, before = Number.MAX_SAFE_INTEGER, limit } }) => {
    const found = await callExisting(c.env, caller.tenant, name, (process) => process.list(state, before, limit + 1))
    const page = found.slice(0, limit)
    return {
      status: 200,
      body: {
        instances: page.map(({ correlation, version, state: own }) => ({ correlation, version, state: own })),
        next: found.length > limit ? (page.at(-1)?.n ?? null) : null,
      },
    }
  },
)

const readInstance = operation(
  defineOperation({
    id: 'readProcessInstance',
    method: 'get',
    path: '/v1/processes/{name}/instances/{correlation}',
    tag,
    summary: 'Read an instance: what was seen, what is late, and which consumers acknowledged each event',
    access,
    params: z.object({ name: processName, correlation: correlationId }),
    query: instanceQuery,
    responses: { 200: instanceView },
    example: {
      response: {
        process: 'order',
        correlation: 'o-1',
        version: 1,
        state: 'late',
        startedAt: 1_790_000_000_000,
        firstAt: 1_790_000_000_000,
        lastAt: 1_790_000_000_000,
        expectations: [
          {
            name: 'paid',
            after: 'order.placed',
            expect: 'payment.taken',
            withinSeconds: 600,
            count: 1,
            state: 'late',
            since: 1_790_000_000_000,
            dueAt: 1_790_000_600_000,
            metAt: null,
            seen: 0,
          },
        ],
        history: [
          {
            n: 1,
            seenAt: 1_790_000_000_012,
            kind: 'event',
            event: exampleEvent,
            consumers: [{ name: 'billing', state: 'acknowledged' }],
          },
          { n: 2, seenAt: 1_790_000_000_012, kind: 'state', state: 'open' },
          { n: 3, seenAt: 1_790_000_600_040, kind: 'late', expectation: 'paid', at: 1_790_000_600_000 },
          { n: 4, seenAt: 1_790_000_600_040, kind: 'state', state: 'late' },
        ],
        next: null,
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { name, correlation }, query: { after, limit } }) => {
    const found = await callExisting(c.env, tenant, name, (process) => process.find(correlation, after, limit + 1))
    if (found === undefined) return fail('not-found', `correlation: process ${name} has no instance ${correlation}`)
    const { version, state, judgement } = found
    const { startedAt, firstAt, lastAt, expectations } = judgement
    const history = found.history.slice(0, limit)
    const events = history.flatMap((entry) => (entry.kind === 'event' ? [entry.event] : []))
    const progress = await progressOf(c.env, tenant, events)
    return {
      status: 200,
      body: {
        process: name,
        correlation,
        version,
        state,
        startedAt,
        firstAt,
        lastAt,
        expectations,
        history: history.map((entry) =>
          entry.kind === 'event' ? { ...entry, consumers: progress.get(placeOf(entry.event)) ?? [] } : entry,
        ),
        next: found.history.length > limit ? (history.at(-1)?.n ?? null) : null,
      },
    }
  },
)

interface ConsumerProgress extends Omit<EventProgress, 'offset'> {
  readonly name: string
}

const placeOf = ({ topic, offset }: Pick<SeenEvent, 'topic' | 'offset'>): string => `${topic} ${offset}`

/** What the consumers of their topics did with events, by the place of each event. */
async function progressOf(
  env: Env,
  tenant: string,
  events: readonly SeenEvent[],
): Promise<ReadonlyMap<string, readonly ConsumerProgress[]>> {
  const found = new Map<string, ConsumerProgress[]>()
  if (events.length === 0) return found
  const topics = new Set(events.map(({ topic }) => topic))
  const all = await callEventCatalog(env, tenant, (catalog) => catalog.consumers())
  const consumers = all.filter(({ topic }) => topics.has(topic)).slice(0, maxConsumers)
  const answers = await Promise.all(
    consumers.map(async ({ name, topic }) => {
      const own = events.filter((event) => event.topic === topic)
      return await callEventConsumer(env, tenant, name, (consumer) => consumer.progressOf(own))
    }),
  )
  for (const [index, { name, topic }] of consumers.entries())
    for (const { offset, ...progress } of answers[index] ?? []) {
      const place = placeOf({ topic, offset })
      found.set(place, [...(found.get(place) ?? []), { name, ...progress }])
    }
  return found
}

/** Instances of processes. */
export const processInstances = [listInstances, readInstance]
