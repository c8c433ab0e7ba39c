import { z } from 'zod'
import { platformOf } from '../../../../durable-objects/address.ts'
import { loadConfig } from '../../../config.ts'
import { runByHand } from '../../../cron/run.ts'
import { schedule } from '../../../cron/schedule.ts'
import { queueFamilies } from '../../../jobs/metrics/queue-metrics.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { expositionText, expositionType } from '../../../kernel/exposition.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { breakerList, breakersQuery, cronEntries, parkedTasks, refusedKeys } from '../../../protocol/operator-api.ts'
import type { Env } from '../../../env.ts'
import { tenantRecordOf } from '../../identity/tenants.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { refusedMost } from '../../rate-limits/limit-metrics.ts'
import { jobsForOperators } from '../jobs/operator.ts'
import { readBreakers, readEndpointBreakers } from '../operations/breakers.ts'
import { queueMetrics, queueMetricsList } from '../operations/queue-metrics.ts'
import { questions } from '../shards/questions.ts'
import { replicas } from '../shards/replicas.ts'
import { shards } from '../shards/shards.ts'
import { readTenantStorage, readTenantUsage } from '../tenants/usage.ts'
import { deletions } from '../tenants/deletion.ts'
import { rebuildTenant } from '../tenants/rebuild.ts'
import { moves } from '../tenants/moves.ts'
import { tenants } from '../tenants/tenants.ts'
import { ownRuns } from '../sagas/own-runs.ts'
import { platform } from './platform.ts'
import { gatewayNames } from '../../../realtime/gateway-names.ts'

const tag = 'Operator'
const access = 'operator'

const listRefused = operation(
  defineOperation({
    id: 'listRefusedKeys',
    method: 'get',
    path: '/admin/v1/limits/refused',
    tag,
    summary: 'List the keys that limits refused most',
    access,
    responses: { 200: refusedKeys },
    example: { response: { refused: [{ holder: 'edge', key: 'acme/requests-key:k1', refusals: 12 }] } },
  }),
  async ({ c }) => ({ status: 200, body: { refused: await refusedMost(c.env, gatewayNames(loadConfig(c.env))) } }),
)

const listParked = operation(
  defineOperation({
    id: 'listParkedTasks',
    method: 'get',
    path: '/admin/v1/parked-tasks',
    tag,
    summary: 'List the tasks of conversations that are parked',
    access,
    responses: { 200: parkedTasks },
    example: {
      response: {
        count: 1,
        tasks: [
          { actor: 'acme/019a3c5e-7d10-7cc3-a5c1-0f6de1b2a3c4', task: 'inboxes', lost: 2, until: 1_764_500_000_000 },
        ],
      },
    },
  }),
  async ({ c }) => {
    const { count, tasks } = await platformOf(c.env).parkedTasks()
    return { status: 200, body: { count, tasks: [...tasks] } }
  },
)

const listBreakers = operation(
  defineOperation({
    id: 'listBreakers',
    method: 'get',
    path: '/admin/v1/breakers',
    tag,
    summary: 'List the breakers of outside services and their last transitions',
    access,
    query: breakersQuery,
    responses: { 200: breakerList },
    example: {
      response: {
        breakers: [
          {
            dependency: 'shard0',
            state: 'open',
            openings: 1,
            closings: 0,
            probes: 0,
            transitions: [{ at: 1_790_000_000_000, to: 'open', isolates: 8, bad: 7 }],
          },
        ],
      },
    },
  }),
  async ({ c, query: { tenant } }) => {
    const read = tenant === undefined ? await readBreakers(c.env) : await endpointBreakers(c.env, tenant)
    const shown = read.map(({ dependency, state, openings, closings, probes, transitions }) => {
      return { dependency, state, openings, closings, probes, transitions: [...transitions] }
    })
    return { status: 200, body: { breakers: shown } }
  },
)

/** A tenant that does not exist has no actors, and gets none by being asked for. */
async function endpointBreakers(env: Env, tenant: string) {
  const record = await tenantRecordOf(env, tenant, systemClock.now())
  return record === undefined ? fail('not-found', 'tenant: no such tenant') : await readEndpointBreakers(env, tenant)
}

const readMetrics = operation(
  defineOperation({
    id: 'readQueueMetrics',
    method: 'get',
    path: '/admin/v1/metrics',
    tag,
    summary: 'Read the metrics of all queues as Prometheus text',
    access,
    contentType: expositionType,
    responses: { 200: z.string() },
  }),
  async ({ c }) => ({ status: 200, body: expositionText(queueFamilies(await queueMetrics(c.env))) }),
)

const listQueueMetrics = operation(
  defineOperation({
    id: 'listQueueMetrics',
    method: 'get',
    path: '/admin/v1/queues',
    tag,
    summary: 'List the metrics of all queues, as of the last sweep',
    access,
    responses: { 200: z.object({ queues: queueMetricsList }) },
  }),
  async ({ c }) => ({ status: 200, body: { queues: await queueMetrics(c.env) } }),
)

const listCron = operation(
  defineOperation({
    id: 'listCron',
    method: 'get',
    path: '/admin/v1/cron',
    tag,
    summary: 'List what the platform does by the clock',
    access,
    responses: { 200: cronEntries },
    example: { response: { entries: [{ name: 'sweep', cron: '*/5 * * * *' }] } },
  }),
  async () => ({ status: 200, body: { entries: schedule.map(({ name, cron }) => ({ name, cron })) } }),
)

const runCron = operation(
  defineOperation({
    id: 'runCron',
    method: 'post',
    path: '/admin/v1/cron/{name}',
    tag,
    summary: 'Run one of these now',
    access,
    params: z.object({ name: z.string() }),
    responses: { 200: z.object({ ran: z.string() }) },
    example: { response: { ran: 'sweep' } },
  }),
  async ({ c, params: { name } }) => {
    if (await runByHand(c.env, name)) return { status: 200, body: { ran: name } }
    return fail('not-found', `cron: one of ${schedule.map((each) => each.name).join(', ')}`)
  },
)

/** The operator's side: tenants, their keys, limits, and the cron entries by hand. */
export const admin = [
  ...platform,
  ...tenants,
  ...deletions,
  ...ownRuns,
  readTenantUsage,
  readTenantStorage,
  rebuildTenant,
  ...moves,
  ...shards,
  ...replicas,
  ...questions,
  listRefused,
  listParked,
  listBreakers,
  readMetrics,
  listQueueMetrics,
  ...jobsForOperators,
  listCron,
  runCron,
]
