import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { gatewayNamed, platformOf } from '../../../../durable-objects/address.ts'
import { workerOf } from '../../../adapters/contexts.ts'
import { qstash as qstashService, replicaOf } from '../../../adapters/dependencies.ts'
import { breakerStateHere, callDependency } from '../../../adapters/dependency.ts'
import { connect } from '../../../adapters/neon/connect.ts'
import { behindBy, connectionOf, shardsOf } from '../../../adapters/neon/shards.ts'
import { selectMigration } from '../../../adapters/neon/select-migration.ts'
import { newestMigration } from '../../../adapters/neon/newest-migration.ts'
import { openCache } from '../../../adapters/upstash/cache.ts'
import { loadConfig, type Config } from '../../../config.ts'
import { leavingContexts } from '../../../contexts.ts'
import type { Env } from '../../../env.ts'
import { alertRules } from '../../../jobs/metrics/alerts.ts'
import { webhookAlerts } from '../../../event-log/webhooks/alerts.ts'
import { moveAlerts } from '../../../tenants/move-alerts.ts'
import { expositionType } from '../../../kernel/exposition.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { reasonOf } from '../../../kernel/log.ts'
import { within } from '../../../kernel/retry.ts'
import { replicaLabel } from '../../../tenants/replicas.ts'
import type { KnownShards } from '../../../tenants/shard-cache.ts'
import type { StoredShard } from '../../../tenants/shards.ts'
import type { BreakerState } from '../../../resilience/opinion.ts'
import { regionOf } from '../../http/connection.ts'
import type { App } from '../../http/context.ts'
import { tenantRecordOf } from '../../identity/tenants.ts'
import { readBreakers, type ListedBreaker } from './breakers.ts'
import { metricsText } from './metrics.ts'
import { lookAtReplicas } from './replica-metrics.ts'
import { gatewayNames } from '../../../realtime/gateway-names.ts'

/** `ok`; `behind`: lacks migrations, so that its work is refused; `down`: does not answer; `off`: not configured. */
interface Dependency {
  readonly state: 'ok' | 'behind' | 'down' | 'off'
  readonly detail?: string
  /** What all isolates together think of it or, while that is well, the answering one. */
  readonly breaker?: BreakerState
}

const checkMs = 2000

/** It holds for a moment only. */
const notKept = createMiddleware<App>(async function notKept(c, next) {
  await next()
  c.header('Cache-Control', 'no-store')
})

/** Whether we live, what of our dependencies does, and our figures. */
export const health = new Hono<App>()
  .use('/healthz', notKept)
  .use('/readyz', notKept)
  .use('/metrics/*', notKept)
  .get('/healthz', (c) => c.json({ status: 'ok' }))
  .get('/readyz', async (c) => {
    const config = loadConfig(c.env)
    const [gateways, tenant, others, contexts] = await Promise.all([
      checkGateways(c.env, config),
      checkLocalTenant(c.env, config),
      checkOthers(c.env, config),
      checkContexts(c.env),
    ])
    const [breakers, replicas] = await Promise.all([
      readBreakers(c.env, Object.keys(others)),
      checkAllReplicas(c.env, config),
    ])
    const dependencies = { actors: summaryOf(gateways), ...tenant, ...withBreakers(others, breakers) }
    const states = Object.values({ ...dependencies, ...contexts.contexts }).map(({ state }) => state)
    const region = regionOf(c.req.raw, config)
    const own = gateways.filter(({ name }) => name.startsWith(`${region}/`))
    // A caller of this region needs one of its gateways; the broken ones of other regions are theirs to notice.
    const serves = own.every(({ state }) => state === 'ok') && tenant.tenant?.detail !== notMade
    const isWhole = states.every((state) => state === 'ok' || state === 'off') && dependencies.qstash.state === 'ok'
    const status = !serves ? 'down' : isWhole ? 'ok' : 'degraded'
    if (!serves) c.header('Retry-After', '1')
    return c.json({ status, dependencies, ...contexts, ...replicas }, serves ? 200 : 503)
  })
  .get('/metrics/alerts', (c) =>
    c.json({
      groups: [
        { name: 'parley-jobs', rules: alertRules },
        { name: 'parley-moves', rules: moveAlerts },
        { name: 'parley-webhooks', rules: webhookAlerts },
      ],
    }),
  )
  .get('/metrics', async (c) => c.text(await metricsText(c.env), 200, { 'Content-Type': expositionType }))

