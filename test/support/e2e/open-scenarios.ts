import { setTimeout as pause } from 'node:timers/promises'
import { SubscriptionState, type Centrifuge, type Subscription } from 'centrifuge'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { newChannel, openToken, OpenServer, record, say } from './open.ts'
import { until } from './until.ts'
import { fromData, toData, type Way } from './ways.ts'

/** The next event of that name. */
const next = <T>(of: Centrifuge | Subscription, event: string): Promise<T> =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both emit events by name, each with its own types
  new Promise((resolve) => (of as { once(name: string, hear: (context: T) => void): void }).once(event, resolve))

/** A subscription that is there. */
async function listening(client: Centrifuge, channel: string, options = {}): Promise<Subscription> {
  const subscription = client.newSubscription(channel, options)
  subscription.subscribe()
  await subscription.ready(60_000)
  return subscription
}

/**
 * What the JavaScript SDK's own suite asks of a live server, and what else people do with an open one, for each of these
 * ways to come.
 */
export function openScenarios(ways: readonly Way[]): void {
  let server: OpenServer

  beforeAll(async () => {
    server = await OpenServer.start()
  })

  afterEach(() => server.sendHome())
  afterAll(() => server.stop())

  describe.each(ways)('the open profile by $name', (way) => {
    test('lets any client in without a token, to a channel of any name', async () => {
      const client = await server.guest(way)
      const subscription = await listening(client, newChannel())
      const ended = next<{ code: number }>(subscription, 'unsubscribed')
      subscription.unsubscribe()
      expect((await ended).code).toBe(0)
      const gone = next<{ code: number }>(client, 'disconnected')
      client.disconnect()
      expect((await gone).code).toBe(0)
    })

    test('bears ten connects and disconnects in one breath', async () => {
      const client = server.client(way)
      for (let time = 0; time < 10; time++) {
        client.connect()
        client.disconnect()
      }
      expect(client.state).toBe('disconnected')
      client.connect()
      await client.ready(60_000)
    })

    test('brings a publication to its publisher, with the publisher’s name', async () => {
      const client = await server.guest(way)
      const subscription = await listening(client, newChannel())
      const heard = next<{ offset: number; info: { user: string; client: string } }>(subscription, 'publication')
      await subscription.publish(toData(way, { my: 'data' }))
      expect(await heard).toMatchObject({ offset: 1, info: { user: '', client: expect.stringMatching(/./) } })
    })

    test('answers an rpc called before the connection was there that it knows none', async () => {
      const client = server.client(way)
      const answered = client.rpc('method', toData(way, {})).catch((error: unknown) => error)
      client.connect()
      expect(await answered).toMatchObject({ code: 108 })
    })

    test('shows who is present, and soon after ten comings and goings that no client is', async () => {
      const client = await server.guest(way)
      const subscription = client.newSubscription(newChannel())
      for (let time = 0; time < 10; time++) {
        subscription.subscribe()
        subscription.unsubscribe()
      }
      subscription.subscribe()
      expect(await subscription.presenceStats()).toEqual({ numClients: 1, numUsers: 1 })
      expect(Object.values((await subscription.presence()).clients)).toMatchObject([{ user: '' }])
      subscription.unsubscribe()
      await until(
        'no client is present',
        async () => (await client.presenceStats(subscription.channel)).numClients === 0,
        10_000,
      )
      expect(Object.keys((await client.presence(subscription.channel)).clients)).toEqual([])
    })

    test('bears who unsubscribes right behind a new connect, and subscribes again', async () => {
      const client = await server.guest(way)
      const subscription = client.newSubscription(newChannel())
      subscription.subscribe()
      client.disconnect()
      client.connect()
      subscription.unsubscribe()
      subscription.subscribe()
      await subscription.ready(60_000)
    })

    // Only a WebSocket's connect is a frame one can get behind.
    test.runIf(way.transport === 'websocket')(
      'bears who unsubscribes between the connect and its reply, and subscribes again',
      async () => {
        const client = server.client(way)
        const subscription = client.newSubscription(newChannel())
        const sent = next<void>(client, '__centrifuge_debug:connect_frame_sent')
        subscription.subscribe()
        client.connect()
        await sent
        subscription.unsubscribe()
        await client.ready(60_000)
        subscription.subscribe()
        await subscription.ready(60_000)
        await say(client, way, subscription.channel, 'hello')
        expect((await subscription.history({ limit: 1 })).publications).toHaveLength(1)
      },
    )

    test('is there again when the network is', async () => {
      const networkEventTarget = new EventTarget()
      const client = server.client(way, { networkEventTarget })
      client.connect()
      await client.ready(60_000)
      const lost = next<{ code: number }>(client, 'connecting')
      networkEventTarget.dispatchEvent(new Event('offline'))
      expect((await lost).code).toBe(1)
      networkEventTarget.dispatchEvent(new Event('online'))
      await client.ready(60_000)
      client.disconnect()
      networkEventTarget.dispatchEvent(new Event('online'))
      expect(client.state).toBe('disconnected')
    })

    test.runIf(way.transport === 'websocket')(
      'comes also when the network went before the socket was open',
      async () => {
        const networkEventTarget = new EventTarget()
        const client = server.client(way, { networkEventTarget })
        const initialized = next<void>(client, '__centrifuge_debug:transport_initialized')
        client.connect()
        await initialized
        networkEventTarget.dispatchEvent(new Event('offline'))
        await client.ready(60_000)
      },
    )

    test('takes what a server publishes with the public key', async () => {
      const client = await server.guest(way)
      const subscription = await listening(client, newChannel())
      const heard = next<{ tags: object; info?: object }>(subscription, 'publication')
      const answer = await server.api('publish', { channel: subscription.channel, data: 1, tags: { k: 'v' } })
      expect(answer).toMatchObject({ result: { offset: 1, epoch: expect.any(String) } })
      expect(await heard).toMatchObject({ tags: { k: 'v' } })
    })

    test('lets an anonymous client subscribe by tokens to five channels at once', async () => {
      const client = await server.guest(way)
      const all = Array.from({ length: 5 }, () => {
        const channel = `$${newChannel()}`
        const getToken = async () => {
          await pause(Math.random() * 50)
          return await openToken({ channel, iat: 1_737_532_348 })
        }
        const subscription = client.newSubscription(channel, { getToken })
        subscription.subscribe()
        return subscription
      })
      await Promise.all(all.map((subscription) => subscription.ready(60_000)))
      for (const subscription of all) subscription.unsubscribe()
      expect(all.map(({ state }) => state)).toEqual(Array.from({ length: 5 }, () => 'unsubscribed'))
    })

    test('brings exactly what was missed while one was away, and goes on', async () => {
      const [client, other] = [await server.guest(way), await server.guest(way)]
      const subscription = await listening(client, newChannel('recovery'))
      const heard = record(subscription)
      await say(other, way, subscription.channel, 1)
      await until('the first is heard', () => heard.length === 1)
      client.disconnect()
      await say(other, way, subscription.channel, 2, 3, 4)
      const back = next<object>(subscription, 'subscribed')
      client.connect()
      expect(await back).toMatchObject({ wasRecovering: true, recovered: true })
      await say(other, way, subscription.channel, 5)
      await until('all is heard', () => heard.length === 5)
      expect(heard).toEqual([1, 2, 3, 4, 5])
    })

    test('keeps for later what a handler that unsubscribed in the middle of recovery did not take', async () => {
      const [client, other] = [await server.guest(way), await server.guest(way)]
      const subscription = await listening(client, newChannel('recovery'))
      const heard = record(subscription)
      subscription.unsubscribe()
      await say(other, way, subscription.channel, 1, 2, 3)
      subscription.once('publication', () => subscription.unsubscribe())
      subscription.subscribe()
      await until('one is heard', () => heard.length === 1 && subscription.state === SubscriptionState.Unsubscribed)
      subscription.subscribe()
      await until('all is heard', () => heard.length === 3)
      expect(heard).toEqual([1, 2, 3])
    })

    test('says when more was missed than is kept, and goes on from there', async () => {
      const [client, other] = [await server.guest(way), await server.guest(way)]
      const subscription = await listening(client, newChannel('smallhistory'))
      const heard = record(subscription)
      await say(other, way, subscription.channel, 1)
      await until('the first is heard', () => heard.length === 1)
      subscription.unsubscribe()
      await say(other, way, subscription.channel, 2, 3, 4, 5)
      const back = next<object>(subscription, 'subscribed')
      subscription.subscribe()
      expect(await back).toMatchObject({ wasRecovering: true, recovered: false })
      await say(other, way, subscription.channel, 6)
      await until('the last is heard', () => heard.length === 2)
      expect(heard).toEqual([1, 6])
    })

    test('begins at the state an app has read elsewhere, and has it read again only when that is too old', async () => {
      const [client, other] = [await server.guest(way), await server.guest(way)]
      const channel = newChannel('smallhistory')
      await say(other, way, channel, 1, 2)
      let reads = 0
      const getState = async () => {
        reads++
        if (reads === 1) throw new Error('the app’s database is away')
        const { offset, epoch } = await other.history(channel, { limit: 0 })
        return reads === 2 ? { offset: offset - 1, epoch } : { offset, epoch }
      }
      const subscription = client.newSubscription(channel, {
        getState,
        minResubscribeDelay: 20,
        maxResubscribeDelay: 50,
      })
      const heard = record(subscription)
      subscription.subscribe()
      await subscription.ready(60_000)
      await until('what came after the state is heard', () => heard.length === 1)
      expect([reads, heard]).toEqual([2, [2]])

      client.disconnect()
      await say(other, way, channel, 3)
      client.connect()
      await until('what was missed is heard', () => heard.length === 2)
      expect([reads, heard]).toEqual([2, [2, 3]])

      client.disconnect()
      await say(other, way, channel, 4, 5, 6, 7)
      const back = next(subscription, 'subscribed')
      client.connect()
      await back
      expect([reads, heard]).toEqual([3, [2, 3]])
    })

    test('asks again for a token and for data that could not be fetched, and knows the user and the user’s info', async () => {
      let tries = 0
      const away = () => {
        if (++tries % 3 !== 0) throw new Error('the app’s server is away')
      }
      const client = await server.guest(way, {
        getToken: async () => {
          away()
          return await openToken({ sub: '42', info: { name: 'Alice' } })
        },
        getData: async () => {
          away()
          return toData(way, { from: 'the app' })
        },
      })
      const subscription = await listening(client, newChannel())
      const { clients } = await subscription.presence()
      expect(Object.values(clients).map(({ user }) => user)).toEqual(['42'])
      expect(tries).toBeGreaterThanOrEqual(6)
    })

    test('ends a subscription whose token is refused, and leaves one alone whose app says no', async () => {
      const client = await server.guest(way)
      const refused = client.newSubscription(`$${newChannel()}`, { token: 'x.y.z' })
      const ended = next<object>(refused, 'unsubscribed')
      refused.subscribe()
      expect(await ended).toMatchObject({ code: 103 })
      const unwanted = client.newSubscription(`$${newChannel()}`, { getToken: async () => '' })
      const left = next<object>(unwanted, 'unsubscribed')
      unwanted.subscribe()
      expect(await left).toMatchObject({ code: 1 })
    })

    test('renews a subscription before its token’s time is over', async () => {
      const client = await server.guest(way)
      const channel = `$${newChannel()}`
      let asked = 0
      const getToken = async () => {
        asked++
        return await openToken({ channel, exp: Math.floor(Date.now() / 1000) + 6 })
      }
      const subscription = await listening(client, channel, { getToken })
      await until('the token was renewed', () => asked >= 2)
      expect(subscription.state).toBe('subscribed')
      const heard = record(subscription)
      await say(client, way, channel, 'still here')
      await until('it is heard', () => heard.length === 1)
    })

    test('subscribes a connection to what its token orders, and brings what it missed of that', async () => {
      const channel = newChannel('recovery')
      const token = await openToken({ sub: '42', channels: [channel] })
      const client = server.client(way, { token })
      const heard: unknown[] = []
      const subscribed: object[] = []
      client.on('subscribed', (context) => subscribed.push(context))
      client.on('publication', (context) => context.channel === channel && heard.push(context.offset))
      client.connect()
      await client.ready(60_000)
      expect(subscribed).toContainEqual(expect.objectContaining({ channel, recoverable: true }))
      const other = await server.guest(way)
      await say(other, way, channel, 'one')
      await until('the first is heard', () => heard.length === 1)
      client.disconnect()
      await say(other, way, channel, 'two', 'three')
      client.connect()
      await until('all is heard', () => heard.length === 3)
      expect(heard).toEqual([1, 2, 3])
    })

    test('publishes joins and leaves to subscribers that ask for them, each connection by itself', async () => {
      const [first, second] = [await server.guest(way), await server.guest(way)]
      const subscription = first.newSubscription(newChannel(), { joinLeave: true })
      const told: string[] = []
      subscription.on('join', ({ info }) => told.push(`join ${info.client}`))
      subscription.on('leave', ({ info }) => told.push(`leave ${info.client}`))
      subscription.subscribe()
      await subscription.ready(60_000)
      await until('the own join is told', () => told.length === 1)
      const theirs = await listening(second, subscription.channel)
      await until('the other’s join is told', () => told.length === 2)
      theirs.unsubscribe()
      await until('the other’s leave is told', () => told.length === 3)
      expect(told[2]).toBe(told[1]?.replace('join', 'leave'))
      expect(told[1]).not.toBe(told[0])
    })

    test('pushes joins and leaves to a subscriber that did not ask for them', async () => {
      const [first, second] = [await server.guest(way), await server.guest(way)]
      const subscription = await listening(first, newChannel())
      const pushed: string[] = []
      subscription.on('join', ({ info }) => pushed.push(`join ${info.client}`))
      subscription.on('leave', ({ info }) => pushed.push(`leave ${info.client}`))
      const other = await listening(second, subscription.channel)
      await until('the other’s join is pushed', () => pushed.some((event) => event.startsWith('join')))
      other.unsubscribe()
      await until('the other’s leave is pushed', () => pushed.some((event) => event.startsWith('leave')))
    })

    test('subscribes a user whose token names no tenant to the channel "#<user>" only, with its joins', async () => {
      const user = `user-${newChannel()}`
      const client = server.client(way, { token: await openToken({ sub: user }) })
      const subscribed: string[] = []
      const joined: string[] = []
      const received: unknown[] = []
      client.on('subscribed', ({ channel }) => subscribed.push(channel))
      client.on('join', ({ channel }) => joined.push(channel))
      client.on('publication', ({ data }) => received.push(fromData(data)))
      client.connect()
      await client.ready(60_000)
      expect(subscribed).toEqual([`#${user}`])
      await until('the own join is pushed', () => joined.length > 0)
      await say(client, way, `#${user}`, 'to me')
      await until('the publication is received', () => received.length === 1)
      expect([joined, received]).toEqual([[`#${user}`], ['to me']])
      const stream = await listening(client, `user:#${user}`)
      expect(stream.state).toBe('subscribed')
    })

    test('pages through history in both directions', async () => {
      const client = await server.guest(way)
      const channel = newChannel()
      await say(client, way, channel, 1, 2, 3, 4, 5)
      const offsets = async (options: object) => {
        const { publications, offset } = await client.history(channel, options)
        expect(offset).toBe(5)
        return publications.map((publication) => publication.offset)
      }
      const { epoch } = await client.history(channel, { limit: 0 })
      expect(await offsets({ limit: 0 })).toEqual([])
      expect(await offsets({ limit: -1 })).toEqual([1, 2, 3, 4, 5])
      expect(await offsets({ limit: 2, since: { offset: 2, epoch } })).toEqual([3, 4])
      expect(await offsets({ limit: 2, reverse: true })).toEqual([5, 4])
      expect(await offsets({ limit: 2, reverse: true, since: { offset: 4, epoch } })).toEqual([3, 2])
      await expect(client.history(channel, { limit: 2, since: { offset: 2, epoch: 'other' } })).rejects.toMatchObject({
        code: 112,
      })
    })
  })
}
