import { describe, expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

/** A group of Alice and Bob in which Bob has said `count` things, and Alice connected. */
async function story(count: number) {
  const tenant = await newTenant()
  const lunch = await tenant.group('alice', 'bob')
  await tenant.postMany(lunch, 'bob', count)
  const alice = await connectAs(tenant, 'alice')
  const { body } = await call(`GET /v1/conversations/${lunch}`, { as: tenant.key })
  return { tenant, lunch, alice, epoch: body.epoch, channel: `conversation:${lunch}` }
}

describe('subscribing', () => {
  test('gives the position of the stream, and the state that is not in it', async () => {
    const { lunch, alice, epoch } = await story(2)
    expect(await alice.subscribe(lunch)).toMatchObject({
      recoverable: true,
      positioned: true,
      epoch,
      offset: 2,
      data: {
        type: 'group',
        name: 'Lunch',
        last: 2,
        read: 0,
        role: 'owner',
        memberCount: 2,
        members: [
          { user: 'alice', role: 'owner', read: 0 },
          { user: 'bob', role: 'member', read: 2 },
        ],
      },
    })
  })

  test('the reply comes before the first publication', async () => {
    const { tenant, lunch, alice, channel } = await story(1)
    const [id] = alice.line.say({ subscribe: { channel } })
    await tenant.post(lunch, 'bob', 'at the same time')
    await alice.hears(lunch)
    const heard = alice.line.frames.flat()
    const reply = heard.findIndex((line) => line.id === id)
    const push = heard.findIndex((line) => line.push?.channel === channel && line.push.pub !== undefined)
    expect(reply).toBeGreaterThan(-1)
    expect(push).toBeGreaterThan(reply)
  })

  test('twice is refused, also while the first is under way', async () => {
    const { lunch, alice, channel } = await story(0)
    const [first, second] = alice.line.say({ subscribe: { channel } }, { subscribe: { channel } })
    expect(await alice.line.replyTo(first!)).toHaveProperty('subscribe')
    expect(await alice.line.replyTo(second!)).toMatchObject({ error: { code: 105 } })
    expect((await alice.line.ask({ subscribe: { channel } })).error?.code).toBe(105)
    await alice.send(lunch, 'still there')
    expect((await alice.hears(lunch)).offset).toBe(1)
    expect(await alice.alsoHeard(lunch)).toEqual([])
  })

  test('the user’s own stream is there from the connect', async () => {
    const { alice } = await story(0)
    expect(await alice.line.ask({ subscribe: { channel: 'user:#alice' } })).toMatchObject({ error: { code: 105 } })
  })

  test('an unsubscribe behind a subscribe in the same frame ends it, and a subscribe behind that begins anew', async () => {
    const { tenant, lunch, alice, channel } = await story(0)
    const twice = alice.line.say({ subscribe: { channel } }, { unsubscribe: { channel } })
    for (const id of twice) expect(await alice.line.replyTo(id)).not.toHaveProperty('error')
    await tenant.post(lunch, 'bob', 'no connection is subscribed')
    expect(await alice.alsoHeard(lunch)).toEqual([])

    const thrice = alice.line.say({ subscribe: { channel } }, { unsubscribe: { channel } }, { subscribe: { channel } })
    for (const id of thrice) expect(await alice.line.replyTo(id)).not.toHaveProperty('error')
    await tenant.post(lunch, 'bob', 'a connection is subscribed')
    expect((await alice.hears(lunch)).offset).toBe(2)
    expect(await alice.alsoHeard(lunch)).toEqual([])
  })

  test('after an unsubscribe nothing more is received', async () => {
    const { tenant, lunch, alice, channel } = await story(0)
    await alice.subscribe(lunch)
    await alice.line.ask({ unsubscribe: { channel } })
    await tenant.post(lunch, 'bob', 'no connection is subscribed')
    expect(await alice.alsoHeard(lunch)).toEqual([])
  })

  test.each(['news:1', 'conversation:', 'conversation:a/b', 'conversation:ä', '$user:x', 'user:alice', 'default:x'])(
    'channel %s is unknown',
    async (channel) => {
      const { alice } = await story(0)
      expect(await alice.line.ask({ subscribe: { channel } })).toMatchObject({ error: { code: 102 } })
    },
  )

  test('a name of more than 255 characters is a bad request', async () => {
    const { alice } = await story(0)
    const channel = `conversation:${'x'.repeat(255)}`
    expect(await alice.line.ask({ subscribe: { channel } })).toMatchObject({ error: { code: 107 } })
  })

  test('a conversation of others, of another tenant, deleted or never made: the answer is the same', async () => {
    const { tenant, alice } = await story(0)
    const stranger = await newTenant()
    const deleted = await tenant.group('alice')
    succeeded(await call(`DELETE /v1/conversations/${deleted}`, { as: tenant.key }))
    const foreign = [await tenant.group('bob'), await stranger.group('alice'), deleted, crypto.randomUUID()]
    const answers = []
    for (const id of foreign) {
      const { error } = await alice.line.ask({ subscribe: { channel: `conversation:${id}` } })
      answers.push(error)
    }
    expect(answers).toEqual(Array.from({ length: 4 }, () => ({ code: 103, message: 'permission denied' })))
  })

  test('another user’s personal stream is refused', async () => {
    const { alice } = await story(0)
    expect(await alice.line.ask({ subscribe: { channel: 'user:#bob' } })).toMatchObject({ error: { code: 103 } })
  })

  test('a connection has at most 128 channels, however they are asked for', async () => {
    const { tenant, alice } = await story(0)
    const ids = await Promise.all(Array.from({ length: 130 }, () => tenant.group('alice')))
    const asked = alice.line.say(...ids.map((id) => ({ subscribe: { channel: `conversation:${id}` } })))
    const replies = await Promise.all(asked.map((id) => alice.line.replyTo(id)))
    const refused = replies.filter(({ error }) => error !== undefined)
    expect(refused.filter(({ error }) => error?.code !== 106)).toEqual([])
    // One of the 128 is the user's own stream.
    expect(replies.length - refused.length).toBe(127)
    expect(new Set(refused.map(({ error }) => error?.code))).toEqual(new Set([106]))
    expect(await alice.line.ask({ subscribe: { channel: `conversation:${ids.at(-1)}` } })).toMatchObject({
      error: { code: 106 },
    })
  })
})

describe('recovering', () => {
  test('brings exactly what was missed, with the offset that was asked for', async () => {
    const { lunch, alice, epoch } = await story(5)
    const { subscribe } = await alice.recover(lunch, { offset: 2, epoch })
    expect(subscribe).toMatchObject({ was_recovering: true, recovered: true, offset: 2, epoch })
    expect(subscribe!.publications!.map(({ offset }) => offset)).toEqual([3, 4, 5])
  })

  test('from the top brings nothing, and what follows is received once', async () => {
    const { tenant, lunch, alice, epoch } = await story(3)
    const { subscribe } = await alice.recover(lunch, { offset: 3, epoch })
    expect(subscribe).toMatchObject({ recovered: true, offset: 3 })
    expect(subscribe).not.toHaveProperty('publications')
    await tenant.post(lunch, 'bob', 'news')
    expect((await alice.hears(lunch)).offset).toBe(4)
    expect(await alice.alsoHeard(lunch)).toEqual([])
  })

  test('with no epoch works for any', async () => {
    const { lunch, alice } = await story(1)
    expect((await alice.recover(lunch, { offset: 0 })).subscribe).toMatchObject({ recovered: true })
  })

  test.each([
    ['another epoch', { offset: 1, epoch: 'other' }],
    ['the epoch of a state that the SDK threw away', { offset: 0, epoch: '_' }],
    ['a place that was never reached', { offset: 9 }],
  ])('from %s is answered as not possible, with the top', async (_, since) => {
    const { lunch, alice, epoch } = await story(3)
    const { subscribe } = await alice.recover(lunch, since)
    expect(subscribe).toMatchObject({ was_recovering: true, offset: 3, epoch })
    expect(subscribe).not.toHaveProperty('recovered')
    expect(subscribe).not.toHaveProperty('publications')
  })

  test('a client that asked for all or nothing is refused instead, and does not listen', async () => {
    const { tenant, lunch, alice } = await story(3)
    const answer = await alice.recover(lunch, { offset: 1, epoch: 'other', flag: 2 })
    expect(answer).toMatchObject({ error: { code: 112 } })
    await tenant.post(lunch, 'bob', 'news')
    expect(await alice.alsoHeard(lunch)).toEqual([])
    expect(await alice.subscribe(lunch)).toMatchObject({ offset: 4 })
  })

  test('of more than 500 is answered as not possible; 500 are brought', async () => {
    const { lunch, alice, channel } = await story(501)
    expect((await alice.recover(lunch, { offset: 0 })).subscribe).not.toHaveProperty('recovered')
    await alice.line.ask({ unsubscribe: { channel } })
    const { subscribe } = await alice.recover(lunch, { offset: 1 })
    expect(subscribe!.publications!.map(({ offset }) => offset)).toEqual(Array.from({ length: 500 }, (_, n) => n + 2))
  })
})
