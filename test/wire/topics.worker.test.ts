import { runInDurableObject } from 'cloudflare:test'
import { describe, expect, test } from 'vitest'
import { newTenant } from '../support/worker/tenant.ts'
import { alsoOf, connect, lively, namespace, ownGateway, published, topicOf } from '../support/worker/topics.ts'

/** A namespace `orders` and Alice and Bob on gateways of their own. */
async function story(rules: object = lively) {
  const tenant = await newTenant()
  await namespace(tenant, 'orders', rules)
  const gateway = ownGateway()
  const alice = await connect(await tenant.token('alice'), gateway)
  const bob = await connect(await tenant.token('bob'), ownGateway())
  return { tenant, gateway, alice, bob, channel: 'orders:42' }
}

const say = (channel: string, n: number) => ({ publish: { channel, data: { n } } })

describe('a topic with history', () => {
  test('reaches every subscriber, the publisher too, each publication once and in order', async () => {
    const { alice, bob, channel } = await story()
    expect((await alice.ask({ subscribe: { channel } })).subscribe).toMatchObject({
      recoverable: true,
      positioned: true,
      offset: 0,
      epoch: expect.stringMatching(/^[\w-]{8}$/),
    })
    await bob.ask({ subscribe: { channel } })
    expect(await alice.ask(say(channel, 1))).toMatchObject({ publish: {} })
    await bob.ask(say(channel, 2))
    for (const line of [alice, bob]) {
      expect(await published(line, channel)).toMatchObject({ offset: 1, data: { n: 1 }, info: { user: 'alice' } })
      expect(await published(line, channel)).toMatchObject({ offset: 2, data: { n: 2 }, info: { user: 'bob' } })
      expect((await alsoOf(line, channel)).filter(({ push }) => push?.pub)).toEqual([])
    }
  })

  test('brings who comes back exactly what was missed', async () => {
    const { alice, bob, channel } = await story()
    const { epoch } = (await alice.ask({ subscribe: { channel } })).subscribe!
    await alice.ask({ unsubscribe: { channel } })
    for (const n of [1, 2, 3]) await bob.ask(say(channel, n))
    const { subscribe } = await alice.ask({ subscribe: { channel, recover: true, offset: 1, epoch } })
    expect(subscribe).toMatchObject({ was_recovering: true, recovered: true, offset: 1, epoch })
    expect(subscribe!.publications).toMatchObject([
      { offset: 2, data: { n: 2 }, info: { user: 'bob' } },
      { offset: 3, data: { n: 3 } },
    ])
  })

  test('forgets what is beyond its size, and says so to a subscriber that comes back too late', async () => {
    const { alice, bob, channel } = await story({ ...lively, historySize: 2 })
    const { epoch } = (await alice.ask({ subscribe: { channel } })).subscribe!
    await alice.ask({ unsubscribe: { channel } })
    for (const n of [1, 2, 3]) await bob.ask(say(channel, n))
    const late = await alice.ask({ subscribe: { channel, recover: true, offset: 0, epoch } })
    expect(late.subscribe).toMatchObject({ was_recovering: true, offset: 3, epoch })
    expect(late.subscribe).not.toHaveProperty('recovered')
    await alice.ask({ unsubscribe: { channel } })
    const just = await alice.ask({ subscribe: { channel, recover: true, offset: 1, epoch } })
    expect(just.subscribe).toMatchObject({ recovered: true, publications: [{ offset: 2 }, { offset: 3 }] })
    await alice.ask({ unsubscribe: { channel } })
    const strict = await alice.ask({ subscribe: { channel, recover: true, offset: 0, epoch, flag: 2 } })
    expect(strict).toMatchObject({ error: { code: 112 } })
  })
})

describe('a topic without history', () => {
  const passing = { ...lively, historySize: 0 }

  test('passes on publications without an offset, gives no position, and stores none of them', async () => {
    const { tenant, alice, bob, channel } = await story(passing)
    const { subscribe } = await alice.ask({ subscribe: { channel, recover: true, offset: 3, epoch: 'e' } })
    expect(subscribe).toEqual({})
    await bob.ask({ subscribe: { channel } })
    await bob.ask(say(channel, 1))
    const pub = await published(alice, channel)
    expect(pub).toMatchObject({ data: { n: 1 }, info: { user: 'bob' } })
    expect(pub).not.toHaveProperty('offset')
    const entries = await runInDurableObject(topicOf(tenant, channel), (_, { storage }) =>
      storage.sql.exec('SELECT * FROM entries').toArray(),
    )
    expect(entries).toEqual([])
    expect(await alice.ask({ history: { channel, limit: 1 } })).toMatchObject({ error: { code: 108 } })
  })

  test('that only ever received publications without subscribers has no disk at all', async () => {
    const { tenant, bob, channel } = await story(passing)
    await bob.ask(say(channel, 1))
    const tables = await runInDurableObject(topicOf(tenant, channel), (_, { storage }) =>
      storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'entries'").toArray(),
    )
    expect(tables).toEqual([])
  })
})

describe('words of a topic', () => {
  test('that look like a conversation’s entries end no subscription', async () => {
    const { alice, bob, channel } = await story()
    await alice.ask({ subscribe: { channel } })
    await bob.ask({ publish: { channel, data: { type: 'member.left', member: 'alice' } } })
    expect((await published(alice, channel)).offset).toBe(1)
    await bob.ask(say(channel, 2))
    expect((await published(alice, channel)).offset).toBe(2)
    expect((await alsoOf(alice, channel)).some(({ push }) => push?.unsubscribe)).toBe(false)
  })
})
