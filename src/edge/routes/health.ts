import { Hono } from 'hono'
import { gatewayName, gatewayNamed } from '../../../durable-objects/address.ts'
import { connect } from '../../adapters/neon/connect.ts'
import { selectMigration } from '../../adapters/neon/select-migration.ts'
import { newestMigration } from '../../adapters/neon/newest-migration.ts'
import { openCache } from '../../adapters/upstash/cache.ts'
import { loadConfig, type Config } from '../../config.ts'
import type { Env } from '../../env.ts'
import { alertRules } from '../../jobs/alerts.ts'
import { expositionType } from '../../kernel/exposition.ts'
import { reasonOf } from '../../kernel/log.ts'
import { within } from '../../kernel/retry.ts'
import type { App } from '../context.ts'
import { metricsText } from '../metrics.ts'

/** `ok`; `behind`: works, but lacks migrations; `down`: does not answer; `off`: not configured. */
interface Dependency {
  readonly state: 'ok' | 'behind' | 'down' | 'off'
  readonly detail?: string
}

const checkMs = 2000

/** Whether we live, what of our dependencies does, and our figures. */
export const health = new Hono<App>()
  .get('/healthz', (c) => c.json({ status: 'ok' }))
  .get('/readyz', async (c) => {
    const dependencies = await checkAll(c.env)
    const states = Object.values(dependencies).map(({ state }) => state)
    const actors = dependencies['actors']?.state === 'ok'
    const status = !actors ? 'down' : states.every((state) => state === 'ok' || state === 'off') ? 'ok' : 'degraded'
    return c.json({ status, dependencies }, actors ? 200 : 503)
  })
  .get('/metrics/alerts', (c) => c.json({ groups: [{ name: 'parley-jobs', rules: alertRules }] }))
  .get('/metrics', async (c) => c.text(await metricsText(c.env), 200, { 'Content-Type': expositionType }))

async function checkAll(env: Env): Promise<Record<string, Dependency>> {
  const config = loadConfig(env)
  const checks: Record<string, Promise<Dependency>> = {
    actors: check(async () => void (await gatewayNamed(env, gatewayName('probe', '', 1)).stats())),
    directory: check(() => checkMigration(config, config.directoryUrl, newestMigration.directory)),
    ...Object.fromEntries(
      config.shards.map(({ name }) => [
        name,
        check(() => checkMigration(config, config.shardUrl(name), newestMigration.shard)),
      ]),
    ),
    redis: config.redis === undefined ? off : check(() => checkRedis(config)),
    qstash: config.qstash === undefined ? off : check(() => checkQstash(config)),
  }
  const entries = await Promise.all(
    Object.entries(checks).map(async ([name, checked]) => [name, await checked] as const),
  )
  return Object.fromEntries(entries)
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

async function checkMigration(config: Config, url: string, expected: number): Promise<string | void> {
  const number = await selectMigration(connect(config, url, checkMs))
  return number < expected ? `has migration ${number} of ${expected}: run the migrations` : undefined
}

async function checkRedis(config: Config): Promise<void> {
  const cache = openCache(config)
  await cache.set('readyz', 'ok', 10)
  if ((await cache.get('readyz')) !== 'ok') throw new Error('Redis does not give back what was set')
}

async function checkQstash({ qstash }: Config): Promise<void> {
  if (qstash === undefined) return
  const response = await fetch(`${qstash.url}/v2/keys`, {
    headers: { Authorization: `Bearer ${qstash.token}` },
    signal: AbortSignal.timeout(checkMs),
  })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`QStash answers ${response.status}`)
}
