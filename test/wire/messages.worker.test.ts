import { afterEach, describe, expect, test, vi } from 'vitest'
import { stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'
import type { Heard } from '../support/worker/wire.ts'

afterEach(() => void vi.useRealTimers())

async function lunchOf(...users: string[]) {
  const tenant = await newTenant()
  return { tenant, lunch: await tenant.group(...users) }
}

describe('sending', () => {
  test('is answered with the place of the message, and received by every subscriber, the sender too', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const [alice, phone, bob] = [
      await connectAs(tenant, 'alice'),
      await connectAs(tenant, 'alice'),
      await connectAs(tenant, 'bob'),
    ]
    const { epoch } = await alice.subscribe(lunch)
    for (const other of [phone, bob]) await other.subscribe(lunch)
    const sent = await alice.send(lunch, 'Hungry?', 'a')
    expect(sent).toEqual({ id: `${lunch}.1`, seq: 1, epoch, at: expect.any(Number), duplicate: false })
    for (const listener of [alice, phone, bob])
      expect(await listener.hears(lunch)).toEqual({
        offset: 1,
        info: { user: 'alice', client: alice.client },
        data: { type: 'message', id: `${lunch}.1`, user: 'alice', clientId: 'a', text: 'Hungry?', at: sent['at'] },
      })
  })

  test('the same clientId again is the same message, also after sleep and much later', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const alice = await connectAs(tenant, 'alice')
    alice.line.answersPings = true
    await alice.subscribe(lunch)
    const first = await alice.send(lunch, 'Hungry?', 'a')
    expect(await alice.send(lunch, 'Hungry?', 'a')).toEqual({ ...first, duplicate: true })
    await tenant.postMany(lunch, 'bob', 600)
    await putToSleep(tenant.actorOf(lunch))
    expect(await alice.send(lunch, 'Hungry?', 'a')).toEqual({ ...first, duplicate: true })
    expect(await alice.send(lunch, 'Next', 'b')).toMatchObject({ seq: 602, duplicate: false })
  })

  test('twice in one frame, and over HTTP, is still one message', async () => {
    const { tenant, lunch } = await lunchOf('alice')
    const alice = await connectAs(tenant, 'alice')
    await alice.subscribe(lunch)
    const send = { rpc: { method: 'message.send', data: { conversation: lunch, clientId: 'a', text: 'Hungry?' } } }
    const replies = await Promise.all(alice.line.say(send, send).map((id) => alice.line.replyTo(id)))
    expect(replies.map(({ rpc }) => [rpc!.data['seq'], rpc!.data['duplicate']])).toEqual([
      [1, false],
      [1, true],
    ])
    expect((await tenant.post(lunch, 'alice', 'Hungry?', 'a')).body).toMatchObject({ seq: 1, duplicate: true })
    expect((await alice.hears(lunch)).offset).toBe(1)
    expect(await alice.alsoHeard(lunch)).toEqual([])
  })

  test('for later is answered with what holds when it is said again, and refused once it was cancelled', async () => {
    const { tenant, lunch } = await lunchOf('alice')
    const alice = await connectAs(tenant, 'alice')
    const message = { conversation: lunch, clientId: 'a', text: 'Later', deliverAt: Date.now() + 3_600_000 }
    const send = async (data: object) => await alice.rpc('message.send', data)
    const first = (await send(message)).rpc!.data
    expect(first).toMatchObject({ state: 'delayed', deliverAt: message.deliverAt, duplicate: false })
    const again = await send({ ...message, deliverAt: message.deliverAt + 60_000 })
    expect(again.rpc!.data).toEqual({ ...first, duplicate: true })
    await call(`DELETE /v1/jobs/${String(first['job'])}`, { as: tenant.key })
    expect((await send(message)).error).toMatchObject({ code: 409 })
  })

  test('a clientId is its sender’s own: two users may use the same', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    expect((await tenant.post(lunch, 'alice', 'one', 'a')).body).toMatchObject({ seq: 1, duplicate: false })
    expect((await tenant.post(lunch, 'bob', 'two', 'a')).body).toMatchObject({ seq: 2, duplicate: false })
  })

  test('many users at once make one dense order, the same for all', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob', 'carol')
    const people = [
      await connectAs(tenant, 'alice', { gateway: 'dense-a/0' }),
      await connectAs(tenant, 'bob', { gateway: 'dense-b/0' }),
      await connectAs(tenant, 'carol', { gateway: 'dense-b/0' }),
    ]
    for (const person of people) await person.subscribe(lunch)
    await Promise.all(
      people.flatMap((person) => Array.from({ length: 20 }, (_, n) => person.send(lunch, `${person.user} ${n}`))),
    )
    const stories = []
    for (const person of people) {
      const heard = []
      for (let n = 0; n < 60; n++) heard.push(await person.hears(lunch))
      expect(heard.map(({ offset }) => offset)).toEqual(Array.from({ length: 60 }, (_, n) => n + 1))
      stories.push(heard.map(({ data }) => data['text']))
    }
    expect(stories[1]).toEqual(stories[0])
    expect(stories[2]).toEqual(stories[0])
    const mine = stories[0]!.filter((text) => String(text).startsWith('alice'))
    expect(mine).toEqual(Array.from({ length: 20 }, (_, n) => `alice ${n}`))
  })

  test('a member that is not subscribed may send, and receives only the acknowledgement', async () => {
    const { tenant, lunch } = await lunchOf('alice')
    const alice = await connectAs(tenant, 'alice')
    expect(await alice.send(lunch, 'Hungry?')).toMatchObject({ seq: 1 })
    expect(await alice.alsoHeard(lunch)).toEqual([])
  })

  test('a publish is the same path: an empty reply, and the echo with the clientId', async () => {
    const { tenant, lunch } = await lunchOf('alice')
    const alice = await connectAs(tenant, 'alice')
    await alice.subscribe(lunch)
    const channel = `conversation:${lunch}`
    const data = { type: 'message', clientId: 'a', text: 'Hungry?' }
    expect((await alice.line.ask({ publish: { channel, data } })).publish).toEqual({})
    expect(await alice.hears(lunch)).toMatchObject({ offset: 1, data: { clientId: 'a', text: 'Hungry?' } })
    expect((await alice.line.ask({ publish: { channel, data } })).publish).toEqual({})
    expect(await alice.alsoHeard(lunch)).toEqual([])
    const nowhere = { publish: { channel: 'news:1', data } }
    expect(await alice.line.ask(nowhere)).toMatchObject({ error: { code: 102 } })
    expect(await alice.line.ask({ publish: { channel: 'user:#alice', data } })).toMatchObject({ error: { code: 103 } })
    expect(await alice.line.ask({ publish: { channel, data: { text: 'x' } } })).toMatchObject({ error: { code: 400 } })
  })

  test('a user outside it gets the same answer as for a conversation that is not', async () => {
    const { tenant, lunch } = await lunchOf('alice')
    const mallory = await connectAs(tenant, 'mallory')
    const send = (conversation: string) => mallory.rpc('message.send', { conversation, clientId: 'a', text: 'x' })
    expect((await send(lunch)).error).toEqual({ code: 404, message: 'no such conversation' })
    expect((await send(crypto.randomUUID())).error).toEqual({ code: 404, message: 'no such conversation' })
  })

  test('in a channel every user may read and only members write', async () => {
    const tenant = await newTenant()
    const news = await tenant.channel('editor')
    const reader = await connectAs(tenant, 'reader')
    expect(await reader.subscribe(news)).toMatchObject({ offset: 0, data: { role: null } })
    const { error } = await reader.rpc('message.send', { conversation: news, clientId: 'a', text: 'x' })
    expect(error).toMatchObject({ code: 403 })
    await reader.rpc('conversation.join', { conversation: news })
    expect(await reader.send(news, 'Hello')).toMatchObject({ seq: 2 })
    await reader.rpc('conversation.leave', { conversation: news })
    expect(await reader.isUnsubscribed(news)).toMatchObject({ code: 2100 })
  })

  test('a reply to a message that is not there yet is refused', async () => {
    const { tenant, lunch } = await lunchOf('alice')
    const alice = await connectAs(tenant, 'alice')
    const reply = { conversation: lunch, clientId: 'a', text: 'x', replyTo: 1 }
    expect((await alice.rpc('message.send', reply)).error).toMatchObject({ code: 404 })
  })
})

