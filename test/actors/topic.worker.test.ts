import { runInDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { StreamCall, TopicRules } from '../../src/protocol/stream.ts'
import { eventually } from '../support/worker/bounded.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import { connect, lively, namespace, ownGateway, published, ringTopic, topicOf } from '../support/worker/topics.ts'

afterEach(() => void vi.useRealTimers())

/** The moment it is for actors, this much later than now. */
const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })
const day = 86_400_000

const channel = 'orders:42'

/** Alice is subscribed, on a gateway without other users. */
async function story(more: object = {}) {
  const tenant = await newTenant()
  await namespace(tenant, 'orders', { ...lively, ...more })
  const alice = await connect(await tenant.token('alice'), ownGateway())
  const { subscribe } = await alice.ask({ subscribe: { channel } })
  return { tenant, alice, epoch: subscribe!.epoch }
}

const rules: TopicRules = { version: 1, historySize: 10, historyTtlSeconds: 300, joinLeave: false }

/** The tenant's server says something. */
async function say(tenant: TestTenant, data: unknown, more: object = {}, by: Partial<TopicRules> = {}) {
  const command = { user: '', client: '', server: true, kind: 'publish' as const, data: JSON.stringify(data), ...more }
  const call: StreamCall = { gateway: null, have: null, rules: { ...rules, version: 99, ...by }, commands: [command] }
  const [result] = (await topicOf(tenant, channel).execute(call)).results
  const place: { offset: number; epoch: string } = JSON.parse(result?.kind === 'done' ? result.data : '{}')
  return place
}

const page = async (tenant: TestTenant) => {
  const answer = await topicOf(tenant, channel).history({ ...rules, version: 99 }, { limit: -1, reverse: false })
  if (answer.kind !== 'page') throw new Error(`refused: ${answer.error}`)
  return { epoch: answer.epoch, top: answer.top, offsets: answer.publications.map(({ offset }) => offset) }
}

/** Until the topic has heard that its last listener left. */
const isAlone = (tenant: TestTenant) =>
  eventually('no connection is subscribed', () =>
    runInDurableObject(topicOf(tenant, channel), (_, { storage }) =>
      storage.sql.exec('SELECT 1 FROM listeners').toArray().length === 0 ? true : undefined,
    ),
  )