/** At most so many gateways are asked; where there are more, the first of each region stand for the others. */
const maxGateways = 32

interface CheckedGateway extends Dependency {
  readonly name: string
}

/** Asks the gateways that clients really connect to. */
async function checkGateways(env: Env, config: Config): Promise<CheckedGateway[]> {
  const all = gatewayNames(config)
  const perRegion = Math.max(1, Math.floor((maxGateways * config.gatewaysPerRegion) / all.length))
  const asked = all.filter((name) => Number(name.split('/')[1]) < perRegion)
  return await Promise.all(
    asked.map(async (name) => ({ name, ...(await check(async () => void (await gatewayNamed(env, name).stats()))) })),
  )
}

const notMade = 'the system is starting and has not made its tenant yet'

/**
 * A development system is not ready before it has made its tenant. One that cannot be read makes it degraded only: the
 * other tenants are served.
 */
async function checkLocalTenant(env: Env, { localTenant }: Config): Promise<{ readonly tenant?: Dependency }> {
  if (localTenant === undefined) return {}
  let isMade = true
  const read = async () => {
    isMade = (await tenantRecordOf(env, localTenant, systemClock.now())) !== undefined
  }
  const tenant = await check(read)
  return { tenant: isMade ? tenant : { state: 'down', detail: notMade } }
}

/** Contexts that run as Workers of their own, by their names; without any there is nothing to show. */
async function checkContexts(env: Env): Promise<{ readonly contexts?: Readonly<Record<string, Dependency>> }> {
  const checks = leavingContexts.flatMap((context) => {
    const worker = workerOf(env, context)
    if (worker === undefined) return []
    const asked = check(async () => {
      if (!(await worker.ready()).includes(context))
        throw new Error(`the Worker has not this context: set CONTEXTS there`)
    })
    return asked.then((checked) => [context, checked] as const)
  })
  return checks.length === 0 ? {} : { contexts: Object.fromEntries(await Promise.all(checks)) }
}

function summaryOf(gateways: readonly CheckedGateway[]): Dependency {
  const broken = gateways.filter(({ state }) => state !== 'ok')
  if (broken.length === 0) return { state: 'ok' }
  const detail = broken.map(({ name, detail: reason }) => `gateway ${name}: ${reason}`).join('; ')
  return { state: 'down', detail: detail.slice(0, 400) }
}

async function checkOthers(env: Env, config: Config): Promise<Others> {
  const checks: Record<string, Promise<Dependency>> = {
    directory: check(() => checkDirectory(config)),
    ...(await checkShards(env, config)),
    redis: config.redis === undefined ? off : check(() => checkRedis(config)),
  }
  const qstash = checkJobs(config)
  const entries = await Promise.all(
    Object.entries(checks).map(async ([name, checked]) => [name, await checked] as const),
  )
  return { ...Object.fromEntries(entries), qstash: await qstash }
}

/** Jobs run only when QStash is configured as a whole and reaches us; without any of it they wait, and we are not whole. */
async function checkJobs(config: Config): Promise<Dependency> {
  if (config.missingForJobs.length > 0)
    return { state: 'down', detail: `jobs cannot run: ${config.missingForJobs.join(', ')} not set` }
  if (config.qstash === undefined) return { state: 'off', detail: 'jobs wait until QStash is configured' }
  return await check(() => checkQstash(config))
}

interface Others extends Readonly<Record<string, Dependency>> {
  readonly qstash: Dependency
}

