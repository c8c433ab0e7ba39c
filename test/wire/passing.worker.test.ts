import { afterEach, describe, expect, test, vi } from 'vitest'
import { pass, stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { spoken } from '../support/worker/line.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant } from '../support/worker/tenant.ts'

// What happens now and is not kept: who is here, who types, who has read.

/** As vitest.config.ts gives it to the Worker. */
const graceMs = 400
const pause = (ms: number) => scheduler.wait(ms)

afterEach(() => void vi.useRealTimers())

async function lunchOf(...users: string[]) {
  const tenant = await newTenant()
  return { tenant, lunch: await tenant.group(...users) }
}

describe('presence', () => {
  test('lists every connection that listens, on every gateway, and counts users once', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const desk = await connectAs(tenant, 'alice', { gateway: 'presence/0' })
    const phone = await connectAs(tenant, 'alice', { gateway: 'presence/1' })
    const bob = await connectAs(tenant, 'bob', { gateway: 'presence/1' })
    for (const person of [desk, phone, bob]) await person.subscribe(lunch)
    const channel = `conversation:${lunch}`
    const { presence } = await bob.line.ask({ presence: { channel } })
    expect(presence!.presence).toEqual({
      [desk.client]: { user: 'alice', client: desk.client },
      [phone.client]: { user: 'alice', client: phone.client },
      [bob.client]: { user: 'bob', client: bob.client },
    })
    expect((await bob.line.ask({ presence_stats: { channel } })).presence_stats).toEqual({
      num_clients: 3,
      num_users: 2,
    })
    phone.line.close()
    await bob.line.ask({ unsubscribe: { channel } })
    await expect
      .poll(async () => (await desk.line.ask({ presence_stats: { channel } })).presence_stats)
      .toEqual({ num_clients: 1, num_users: 1 })
  })

  test('of an anonymous connection is an object all the same; of a personal stream there is none', async () => {
    const { tenant, lunch } = await lunchOf('alice')
    const alice = await connectAs(tenant, 'alice')
    expect((await alice.line.ask({ presence: { channel: `conversation:${lunch}` } })).presence).toEqual({
      presence: {},
    })
    expect(await alice.line.ask({ presence: { channel: 'user:#alice' } })).toMatchObject({ error: { code: 108 } })
    expect(await alice.line.ask({ presence_stats: { channel: 'x:y' } })).toMatchObject({ error: { code: 102 } })
  })

  test('joins and leaves are pushed to subscribers that asked for them, and to no other', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob', 'carol')
    const curious = await connectAs(tenant, 'alice')
    const other = await connectAs(tenant, 'carol')
    await curious.subscribe(lunch, { join_leave: true })
    await other.subscribe(lunch)
    const bob = await connectAs(tenant, 'bob', { gateway: 'coming/0' })
    await bob.subscribe(lunch)
    const info = { user: 'bob', client: bob.client }
    const joined = await curious.line.next('the join', ({ push }) => push?.join?.info.user === 'bob')
    expect(joined.push!.join).toEqual({ info })
    await bob.line.ask({ unsubscribe: { channel: `conversation:${lunch}` } })
    const left = await curious.line.next('the leave', ({ push }) => push?.leave !== undefined)
    expect(left.push!.leave).toEqual({ info })
    await tenant.post(lunch, 'alice', 'marker')
    await other.hears(lunch)
    expect(await other.alsoHeard(lunch)).toEqual([])
  })

  test('one user with several devices comes once, and goes when the last has been gone for a while', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const curious = await connectAs(tenant, 'alice', { gateway: 'curious/0' })
    await curious.subscribe(lunch, { join_leave: true })
    await curious.line.next('the join of the subscriber itself', ({ push }) => push?.join?.info.user === 'alice')
    const devices = [
      await connectAs(tenant, 'bob', { gateway: 'devices/0' }),
      await connectAs(tenant, 'bob', { gateway: 'devices/0' }),
      await connectAs(tenant, 'bob', { gateway: 'devices/1' }),
    ]
    for (const device of devices) await device.subscribe(lunch)
    const [desk, tablet, phone] = devices
    const channel = `conversation:${lunch}`
    expect((await curious.line.next('the join', ({ push }) => push?.join !== undefined)).push).toEqual({
      channel,
      join: { info: { user: 'bob', client: desk!.client } },
    })
    for (const device of [desk!, phone!]) device.line.close()
    const stats = async () => (await curious.line.ask({ presence_stats: { channel } })).presence_stats?.num_clients
    await expect.poll(stats).toBe(2)
    await pause(2 * graceMs)
    expect(await curious.alsoHeard(lunch)).toEqual([])

    tablet!.line.close()
    await expect.poll(stats).toBe(1)
    const gone = await curious.line.next('the leave', ({ push }) => push?.leave !== undefined)
    expect(gone.push!.leave!.info).toEqual({ user: 'bob', client: tablet!.client })
    expect(await curious.alsoHeard(lunch)).toEqual([])
  })

  test('a user that flaps has neither gone nor come', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const curious = await connectAs(tenant, 'alice')
    await curious.subscribe(lunch, { join_leave: true })
    stopClock()
    for (let time = 0; time < 3; time++) {
      const bob = await connectAs(tenant, 'bob')
      await bob.subscribe(lunch)
      bob.line.close()
    }
    const stays = await connectAs(tenant, 'bob')
    await stays.subscribe(lunch)
    // A leave would be published now, when the timer of the conversation fires.
    pass(2 * graceMs)
    await pause(2 * graceMs)
    const moves = (await curious.alsoHeard(lunch)).filter(({ push }) => push?.join?.info.user !== 'alice')
    expect(moves.map(({ push }) => Object.keys(push!)[1])).toEqual(['join'])
  })

  test('a socket that closes has left', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const curious = await connectAs(tenant, 'alice')
    await curious.subscribe(lunch, { join_leave: true })
    const bob = await connectAs(tenant, 'bob')
    await bob.subscribe(lunch)
    bob.line.close()
    const left = await curious.line.next('the leave', ({ push }) => push?.leave !== undefined)
    expect(left.push!.leave!.info).toEqual({ user: 'bob', client: bob.client })
  })
})

