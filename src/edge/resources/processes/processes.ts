import { z } from 'zod'
import type { ProcessVersion, TopicStart } from '../../../../durable-objects/contracts.ts'
import { callEventCatalog, callEventLog, callProcessView } from '../../../../durable-objects/open-event-actors.ts'
import type { Env } from '../../../env.ts'
import { badExpression } from '../../../kernel/expression.ts'
import { percentilesOf } from '../../../kernel/histogram.ts'
import { badProcess, warningsOf, type ProcessSpec } from '../../../processes/definition.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import {
  newProcess,
  processList,
  processName,
  processStats,
  processVersionQuery,
  processView,
} from '../../../protocol/processes-api.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { callExisting, noProcess } from './existing-process.ts'

const tag = 'Processes'
const access = 'server'
const path = '/v1/processes/{name}'
const params = z.object({ name: processName })

const exampleFields = {
  topics: ['default'],
  correlation: 'data.order',
  events: [
    { type: 'order.placed', correlation: null, starts: true, ends: false },
    { type: 'payment.taken', correlation: null, starts: false, ends: true },
  ],
  expectations: [{ name: 'paid', after: 'order.placed', expect: 'payment.taken', withinSeconds: 600, count: 1 }],
  raiseTo: 'default',
  keepSeconds: 604_800,
  idleSeconds: 2_592_000,
  watchers: ['alice'],
}
const example = { name: 'order', version: 1, createdAt: 1_790_000_000_000, warnings: [], ...exampleFields }

type Start = z.output<typeof newProcess>['from']

/** Where a process begins to read a topic. Refuses a topic that does not exist. */
async function startOf(env: Env, tenant: string, topic: string, from: Start): Promise<TopicStart> {
  const { top, now = 0 } = accepted(
    await callEventLog(env, tenant, topic, (log) => log.read(Number.MAX_SAFE_INTEGER, 1)),
  )
  // Events appended in the millisecond of the answer may follow.
  if (from === 'latest') return { topic, offset: top, readUpTo: Math.max(0, now - 1) }
  if (from === 'earliest') return { topic, offset: 0, readUpTo: 0 }
  const { time } = from
  return { topic, offset: await callEventLog(env, tenant, topic, (log) => log.offsetBefore(time)), readUpTo: 0 }
}

async function viewOf(env: Env, tenant: string, name: string, { version, createdAt, spec }: ProcessVersion) {
  const types = spec.events.map(({ type }) => type)
  const registered = await callEventCatalog(env, tenant, (catalog) => catalog.newestOf(types))
  const warnings = warningsOf(spec, new Set(registered.map(({ type }) => type)))
  return { name, version, createdAt, warnings, ...spec }
}

const putProcess = operation(
  defineOperation({
    id: 'putProcess',
    method: 'put',
    path,
    tag,
    summary: 'Register a process, or its next version',
    description:
      'Correlates events of topics into instances and raises `process.late` when an expected one does not come in time. Instances keep ' +
      'the version that they began with.',
    access,
    params,
    body: newProcess,
    responses: { 200: processView },
    errors: ['conflict'],
    example: {
      body: {
        correlation: 'data.order',
        events: [
          { type: 'order.placed', starts: true },
          { type: 'payment.taken', ends: true },
        ],
        expectations: [{ name: 'paid', after: 'order.placed', expect: 'payment.taken', withinSeconds: 600 }],
        watchers: ['alice'],
      },
      response: example,
    },
  }),
  async ({ c, caller: { tenant }, params: { name }, body: { from, correlation = null, events, ...rest } }) => {
    const spec: ProcessSpec = {
      ...rest,
      topics: [...new Set(rest.topics)],
      correlation,
      events: events.map(({ correlation: own = null, ...event }) => ({ ...event, correlation: own })),
    }
    const bad = badProcess(spec) ?? badCorrelation(spec)
    if (bad !== undefined) fail('invalid-request', bad)
    accepted(await callEventLog(c.env, tenant, spec.raiseTo, (log) => log.read(Number.MAX_SAFE_INTEGER, 1)))
    const starts = await Promise.all(spec.topics.map(async (topic) => await startOf(c.env, tenant, topic, from)))
    accepted(await callEventCatalog(c.env, tenant, (catalog) => catalog.addProcess(name, spec.topics)))
    const version = accepted(await callProcessView(c.env, tenant, name, (process) => process.define(spec, starts)))
    return { status: 200, body: await viewOf(c.env, tenant, name, version) }
  },
)

