import { env } from 'cloudflare:workers'
import { afterEach, expect, test, vi } from 'vitest'
import { archive } from '../../src/cron/archive.ts'
import { reconcile } from '../../src/cron/reconcile.ts'
import { runByHand } from '../../src/cron/run.ts'
import { usage } from '../../src/cron/usage.ts'
import { postgresIsThere } from '../support/worker/shards.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** An actor none of whose methods can be called. */
const away = new Proxy({}, { get: () => () => Promise.reject(new Error('away')) })

/** Actors of which those named are away; `reached` lists the others that were asked for. */
function without<N extends { getByName(name: string): object }>(actors: N, gone: readonly string[]) {
  const reached: string[] = []
  const find = (name: string) => {
    if (gone.includes(name)) return away
    reached.push(name)
    return actors.getByName(name)
  }
  const get = (_: N, property: string) => (property === 'getByName' ? find : undefined)
  return { actors: new Proxy(actors, { get }), reached }
}

/** The directory has one tenant, with queues `default`, `bad` and `good`. */
async function oneTenant(): Promise<string> {
  const tenant = `troubled-${crypto.randomUUID()}`
  for (const queue of ['bad', 'good']) await env.JOB_QUEUE.getByName(`${tenant}/default`).register(queue)
  postgresIsThere(({ query, params }) =>
    query.includes('FROM tenants') && params[0] === '' ? [{ tenant_id: tenant }] : [],
  )
  return tenant
}

const said = (level: 'warn' | 'error') => {
  const lines = vi.spyOn(console, level).mockImplementation(() => undefined)
  return () => lines.mock.calls.map(([line]): unknown => JSON.parse(String(line)))
}

test('a queue that cannot be reached keeps no other from being swept, nor a gateway the others from being counted', async () => {
  const tenant = await oneTenant()
  const errors = said('error')
  const { actors: JOB_QUEUE, reached } = without(env.JOB_QUEUE, [`${tenant}/bad`])
  const { actors: GATEWAY, reached: gateways } = without(env.GATEWAY, ['weur/0'])
  await runByHand({ ...env, JOB_QUEUE }, 'sweep')
  expect(reached).toContain(`${tenant}/good`)
  await runByHand({ ...env, GATEWAY }, 'connections')
  expect(gateways.length).toBeGreaterThan(0)
  expect(errors()).toEqual([
    expect.objectContaining({ event: 'cron.sweep-failed', tenant, queue: 'bad', reason: 'away' }),
    expect.objectContaining({ event: 'cron.connections-failed', gateway: 'weur/0', reason: 'away' }),
  ])
})

test('a queue that cannot be asked keeps no other from saying what lies dead', async () => {
  const tenant = await oneTenant()
  const errors = said('error')
  const { actors: JOB_QUEUE, reached } = without(env.JOB_QUEUE, [`${tenant}/bad`])
  await runByHand({ ...env, JOB_QUEUE }, 'failures')
  expect(reached).toContain(`${tenant}/good`)
  expect(errors()).toEqual([expect.objectContaining({ event: 'cron.failures-failed', tenant, queue: 'bad' })])
})

test('a queue that cannot be notified of its lost run keeps no other from being notified, and the letters are taken', async () => {
  const letters = ['bad', 'good'].map((queue) => ({
    dlqId: queue,
    messageId: queue,
    url: 'https://parley.example/jobs',
    body: JSON.stringify({ tenant: 'acme', queue, visit: 'v' }),
  }))
  const left = new Map(letters.map((letter) => [letter.dlqId, letter]))
  vi.stubGlobal('fetch', async (input: RequestInfo, init?: RequestInit) => {
    const request = new Request(input, init)
    if (request.method === 'DELETE') left.clear()
    return Response.json({ messages: [...left.values()], deleted: 2 })
  })
  const [errors, warnings] = [said('error'), said('warn')]
  const { actors: JOB_QUEUE, reached } = without(env.JOB_QUEUE, ['acme/bad'])
  const qstash = { QSTASH_TOKEN: 'token', QSTASH_CURRENT_SIGNING_KEY: 'one', QSTASH_NEXT_SIGNING_KEY: 'two' }
  await reconcile({ ...env, ...qstash, JOB_QUEUE })
  expect(reached).toEqual(['acme/good'])
  expect(left.size).toBe(0)
  expect(errors()).toEqual([expect.objectContaining({ event: 'cron.reconcile-failed', queue: 'bad' })])
  expect(warnings()).toEqual([expect.objectContaining({ event: 'jobs.runs-reconciled', lost: 2 })])
})

test.each([
  { name: 'archive', run: archive },
  { name: 'usage', run: usage },
])('$name goes on with the other shards when one is away', async ({ name, run }) => {
  const errors = said('error')
  const statements = postgresIsThere()
  const there = fetch
  vi.stubGlobal('fetch', async (input: RequestInfo, init?: RequestInit) => {
    const isAway = new Request(input, init).headers.get('neon-connection-string')?.includes('/shard0')
    return isAway === true ? new Response('the dead letter queue is away', { status: 503 }) : await there(input, init)
  })
  await run(env, Date.now())
  expect(statements).toContainEqual(expect.objectContaining({ query: expect.stringContaining('FROM placements') }))
  expect(errors()).toEqual([expect.objectContaining({ event: `cron.${name}-failed`, shard: 'shard0' })])
})