describe('typing', () => {
  const typingIn =
    (conversation: string) =>
    ({ push }: Heard) =>
      push?.channel === `conversation:${conversation}` && push.pub?.data['type'] === 'typing'

  test('is published again at once after the user’s message, over the socket or over HTTP, and at most every 3 s before', async () => {
    stopClock()
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const [alice, bob] = [await connectAs(tenant, 'alice'), await connectAs(tenant, 'bob')]
    await bob.subscribe(lunch)
    const type = async () => expect((await alice.rpc('conversation.typing', { conversation: lunch })).rpc).toBeDefined()
    const isTold = async () => await bob.line.next('typing', typingIn(lunch))
    await type()
    await isTold()
    await type()
    await alice.send(lunch, 'one')
    await bob.hears(lunch)
    await type()
    await isTold()
    await tenant.post(lunch, 'alice', 'two', 'a')
    await bob.hears(lunch)
    await type()
    await isTold()
    expect((await bob.line.rest()).filter(typingIn(lunch))).toEqual([])
  })
})

describe('editing and deleting', () => {
  test('an edit is an event of its own that names its message', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const [alice, bob] = [await connectAs(tenant, 'alice'), await connectAs(tenant, 'bob')]
    await bob.subscribe(lunch)
    await alice.send(lunch, 'Hungry?')
    const { rpc } = await alice.rpc('message.edit', { conversation: lunch, seq: 1, text: 'Thirsty?' })
    expect(rpc!.data).toEqual({ seq: 2, at: expect.any(Number) })
    await bob.hears(lunch)
    expect(await bob.hears(lunch)).toMatchObject({
      offset: 2,
      data: { type: 'message.edited', ref: 1, text: 'Thirsty?', user: 'alice' },
    })
  })

  test('only the author edits; the author, owners and the tenant’s server delete', async () => {
    const { tenant, lunch } = await lunchOf('owner', 'alice', 'bob')
    const [owner, alice, bob] = [
      await connectAs(tenant, 'owner'),
      await connectAs(tenant, 'alice'),
      await connectAs(tenant, 'bob'),
    ]
    for (const text of ['one', 'two', 'three']) await alice.send(lunch, text)
    const edit = { conversation: lunch, seq: 1, text: 'mine' }
    for (const other of [owner, bob]) expect((await other.rpc('message.edit', edit)).error?.code).toBe(403)
    expect((await bob.rpc('message.delete', { conversation: lunch, seq: 1 })).error?.code).toBe(403)
    expect((await alice.rpc('message.delete', { conversation: lunch, seq: 1 })).rpc).toBeDefined()
    expect((await owner.rpc('message.delete', { conversation: lunch, seq: 2 })).rpc).toBeDefined()
    const stranger = await connectAs(tenant, 'stranger')
    expect((await stranger.rpc('message.delete', { conversation: lunch, seq: 3 })).error?.code).toBe(404)
  })

  test('a deleted message, an entry of another type or a seq without an entry cannot be changed', async () => {
    const { tenant, lunch } = await lunchOf('alice')
    const alice = await connectAs(tenant, 'alice')
    await alice.send(lunch, 'Hungry?')
    const { rpc } = await alice.rpc('message.delete', { conversation: lunch, seq: 1 })
    for (const seq of [1, 2, 99])
      expect((await alice.rpc('message.edit', { conversation: lunch, seq, text: 'x' })).error?.code).toBe(404)
    for (const seq of [2, 99])
      expect((await alice.rpc('message.delete', { conversation: lunch, seq })).error?.code).toBe(404)
    // Who deleted it hears once more that it is gone, and when.
    expect((await alice.rpc('message.delete', { conversation: lunch, seq: 1 })).rpc).toEqual(rpc)
  })

  test('the words of a deleted message are gone: from memory, from disk and for those who come back', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const alice = await connectAs(tenant, 'alice')
    await alice.send(lunch, 'my secret')
    await alice.rpc('message.edit', { conversation: lunch, seq: 1, text: 'my other secret' })
    await alice.rpc('message.delete', { conversation: lunch, seq: 1 })
    const bob = await connectAs(tenant, 'bob')
    const told = async () => JSON.stringify(await bob.recover(lunch, { offset: 0 }))
    const warm = await told()
    expect(warm).toContain('"deleted":true')
    expect(warm).not.toContain('secret')
    await bob.line.ask({ unsubscribe: { channel: `conversation:${lunch}` } })
    await putToSleep(tenant.actorOf(lunch))
    expect(await told()).not.toContain('secret')
  })
})