/** Why an expression is refused. */
function badCorrelation({ correlation, events }: ProcessSpec): string | undefined {
  const all = [
    ['correlation', correlation] as const,
    ...events.map((event, index) => [`events.${index}.correlation`, event.correlation] as const),
  ]
  for (const [field, expression] of all) {
    const bad = expression === null ? undefined : badExpression(expression)
    if (bad !== undefined) return `${field}: ${bad}`
  }
  return undefined
}

const listProcesses = operation(
  defineOperation({
    id: 'listProcesses',
    method: 'get',
    path: '/v1/processes',
    tag,
    summary: 'List your processes',
    access,
    responses: { 200: processList },
    example: { response: { processes: [{ name: 'order' }] } },
  }),
  async ({ c, caller }) => {
    const names = await callEventCatalog(c.env, caller.tenant, (catalog) => catalog.processes())
    return { status: 200, body: { processes: names.map((name) => ({ name })) } }
  },
)

const readProcess = operation(
  defineOperation({
    id: 'readProcess',
    method: 'get',
    path,
    tag,
    summary: 'Read the newest version of a process, or an older one that has instances',
    access,
    params,
    query: processVersionQuery,
    responses: { 200: processView },
    example: { response: example },
  }),
  async ({ c, caller: { tenant }, params: { name }, query: { version } }) => {
    const found = await callExisting(c.env, tenant, name, (process) => process.version(version))
    if (found === undefined && version !== undefined)
      return fail('not-found', `version: process ${name} has no version ${version}, or no instance has it any more`)
    return found === undefined ? noProcess(name) : { status: 200, body: await viewOf(c.env, tenant, name, found) }
  },
)

const deleteProcess = operation(
  defineOperation({
    id: 'deleteProcess',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a process with all its instances',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const topics = await callExisting(c.env, tenant, name, (process) => process.remove())
    for (const topic of topics) await callEventLog(c.env, tenant, topic, (log) => log.removeConsumer(`process/${name}`))
    await callEventCatalog(c.env, tenant, (catalog) => catalog.removeProcess(name))
    return { status: 204 }
  },
)

const readProcessStats = operation(
  defineOperation({
    id: 'readProcessStats',
    method: 'get',
    path: '/v1/processes/{name}/stats',
    tag,
    summary: 'Read how instances of a process went, and how far its topics have been read',
    access,
    params,
    responses: { 200: processStats },
    example: {
      response: {
        name: 'order',
        instances: {
          begun: 120,
          completed: 110,
          abandoned: 1,
          now: { unstarted: 1, open: 7, late: 1, complete: 110, abandoned: 1 },
        },
        events: { seen: 236, uncorrelated: 0, beyond: 0, dropped: 0 },
        durationsMs: { p50: 292, p90: 657, p99: 2217 },
        expectations: [{ name: 'paid', met: 109, late: 2, arrived: 1, durationsMs: { p50: 292, p90: 657, p99: 2217 } }],
        topics: [{ name: 'default', position: 1204, readUpTo: 1_790_000_000_000, lag: 0, skipped: 0 }],
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { name } }) => {
    const stats = await callExisting(c.env, tenant, name, (process) => process.stats())
    if (stats === undefined) return noProcess(name)
    const { figures, states, topics } = stats
    const tops = await Promise.all(
      topics.map(async (topic) => {
        const page = await callEventLog(c.env, tenant, topic.name, (log) => log.read(Number.MAX_SAFE_INTEGER, 1))
        return page.kind === 'page' ? page.top : topic.position
      }),
    )
    return {
      status: 200,
      body: {
        name,
        instances: {
          begun: figures.instances,
          completed: figures.completed,
          abandoned: figures.abandoned,
          now: { unstarted: 0, open: 0, late: 0, complete: 0, abandoned: 0, ...states },
        },
        events: {
          seen: figures.events,
          uncorrelated: figures.uncorrelated,
          beyond: figures.beyond,
          dropped: figures.dropped,
        },
        durationsMs: percentilesOf(figures.durations),
        expectations: Object.entries(figures.expectations).map(([own, { durations, ...counts }]) => ({
          name: own,
          ...counts,
          durationsMs: percentilesOf(durations),
        })),
        topics: topics.map((topic, index) => ({ ...topic, lag: Math.max(0, (tops[index] ?? 0) - topic.position) })),
      },
    }
  },
)

/** Definitions of processes, and their figures. */
export const processes = [putProcess, listProcesses, readProcess, deleteProcess, readProcessStats]
