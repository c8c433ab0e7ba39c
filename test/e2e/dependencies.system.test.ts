import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { apiKey, call, makeGroup, Person, type Listener } from '../support/e2e/people.ts'
import { RedisOf } from '../support/e2e/redis.ts'
import { ShakyWorld } from '../support/e2e/shaky-world.ts'
import { Shards } from '../support/e2e/shards.ts'
import { until } from '../support/e2e/until.ts'

let world: ShakyWorld
let alice: Person
let bob: Person

beforeAll(async () => {
  world = await ShakyWorld.start({ TAIL_ENTRIES: '20' })
  alice = await new Person(world.system, 'alice').connect()
  bob = await new Person(world.system, 'bob').connect()
})

afterEach(() => {
  world.calm()
})

afterAll(async () => {
  for (const person of [alice, bob]) person.leave()
  await world.stop()
})

const readiness = z.object({
  status: z.string(),
  dependencies: z.record(z.string(), z.object({ state: z.string() })),
})

/** What /readyz says is down, once it says so. */
async function down(): Promise<string[]> {
  const { status, body } = await call(world.system, apiKey, 'GET', '/readyz')
  expect(status).toBe(200)
  const { dependencies } = readiness.parse(body)
  return Object.entries(dependencies).flatMap(([name, { state }]) => (state === 'ok' ? [] : [name]))
}

const tellsDown = (...names: string[]) =>
  until(`/readyz tells ${names.join(', ') || 'that all is well'}`, async () => {
    expect((await down()).sort()).toEqual(names.sort())
    return true
  })

/** Everything people do all day: make a conversation, write, hear, come back, look at the list and at what was said. */
async function chatGoesOn(what: string): Promise<{ group: string; listener: Listener }> {
  const group = await makeGroup(world.system, ['alice', 'bob'])
  const listener = await bob.listen(group).ready()
  for (let n = 1; n <= 5; n++) expect(await alice.send(group, `${what}-${n}`, `${what} ${n}`)).toMatchObject({ seq: n })
  await listener.reach(5)

  bob.client.disconnect()
  await alice.send(group, `${what}-6`, `${what} 6`)
  await bob.connect()
  await listener.reach(6)
  expect(listener.seqs).toEqual([1, 2, 3, 4, 5, 6])

  await until('the list shows it', async () => {
    const { conversations } = z
      .object({ conversations: z.array(z.object({ id: z.string(), unread: z.number() })) })
      .parse(await bob.rpc('inbox.list', {}))
    return conversations.some(({ id, unread }) => id === group && unread === 6)
  })
  const page = await alice.client.history(`conversation:${group}`, { limit: 10 })
  expect(page.publications.map(({ offset }) => offset)).toEqual([1, 2, 3, 4, 5, 6])
  return { group, listener }
}

/** The shards have exactly what people heard. */
async function caughtUp(group: string, { heard }: Listener): Promise<void> {
  const log = await new Shards(world.system).caughtUp(new Map([[group, heard.length]]))
  expect(log.map(({ seq, clientId, body }) => ({ seq, clientId, body }))).toEqual(
    heard.map(({ seq, clientId, text }) => ({ seq, clientId, body: text })),
  )
}

/** Schedules a message half a second ahead. A repeated request for it is answered with 200. */
async function schedule(group: string, clientId: string, status: 202 | 200 = 202): Promise<void> {
  const later = { clientId, text: 'later', deliverAt: Date.now() + 500 }
  const path = `/v1/conversations/${group}/messages`
  expect((await call(world.system, await alice.token(), 'POST', path, later)).status).toBe(status)
}

describe('Postgres', () => {
  test('down: chat goes on, and it has everything once it is back', async () => {
    world.postgres.set('refuse')
    await tellsDown('directory', 'shard0', 'shard1')
    const { group, listener } = await chatGoesOn('without postgres')
    world.postgres.set('pass')
    await caughtUp(group, listener)
    await tellsDown()
  })

  test.each([
    ['read-only', `RAISE EXCEPTION 'cannot execute INSERT in a read-only transaction' USING ERRCODE = '25006';`],
    [
      'out of space',
      `RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100', HINT = 'Check free disk space.';`,
    ],
    ['slow', `PERFORM pg_sleep(3);`],
  ])('%s for writes: chat goes on, and it has everything once, once it is well', async (name, trouble) => {
    const shards = new Shards(world.system)
    const both = async (text: string) => {
      for (const shard of ['shard0', 'shard1'] as const) await shards.query(shard, text)
    }
    await both(
      `CREATE OR REPLACE FUNCTION be_in_trouble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${trouble} RETURN NULL; END $$`,
    )
    await both('CREATE TRIGGER trouble BEFORE INSERT ON messages FOR EACH STATEMENT EXECUTE FUNCTION be_in_trouble()')
    try {
      const { group, listener } = await chatGoesOn(`shard ${name}`)
      if (name !== 'slow')
        await until('the log names the shard and what is wrong', () =>
          /alarm-tasks\.failed.*projection.*shard[01]: .*(?:read-only|No space left)/.test(world.system.output),
        )
      await both('DROP TRIGGER trouble ON messages')
      await caughtUp(group, listener)
    } finally {
      await both('DROP TRIGGER IF EXISTS trouble ON messages')
    }
  })

  test('silent after it has written: no request waits, and the same rows are not written twice', async () => {
    const { group, listener } = await chatGoesOn('before the silence')
    await caughtUp(group, listener)
    world.postgres.set('mute')
    await alice.send(group, 'unconfirmed', 'unconfirmed')
    await listener.reach(7)
    const shards = new Shards(world.system)
    await until('the row arrived', async () => (await shards.logOf([group])).length === 7)
    await chatGoesOn('in the silence')
    world.postgres.cut()
    world.postgres.set('pass')
    await alice.send(group, 'after', 'after')
    await listener.reach(8)
    await caughtUp(group, listener)
  })
})