function withBreakers(others: Others, breakers: readonly ListedBreaker[]): Others {
  const merged: Record<string, Dependency> & Others = { ...others }
  for (const { dependency, service, state } of breakers) {
    // Where it is closed for all, this isolate may still have stopped calling; a deployment of one isolate has only its view.
    const breaker = state === 'closed' ? breakerStateHere(service) : state
    const known = merged[dependency]
    if (known !== undefined) merged[dependency] = { ...known, breaker }
  }
  return merged
}

const off = Promise.resolve<Dependency>({ state: 'off' })

async function check(probe: () => Promise<string | void>): Promise<Dependency> {
  try {
    const behind = await within(checkMs, 'the check', probe())
    return typeof behind === 'string' ? { state: 'behind', detail: behind } : { state: 'ok' }
  } catch (thrown) {
    return { state: 'down', detail: reasonOf(thrown).slice(0, 200) }
  }
}

async function checkDirectory(config: Config): Promise<string | void> {
  const number = await selectMigration(connect(config, config.directoryUrl, checkMs))
  const expected = newestMigration.directory
  return number < expected ? `has migration ${number} of ${expected}: run the migrations` : undefined
}

/** At most so many shards are asked in one call; where there are more, others are asked in the next one. */
const maxShardsAsked = 32
let firstAsked = 0

async function checkShards(env: Env, config: Config): Promise<Record<string, Promise<Dependency>>> {
  const known = await shardsOf(config, platformOf(env))
  const { shards } = known
  const from = shards.length > maxShardsAsked ? firstAsked % shards.length : 0
  firstAsked = from + maxShardsAsked
  const asked = [...shards.slice(from), ...shards.slice(0, from)].slice(0, maxShardsAsked)
  return Object.fromEntries(asked.map((shard) => [shard.name, checkShard(env, config, known, shard)]))
}

/** Replicas by their shards. None of them counts for the status: a shard answers what its replicas do not. */
async function checkAllReplicas(env: Env, config: Config): Promise<{ readonly replicas?: object }> {
  const known = await shardsOf(config, platformOf(env))
  const seen = await lookAtReplicas(env, config, known, checkMs)
  if (seen.length === 0) return {}
  const states = seen.map(({ shard, replica: { name, state }, checked }) => {
    const breaker = breakerStateHere(replicaOf(replicaLabel(shard, name)))
    const { health, ...rest } = checked
    return [replicaLabel(shard, name), { state: state === 'paused' ? state : health, ...rest, breaker }] as const
  })
  return { replicas: Object.fromEntries(states) }
}

async function checkShard(env: Env, config: Config, { schemas }: KnownShards, shard: StoredShard): Promise<Dependency> {
  const { name, state } = shard
  const checked = await check(async () => {
    const number = await selectMigration(connect(config, await connectionOf(config, shard), checkMs))
    // A database that was restored may have an older schema than it was seen with.
    if (number !== schemas[name]) await platformOf(env).noteShardSchema(name, number)
    return number < newestMigration.shard ? behindBy(number) : undefined
  })
  return checked.state === 'ok' && state !== 'active' ? { state: 'ok', detail: state } : checked
}

async function checkRedis(config: Config): Promise<void> {
  const cache = openCache(config)
  await cache.set('readyz', 'ok', 10)
  if ((await cache.get('readyz')) !== 'ok') throw new Error('Redis does not give back what was set')
}

async function checkQstash({ qstash }: Config): Promise<void> {
  if (qstash === undefined) return
  const status = await callDependency(qstashService, { deadlineMs: checkMs }, async (signal) => {
    const headers = { Authorization: `Bearer ${qstash.token}` }
    const response = await fetch(`${qstash.url}/v2/keys`, { headers, signal })
    await response.body?.cancel()
    return { value: response.status, isFailure: response.status >= 500 || response.status === 429 }
  })
  if (status !== 200) throw new Error(`QStash answers ${status}`)
}
