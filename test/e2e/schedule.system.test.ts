import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { sign } from '../../local/qstash/signature.ts'
import { monthsFrom } from '../../src/cron/months.ts'
import { killLauncher } from '../support/e2e/crashes.ts'
import { apiKey, call, makeGroup, Person } from '../support/e2e/people.ts'
import { Shards } from '../support/e2e/shards.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

let system: System
let alice: Person
/** This month and the next two, as they were when the system started. */
let months: string[]

beforeAll(async () => {
  system = await System.start()
  months = monthsFrom(Date.now(), 3).map((day) => `messages_${day.slice(0, 7).replace('-', '_')}`)
  alice = await new Person(system, 'alice').connect()
})

afterAll(async () => {
  alice.leave()
  system.abandon()
})

/** Asks for a message in `ms`, which is a repeat where the answer is to be 200; returns when it is due. */
async function later(group: string, clientId: string, ms: number, answer = 202): Promise<number> {
  const deliverAt = Date.now() + ms
  const message = { clientId, text: `${clientId} text`, deliverAt }
  const { status } = await call(system, await alice.token(), 'POST', `/v1/conversations/${group}/messages`, message)
  expect(status).toBe(answer)
  return deliverAt
}

const stamped = z.object({ at: z.number() })

describe('a message for later', () => {
  test('comes when it is due, once, however often it was asked for', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const listener = await alice.listen(group).ready()
    const due = await later(group, 'one', 1500)
    await later(group, 'one', 1500, 200)
    await listener.reach(1)
    await alice.send(group, 'after', 'after')
    await listener.reach(2)
    expect(listener.heard.map(({ text }) => text)).toEqual(['one text', 'after'])
    expect(stamped.parse(listener.heard[0]?.data).at).toBeGreaterThanOrEqual(due - 1)
  })

  test('over the socket alike, and the same clientId sent now is the same message', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const listener = await alice.listen(group).ready()
    const message = { conversation: group, clientId: 'two', text: 'two text', deliverAt: Date.now() + 500 }
    expect(await alice.rpc('message.send', message)).toMatchObject({ deliverAt: message.deliverAt })
    await listener.reach(1)
    expect(await alice.send(group, 'two', 'two text')).toMatchObject({ seq: 1, duplicate: true })
  })

  test('comes also over a kill and a restart in between, and when it fell due while nothing ran, each once', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const listener = await alice.listen(group).ready()
    const due = [await later(group, 'while down', 100), await later(group, 'after start', 5000)]
    await killLauncher(system)
    await system.startAgain()
    await listener.reach(2)
    await alice.client.ready(60_000)
    await alice.send(group, 'last', 'last')
    await listener.reach(3)
    // Where starting took until both were due, or the kill met the first on its way, either may come first.
    const [early, late] = listener.heard.slice(0, 2).toSorted((one, other) => other.text.localeCompare(one.text))
    expect([early?.text, late?.text, listener.heard[2]?.text]).toEqual(['while down text', 'after start text', 'last'])
    const at = [early, late].map((heard) => stamped.parse(heard?.data).at)
    expect(at.every((moment, index) => moment >= (due[index] ?? Infinity) - 1)).toBe(true)
  })
})

describe('/jobs', () => {
  const secrets = () =>
    z
      .object({ qstashCurrentKey: z.string(), qstashNextKey: z.string(), adminKey: z.string() })
      .parse(JSON.parse(readFileSync(join(system.dataDir, 'secrets.json'), 'utf8')))
  const reference = JSON.stringify({ tenant: 'demo', queue: 'default', id: 'none' })

  async function deliver(signature: string | undefined, body = reference): Promise<number> {
    const headers = signature === undefined ? {} : { 'Upstash-Signature': signature }
    return (await fetch(`${system.url}/jobs`, { method: 'POST', headers, body })).status
  }

  const signed = (change: Partial<Parameters<typeof sign>[0]> = {}) =>
    sign({
      url: `${system.url}/jobs`,
      body: Buffer.from(reference),
      key: secrets().qstashCurrentKey,
      now: Date.now(),
      ...change,
    })

  test('believes both keys of QStash', async () => {
    expect(await deliver(signed())).not.toBe(401)
    expect(await deliver(signed({ key: secrets().qstashNextKey }))).not.toBe(401)
  })

  test('refuses a call that QStash did not make', async () => {
    expect(await deliver(undefined)).toBe(401)
    expect(await deliver('nonsense')).toBe(401)
    expect(await deliver(signed({ key: 'sig_somebody_else' }))).toBe(401)
    expect(await deliver(signed({ body: Buffer.from('{}') }))).toBe(401)
    expect(await deliver(signed({ url: 'https://elsewhere.example/jobs' }))).toBe(401)
    expect(await deliver(signed({ now: Date.now() - 3_600_000 }))).toBe(401)
    expect(await deliver(signed({ now: Date.now() + 3_600_000 }))).toBe(401)
  })
})

describe('the schedule', () => {
  const entries = z.object({ entries: z.array(z.object({ name: z.string(), cron: z.string() })) })

  test('can be run by hand, entry by entry, by the operator only', async () => {
    expect((await call(system, apiKey, 'GET', '/admin/v1/cron')).status).toBe(401)
    const { body } = await call(system, system.adminKey, 'GET', '/admin/v1/cron')
    const names = entries.parse(body).entries.map(({ name }) => name)
    expect(names).toContain('sweep')
    for (const name of names) {
      expect((await call(system, apiKey, 'POST', `/admin/v1/cron/${name}`)).status).toBe(401)
      expect(await call(system, system.adminKey, 'POST', `/admin/v1/cron/${name}`)).toMatchObject({ status: 200 })
    }
    expect((await call(system, system.adminKey, 'POST', '/admin/v1/cron/nothing')).status).toBe(404)
  })

  test('every shard has a partition for this and the next two months, and messages lie in it', async () => {
    const group = await makeGroup(system, ['alice'])
    await alice.send(group, 'c1', 'hello')
    const shards = new Shards(system)
    await shards.caughtUp(new Map([[group, 1]]))
    for (const shard of ['shard0', 'shard1'] as const) {
      const found = await shards.query<{ name: string }>(
        shard,
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'messages'::regclass`,
      )
      expect(found.map(({ name }) => name)).toEqual(expect.arrayContaining(months))
      expect(await shards.query(shard, 'SELECT seq FROM messages_default')).toEqual([])
    }
  })

  test('partitions that are missing are made', async () => {
    const [, , last = ''] = months
    const shards = new Shards(system)
    await shards.query('shard0', `DROP TABLE ${last}`)
    await call(system, system.adminKey, 'POST', '/admin/v1/cron/partitions')
    await until('it is there again', async () => {
      const [row] = await shards.query<{ found: string | null }>('shard0', `SELECT to_regclass('${last}') AS found`)
      return row?.found !== null
    })
  })
})