const tablesOf = (tenant: TestTenant) =>
  runInDurableObject(topicOf(tenant, channel), (_, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'facts'").toArray(),
  )

describe('a topic that loses its memory', () => {
  test.each([
    ['with history', {}],
    ['without', { historySize: 0 }],
  ])('still publishes to its subscribers, %s', async (_, more) => {
    const { tenant, alice } = await story(more)
    await putToSleep(topicOf(tenant, channel))
    await say(tenant, 'news', {}, more)
    expect(await published(alice, channel)).toMatchObject({ data: 'news' })
  })

  test('counts on from where it was, in the same epoch', async () => {
    const { tenant, epoch } = await story()
    await say(tenant, 1)
    await putToSleep(topicOf(tenant, channel))
    expect(await say(tenant, 2)).toEqual({ offset: 2, epoch })
  })

  test('between writing and publishing has its alarm announce the position, and subscribers fetch the missing publications', async () => {
    const { tenant, alice } = await story()
    await say(tenant, 'first')
    await published(alice, channel)
    await runInDurableObject(topicOf(tenant, channel), (_, { storage }) => {
      storage.sql.exec(`INSERT INTO entries (offset, at, data) VALUES (2, ${Date.now()}, '"untold"')`)
    })
    await putToSleep(topicOf(tenant, channel))
    await ringTopic(tenant, channel)
    expect(await published(alice, channel)).toMatchObject({ offset: 2, data: 'untold' })
  })

  test('knows its idempotency keys for five minutes', async () => {
    const { tenant } = await story()
    const first = await say(tenant, 1, { idempotencyKey: 'k' })
    await putToSleep(topicOf(tenant, channel))
    expect(await say(tenant, 1, { idempotencyKey: 'k' })).toEqual(first)
    expect(await say(tenant, 2, { idempotencyKey: 'l' })).toMatchObject({ offset: 2 })
    later(301_000)
    expect(await say(tenant, 1, { idempotencyKey: 'k' })).toMatchObject({ offset: 3 })
  })

  test('keeps its rules, and older ones from a caller change nothing', async () => {
    const { tenant } = await story()
    for (const n of [1, 2, 3]) await say(tenant, n, {}, { historySize: 2 })
    await putToSleep(topicOf(tenant, channel))
    await say(tenant, 4, {}, { version: 1, historySize: 100 })
    const answer = await topicOf(tenant, channel).history({ ...rules, version: 1 }, { limit: -1, reverse: false })
    expect(answer).toMatchObject({ top: 4, publications: [{ offset: 3 }, { offset: 4 }] })
  })
})

describe('the state of a topic', () => {
  test('is shown no longer than it may be, dropped by the alarm, and its numbers are not used again', async () => {
    const { tenant, alice, epoch } = await story()
    await say(tenant, 1)
    later(200_000)
    await say(tenant, 2)
    later(101_000)
    expect(await page(tenant)).toEqual({ epoch, top: 2, offsets: [2] })
    await alice.ask({ unsubscribe: { channel } })
    const { subscribe } = await alice.ask({ subscribe: { channel, recover: true, offset: 0, epoch } })
    expect(subscribe).not.toHaveProperty('recovered')

    later(300_000)
    await ringTopic(tenant, channel)
    const rows = await runInDurableObject(topicOf(tenant, channel), (_, { storage }) =>
      storage.sql.exec('SELECT offset FROM entries').toArray(),
    )
    expect(rows).toEqual([])
    await putToSleep(topicOf(tenant, channel))
    expect(await say(tenant, 3)).toEqual({ offset: 3, epoch })
  })

  test('is dropped in time also when the topic forgot that it had to, before its last listener left', async () => {
    const { tenant, alice } = await story()
    await say(tenant, 1)
    await putToSleep(topicOf(tenant, channel))
    await alice.ask({ unsubscribe: { channel } })
    await isAlone(tenant)
    await ringTopic(tenant, channel)
    const at = await runInDurableObject(topicOf(tenant, channel), (_, { storage }) => storage.getAlarm())
    expect(at).toBeLessThanOrEqual(Date.now() + 300_000)
  })

  test('never takes more rows than its size and a bunch to be dropped', async () => {
    const { tenant } = await story()
    for (let n = 1; n <= 200; n++) await say(tenant, n, {}, { historySize: 5 })
    expect((await page(tenant)).offsets.slice(-5)).toEqual([196, 197, 198, 199, 200])
    const [row] = await runInDurableObject(topicOf(tenant, channel), (_, { storage }) =>
      storage.sql.exec('SELECT count(*) AS rows FROM entries').toArray(),
    )
    expect(Number(row!['rows'])).toBeLessThan(5 + 70)
  })

  test.each([
    ['with history', {}],
    ['without', { historySize: 0 }],
  ])('of idempotency keys is dropped after their time, also while there is a subscriber, %s', async (_, more) => {
    const { tenant } = await story(more)
    later(61_000)
    await ringTopic(tenant, channel)
    await say(tenant, 1, { idempotencyKey: 'k' }, more)
    later(400_000)
    await ringTopic(tenant, channel)
    await ringTopic(tenant, channel)
    const rows = await runInDurableObject(topicOf(tenant, channel), (_, { storage }) =>
      storage.sql.exec('SELECT key FROM publish_keys').toArray(),
    )
    expect(rows).toEqual([])
  })

  test('can be removed at once, and counting goes on', async () => {
    const { tenant, epoch } = await story()
    for (const n of [1, 2]) await say(tenant, n)
    await topicOf(tenant, channel).removeHistory()
    expect(await page(tenant)).toEqual({ epoch, top: 2, offsets: [] })
    expect(await say(tenant, 3)).toEqual({ offset: 3, epoch })
  })
})

describe('a topic that is not needed any more', () => {
  test('without history is gone a minute after its last listener left', async () => {
    const { tenant, alice } = await story({ historySize: 0 })
    expect(await tablesOf(tenant)).toHaveLength(1)
    await alice.ask({ unsubscribe: { channel } })
    await isAlone(tenant)
    await ringTopic(tenant, channel)
    expect(await tablesOf(tenant)).toHaveLength(1)
    later(61_000)
    await ringTopic(tenant, channel)
    expect(await tablesOf(tenant)).toEqual([])
  })

  test('with history keeps its epoch for thirty days, and is another stream after that', async () => {
    const { tenant, alice, epoch } = await story()
    await say(tenant, 1)
    await alice.ask({ unsubscribe: { channel } })
    await isAlone(tenant)
    later(20 * day)
    await ringTopic(tenant, channel)
    await say(tenant, 2)
    later(12 * day)
    await ringTopic(tenant, channel)
    expect((await page(tenant)).epoch).toBe(epoch)
    later(31 * day)
    await ringTopic(tenant, channel)
    expect(await tablesOf(tenant)).toEqual([])
    const { offset, epoch: next } = await say(tenant, 3)
    expect(offset).toBe(1)
    expect(next).not.toBe(epoch)
  })

  test('but has subscribers stays, however long nothing is published', async () => {
    const { tenant, alice, epoch } = await story()
    await say(tenant, 1)
    later(60 * day)
    await ringTopic(tenant, channel)
    await ringTopic(tenant, channel)
    expect((await page(tenant)).epoch).toBe(epoch)
    await say(tenant, 2)
    expect((await published(alice, channel)).offset).toBe(1)
    expect((await published(alice, channel)).offset).toBe(2)
  })
})