test('an operator pages through the tenants in Postgres, and is answered 503 when it is away', async () => {
  const { system } = world
  const list = (query = '') => call(system, system.adminKey, 'GET', `/admin/v1/tenants${query}`)
  const name = 'Second tenant'
  expect((await call(system, system.adminKey, 'PUT', '/admin/v1/tenants/second', { name })).status).toBe(201)
  const demo = {
    id: 'demo',
    name: 'demo',
    state: 'active',
    shard: expect.stringMatching(/^shard[01]$/),
    at: expect.any(Number),
  }
  await until('the directory has it', async () => {
    expect((await list()).body).toEqual({ tenants: [demo, { ...demo, id: 'second', name }], next: null })
    return true
  })
  expect((await list('?limit=1')).body).toEqual({ tenants: [demo], next: 'demo' })
  expect((await list('?limit=1&cursor=demo')).body).toMatchObject({ tenants: [{ id: 'second' }], next: null })
  expect((await list('?limit=0')).status).toBe(400)

  world.postgres.set('refuse')
  expect(await list()).toMatchObject({
    status: 503,
    body: { detail: 'directory: does not answer; try again' },
  })
})

describe('Redis', () => {
  test.each(['refuse', 'blackhole'] as const)('%s: chat and old history go on', async (weather) => {
    const group = await makeGroup(world.system, ['alice', 'bob'])
    const listener = await bob.listen(group).ready()
    for (let n = 1; n <= 120; n++) await alice.send(group, `filler-${n}`, `filler ${n}`)
    await listener.reach(120)
    await caughtUp(group, listener)
    world.redis.set(weather)
    await tellsDown('redis')
    await chatGoesOn(`redis ${weather}`)
    const page = await bob.client.history(`conversation:${group}`, { limit: 300 })
    expect(page.publications.map(({ offset }) => offset)).toEqual(Array.from({ length: 120 }, (_, n) => n + 1))
  })

  test('down while words are deleted: pages that hold them are dropped once it is back', async () => {
    const secret = 'the combination is 6-7-8'
    const group = await makeGroup(world.system, ['alice', 'bob'])
    await alice.send(group, 'secret', secret)
    for (let n = 2; n <= 150; n++) await alice.send(group, `c${n}`, `message ${n}`)
    // A page that is read while Redis is left alone stays in memory only.
    await tellsDown()
    const redis = new RedisOf(world.system)
    const cached = async () => [...(await redis.valuesUnder(`history.1:demo:${group}`)).values()].join()
    await until('the page is cached', async () => {
      await call(world.system, await alice.token(), 'GET', `/v1/conversations/${group}/messages?after=0&limit=10`)
      return (await cached()).includes(secret)
    })
    world.redis.set('refuse')
    await alice.rpc('message.delete', { conversation: group, seq: 1 })
    const log = await new Shards(world.system).caughtUp(new Map([[group, 151]]))
    expect(log.filter(({ body }) => body.includes(secret))).toEqual([])
    await until('it was tried in vain', () => /alarm-tasks\.failed.*cached pages/.test(world.system.output))
    world.redis.set('pass')
    await until('no cached page holds the words', async () => !(await cached()).includes(secret))
  })
})

describe('QStash', () => {
  test('down: chat goes on, and a message for later comes once it is back, once', async () => {
    world.qstash.set('refuse')
    await tellsDown('qstash')
    const { group, listener } = await chatGoesOn('without qstash')
    await schedule(group, 'for later', 202)
    await schedule(group, 'for later', 200)
    world.qstash.set('pass')
    await listener.reach(7)
    await caughtUp(group, listener)
    expect(listener.heard.filter(({ text }) => text === 'later')).toHaveLength(1)
    await tellsDown()
  })

  test('slow: no request waits for it', async () => {
    // In each direction: a caller that waits for an answer waits twice as long.
    const delayMs = 4000
    world.qstash.set('pass', { delayMs })
    const { group, listener } = await chatGoesOn('with slow qstash')
    const began = performance.now()
    await schedule(group, 'slowly')
    expect(performance.now() - began).toBeLessThan(delayMs)
    await listener.reach(7)
  })

  test('silent after it took the job: the message still comes once', async () => {
    const { group, listener } = await chatGoesOn('with a lying qstash')
    world.qstash.set('mute')
    await schedule(group, 'told twice')
    await listener.reach(7)
    world.qstash.cut()
    world.qstash.set('pass')
    await alice.send(group, 'after', 'after')
    await listener.reach(8)
    expect(listener.heard.slice(6).map(({ text }) => text)).toEqual(['later', 'after'])
  })
})