describe('typing', () => {
  test('is published to the others at once, has no place, and is published again after three seconds at the earliest', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const alice = await connectAs(tenant, 'alice')
    const bob = await connectAs(tenant, 'bob', { gateway: 'typing/0' })
    for (const person of [alice, bob]) await person.subscribe(lunch)
    stopClock()
    alice.line.tell({ send: { data: { type: 'typing', conversation: lunch } } })
    expect(await bob.notices(lunch, 'typing')).toEqual({ data: { type: 'typing', user: 'alice' } })
    pass(2999)
    expect((await alice.rpc('conversation.typing', { conversation: lunch })).rpc).toEqual({ data: {} })
    await alice.send(lunch, 'marker')
    expect((await bob.hears(lunch)).offset).toBe(1)
    expect(await bob.alsoHeard(lunch)).toEqual([])
    pass(1)
    await alice.rpc('conversation.typing', { conversation: lunch })
    await bob.notices(lunch, 'typing')
    await alice.hears(lunch)
    expect(await alice.alsoHeard(lunch)).toEqual([])
  })

  test('is not kept: a member that comes back receives nothing of it', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    const alice = await connectAs(tenant, 'alice')
    await alice.rpc('conversation.typing', { conversation: lunch })
    const bob = await connectAs(tenant, 'bob')
    const { subscribe } = await bob.recover(lunch, { offset: 0 })
    expect(subscribe).toMatchObject({ recovered: true, offset: 0 })
    expect(subscribe).not.toHaveProperty('publications')
  })

  test('in a conversation of others is refused, every time', async () => {
    const { tenant, lunch } = await lunchOf('alice')
    const mallory = await connectAs(tenant, 'mallory')
    for (let time = 0; time < 2; time++)
      expect((await mallory.rpc('conversation.typing', { conversation: lunch })).error?.code).toBe(404)
  })
})

