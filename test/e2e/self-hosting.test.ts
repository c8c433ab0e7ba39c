import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { call, makeGroup, Person } from '../support/e2e/people.ts'
import { freePort, System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

/** Nothing listens on this port: every connection to it is refused. */
const nowhere = '127.0.0.1:1'
const database = (name: string) => `postgresql://parley_app:password@${name}.local/${name}`

/** Real services, all of them down, as production configures them. */
const servicesDown = {
  NEON_PROXY: nowhere,
  SHARDS: 'shard0,shard1',
  DATABASE_URL_DIRECTORY: database('directory'),
  DATABASE_URL_SHARD0: database('shard0'),
  DATABASE_URL_SHARD1: database('shard1'),
  UPSTASH_REDIS_REST_URL: `http://${nowhere}`,
  UPSTASH_REDIS_REST_TOKEN: 'token',
  QSTASH_URL: `http://${nowhere}`,
  QSTASH_TOKEN: 'token',
  QSTASH_CURRENT_SIGNING_KEY: 'sig_current',
  QSTASH_NEXT_SIGNING_KEY: 'sig_next',
  PUBLIC_URL: 'https://parley.example',
}

let system: System
let operatorKey: string
let key: string

const production = { PARLEY_PROFILE: 'production' }

beforeAll(async () => {
  system = System.prepare(await freePort(), { env: production })
  await system.startAgain(servicesDown)
  operatorKey = z.string().parse(/ADMIN_KEY (\S+)/.exec(system.output)?.[1])
  const made = await call(system, operatorKey, 'PUT', '/admin/v1/tenants/acme', { name: 'Acme' })
  key = z.object({ apiKey: z.string() }).parse(made.body).apiKey
})
afterAll(() => system.abandon())

/** Two users of the tenant chat; gives the texts that one of them hears. */
async function chat(text: string): Promise<string[]> {
  const group = await makeGroup(system, ['alice', 'bob'], key)
  const [alice, bob] = [new Person(system, 'alice', { key }), new Person(system, 'bob', { key })]
  await Promise.all([alice.connect(), bob.connect()])
  const listener = await bob.listen(group).ready()
  await alice.send(group, 'c1', text)
  await listener.reach(1)
  alice.leave()
  bob.leave()
  return listener.heard.map(({ text: heard }) => heard)
}

/** Makes a tenant; returns the file of its actor. */
async function fileOfNewTenant(id: string): Promise<string> {
  const folder = join(system.dataDir, 'actors/parley-Tenant')
  const files = () => readdirSync(folder).filter((name) => /^[0-9a-f]+\.sqlite$/.test(name))
  const before = new Set(files())
  expect((await call(system, operatorKey, 'PUT', `/admin/v1/tenants/${id}`, { name: id })).status).toBe(201)
  return join(folder, z.string().parse(files().find((name) => !before.has(name))))
}

test('a self-hosted system starts and chats while Postgres, Redis and QStash are down', async () => {
  expect(await chat('hello')).toEqual(['hello'])
  const { status, body } = await call(system, key, 'GET', '/readyz')
  expect({ status, body }).toMatchObject({ status: 200, body: { status: 'degraded' } })
  expect(system.output).toMatch(/partitions are not made, trying again/)
})

test('a self-hosted system refuses the demo key and gives no token to anonymous callers', async () => {
  expect((await call(system, 'demo-key', 'GET', '/v1/usage')).status).toBe(401)
  const token = await fetch(`${system.url}/demo/token`, { method: 'POST', body: '{"user":"alice"}' })
  expect(token.status).toBe(404)
  expect((await call(system, operatorKey, 'GET', '/admin/v1/tenants/demo')).status).toBe(404)
})

test('a damaged cache, message file, gateway, alarm file or tenant does not keep a self-hosted system from chatting', async () => {
  const other = await fileOfNewTenant('other')
  await system.terminate()
  writeFileSync(other, 'damaged')
  for (const name of ['redis.json', 'qstash.sqlite']) writeFileSync(join(system.dataDir, name), 'damaged')
  const actors = join(system.dataDir, 'actors')
  for (const name of readdirSync(actors, { recursive: true, encoding: 'utf8' }))
    if (/Gateway\/[0-9a-f]+\.sqlite$|metadata\.sqlite$/.test(name)) writeFileSync(join(actors, name), 'damaged')
  await system.startAgain()
  expect(system.output).toMatch(/the file of a gateway was damaged/)
  expect(system.output).toMatch(/a file of alarms was damaged/)
  expect(system.output).not.toMatch(/ADMIN_KEY/)
  expect(await chat('hello again')).toEqual(['hello again'])
  expect(await call(system, operatorKey, 'GET', '/admin/v1/tenants/other')).toMatchObject({
    status: 503,
    body: { detail: expect.stringMatching(/^storage: /) },
  })
  await until('everything is well', async () => {
    expect((await call(system, key, 'GET', '/readyz')).body).toMatchObject({ status: 'ok' })
    return true
  })
})

test('a production folder is refused by a development system', async () => {
  await system.terminate()
  expect(await system.spawn([], { PARLEY_PROFILE: 'dev' })).toBe(1)
  await until('it says why', () => /holds a production system/.test(system.output))
})