describe('reading', () => {
  test('moves the cursor forward only, never past the end, and is published to the others', async () => {
    const { tenant, lunch } = await lunchOf('alice', 'bob')
    await tenant.postMany(lunch, 'alice', 5)
    const alice = await connectAs(tenant, 'alice')
    const bob = await connectAs(tenant, 'bob', { gateway: 'reading/0' })
    await alice.subscribe(lunch)
    const read = async (seq: number) => (await bob.rpc('conversation.read', { conversation: lunch, seq })).rpc!.data
    expect(await read(3)).toEqual({ read: 3, unread: 2, mentions: 0 })
    expect(await alice.notices(lunch, 'read')).toEqual({ data: { type: 'read', user: 'bob', seq: 3 } })
    expect(await read(1)).toEqual({ read: 3, unread: 2, mentions: 0 })
    expect(await read(99)).toEqual({ read: 5, unread: 0, mentions: 0 })
    expect((await alice.notices(lunch, 'read')).data).toMatchObject({ seq: 5 })
    expect(await alice.alsoHeard(lunch)).toEqual([])
    expect(await bob.subscribe(lunch)).toMatchObject({ offset: 5, data: { read: 5 } })
    const { body } = await call(`GET /v1/conversations/${lunch}`, { as: await tenant.token('bob') })
    expect(body['read']).toBe(5)
  })
})

describe('a sender who is too fast', () => {
  test('is refused with a time to wait, others are not, and may send again after that', async () => {
    const tenant = await newTenant({ messagesPerSecond: 1, messagesBurst: 3 })
    const lunch = await tenant.group('alice', 'bob')
    const [alice, bob] = [await connectAs(tenant, 'alice'), await connectAs(tenant, 'bob')]
    stopClock()
    const refusals = []
    for (let n = 0; n < 8; n++) {
      const { error } = await alice.rpc('message.send', { conversation: lunch, clientId: `c${n}`, text: 'x' })
      if (error !== undefined) refusals.push(error)
    }
    expect(refusals).toHaveLength(5)
    expect(refusals[0]).toMatchObject({ code: 111, temporary: true, message: expect.stringMatching(/wait \d+ ms/) })
    const waits = refusals.map(({ message }) => Number(/wait (\d+) ms/.exec(message)?.[1]))
    // Protobuf's errors have no data.
    if (spoken.format === 'json') expect(refusals.map(({ data }) => data?.retryAfterMs)).toEqual(waits)
    expect(await bob.send(lunch, 'me')).toMatchObject({ duplicate: false })
    pass(waits.at(-1)! + 1)
    expect(await alice.send(lunch, 'patience')).toMatchObject({ duplicate: false })
  })

  test('and does not stop is sent away to come back later', async () => {
    const tenant = await newTenant({ messagesPerSecond: 0.01, messagesBurst: 1 })
    const lunch = await tenant.group('alice')
    const { line } = await connectAs(tenant, 'alice')
    const send = { rpc: { method: 'message.send', data: { conversation: lunch, clientId: 'a', text: 'x' } } }
    for (let n = 0; n < 110; n++) line.say(send)
    expect(await line.closed()).toEqual({ code: 3013, reason: 'too many requests' })
  })

  test('does not get around it by editing or by coming and going', async () => {
    const tenant = await newTenant({ messagesPerSecond: 0.01, messagesBurst: 2 })
    const news = await tenant.channel('alice')
    const alice = await connectAs(tenant, 'alice')
    await alice.send(news, 'one')
    const codes = []
    for (let n = 0; n < 5; n++)
      codes.push((await alice.rpc('message.edit', { conversation: news, seq: 1, text: `${n}` })).error?.code)
    expect(codes).toContain(111)
    const bob = await connectAs(tenant, 'bob')
    const moves = []
    for (let n = 0; n < 5; n++) {
      moves.push((await bob.rpc('conversation.join', { conversation: news })).error?.code)
      moves.push((await bob.rpc('conversation.leave', { conversation: news })).error?.code)
    }
    expect(moves).toContain(111)
  })
})
