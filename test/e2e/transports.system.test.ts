import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { UnauthorizedError, type Centrifuge, type Options, type Subscription } from 'centrifuge'
import { UnauthorizedError as UnauthorizedInProtobuf } from 'centrifuge/build/protobuf'
import { z } from 'zod'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { makeGroup, Person } from '../support/e2e/people.ts'
import { System } from '../support/e2e/system.ts'
import { TcpProxy } from '../support/e2e/tcp-proxy.ts'
import { until } from '../support/e2e/until.ts'
import { clientBy, fromData, toData, ways, type Way } from '../support/e2e/ways.ts'

let system: System
/** Between those who are tested and the server. */
let network: TcpProxy
let bob: Person
/** A token that is good for a second, and since when. */
let expired: { readonly token: string; readonly since: number }
const clients: Centrifuge[] = []

beforeAll(async () => {
  system = await System.start()
  network = await TcpProxy.before(system.port)
  bob = await new Person(system, 'bob').connect()
  expired = { token: await new Person(system, 'alice').token(1), since: performance.now() }
})

afterEach(() => {
  network.set('pass')
  for (const client of clients.splice(0)) client.disconnect()
})

afterAll(async () => {
  bob.leave()
  await network.stop()
  system.abandon()
})

const tokenOf = (name: string) => new Person(system, name).token()

function alice(way: Way, options: Partial<Options> = {}): Centrifuge {
  const url = `http://127.0.0.1:${network.port}`
  const client = clientBy(way, url, { getToken: () => tokenOf('alice'), ...options })
  clients.push(client)
  return client
}

async function connected(way: Way, options: Partial<Options> = {}): Promise<Centrifuge> {
  const client = alice(way, options)
  client.connect()
  await client.ready(60_000)
  return client
}

const message = z.object({ text: z.string() })

/** Everything numbered a subscription heard, in order. */
function record(subscription: Subscription): string[] {
  const heard: string[] = []
  subscription.on('publication', ({ offset, data }) => {
    const { success, data: said } = message.safeParse(fromData(data))
    if (success && offset !== undefined) heard.push(`${offset} ${said.text}`)
  })
  return heard
}

const send = async (client: Centrifuge, way: Way, conversation: string, text: string): Promise<unknown> =>
  fromData((await client.rpc('message.send', toData(way, { conversation, clientId: text, text }))).data)

const channelOf = (conversation: string) => `conversation:${conversation}`

/** How many connections bob sees in a conversation. */
async function crowd(conversation: string): Promise<number> {
  return (await bob.client.presenceStats(channelOf(conversation))).numClients
}

describe.each(ways)('by $name', (way) => {
  test('one connects and disconnects, over and over', async () => {
    const client = alice(way)
    const states: string[] = []
    client.on('connected', ({ transport }) => states.push(transport))
    client.on('disconnected', ({ code }) => states.push(`${code}`))
    for (let time = 1; time <= 10; time++) {
      client.connect()
      await client.ready(60_000)
      client.disconnect()
    }
    expect(states).toEqual(Array.from({ length: 10 }, () => [way.transport, '0']).flat())
  })

  test('an rpc called before the connection is there waits for it', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const client = alice(way)
    const sent = send(client, way, group, 'Early')
    client.connect()
    expect(await sent).toMatchObject({ seq: 1, duplicate: false })
  })

  test('a client receives its own messages and those of others, and history brings them again', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const client = await connected(way)
    const subscription = client.newSubscription(channelOf(group))
    const heard = record(subscription)
    subscription.subscribe()
    await subscription.ready(60_000)
    await bob.send(group, 'b', 'Hungry? 🍜')
    await subscription.publish(toData(way, { clientId: 'a', text: 'Süß' }))
    await until('both are heard', () => heard.length === 2)
    expect(heard).toEqual(['1 Hungry? 🍜', '2 Süß'])
    const { publications } = await subscription.history({ limit: 10 })
    expect(publications.map(({ offset, data }) => `${offset} ${message.parse(fromData(data)).text}`)).toEqual(heard)
    const { clients: present } = await subscription.presence()
    expect(Object.values(present).map(({ user }) => user)).toEqual(['alice'])
  })

  test('a refusal is given by its code', async () => {
    const client = await connected(way)
    await expect(client.rpc('message.sing', toData(way, {}))).rejects.toMatchObject({ code: 104 })
    await expect(send(client, way, 'nowhere', 'x')).rejects.toMatchObject({ code: 404 })
  })

  test('subscriptions come and go, and soon after no subscriber is present', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const client = await connected(way)
    const subscription = client.newSubscription(channelOf(group))
    for (let time = 1; time <= 10; time++) {
      subscription.subscribe()
      await subscription.ready(60_000)
      expect(await crowd(group)).toBe(1)
      subscription.unsubscribe()
    }
    await until('no subscriber is present', async () => (await crowd(group)) === 0, 10_000)
  })

  // Well before a missing pong would tell, which takes 33 seconds.
  const goneMs = way.transport === 'websocket' ? 10_000 : 20_000
  test(`a client that disconnects is gone within ${goneMs / 1000} seconds`, async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    // Without anything in between that would tell the server at once.
    const client = clientBy(way, system.url, { getToken: () => tokenOf('alice') })
    clients.push(client)
    client.connect()
    await client.ready(60_000)
    const subscription = client.newSubscription(channelOf(group))
    subscription.subscribe()
    await subscription.ready(60_000)
    expect(await crowd(group)).toBe(1)
    client.disconnect()
    await until('no subscriber is present', async () => (await crowd(group)) === 0, goneMs)
  })

  test('after the network was cut one comes back, to exactly what was missed', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const client = await connected(way)
    const subscription = client.newSubscription(channelOf(group))
    const heard = record(subscription)
    const recoveries: boolean[] = []
    subscription.on('subscribed', ({ recovered }) => recoveries.push(recovered))
    subscription.subscribe()
    await subscription.ready(60_000)
    await bob.send(group, '1', 'one')
    await until('the first is heard', () => heard.length === 1)
    network.set('refuse')
    for (const text of ['two', 'three', 'four']) await bob.send(group, text, text)
    network.set('pass')
    await until('all is heard', () => heard.length === 4)
    await bob.send(group, 'five', 'five')
    await until('what follows is heard', () => heard.length === 5)
    expect(heard).toEqual(['1 one', '2 two', '3 three', '4 four', '5 five'])
    expect(recoveries.at(-1)).toBe(true)
  })

  test('a subscription that was left and taken up again brings what was missed', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const client = await connected(way)
    const subscription = client.newSubscription(channelOf(group))
    const heard = record(subscription)
    subscription.subscribe()
    await subscription.ready(60_000)
    subscription.unsubscribe()
    await bob.send(group, '1', 'missed')
    subscription.subscribe()
    await until('it is heard', () => heard.length === 1)
    expect(heard).toEqual(['1 missed'])
  })

  test('a token that could not be fetched is fetched again', async () => {
    let tries = 0
    const getToken = async () => {
      if (++tries <= 3) throw new Error('the app’s server is away')
      return await tokenOf('alice')
    }
    await connected(way, { getToken, token: '' })
    expect(tries).toBe(4)
  })

  test('an app that says no is not asked again', async () => {
    const No = way.format === 'json' ? UnauthorizedError : UnauthorizedInProtobuf
    const client = alice(way, { getToken: () => Promise.reject(new No('')) })
    const ended = new Promise<number>((resolve) => client.once('disconnected', ({ code }) => resolve(code)))
    client.connect()
    expect(await ended).toBe(1)
  })

  test('a forged token ends it for good', async () => {
    const client = alice(way, { getToken: null, token: 'forged' })
    const ended = new Promise<object>((resolve) => client.once('disconnected', resolve))
    client.connect()
    expect(await ended).toMatchObject({ code: 3500, reason: 'invalid token' })
    await pause(400)
    expect(client.state).toBe('disconnected')
  })

  test('an expired token is fetched anew', async () => {
    await pause(Math.max(0, 2100 - (performance.now() - expired.since)))
    await connected(way, { token: expired.token })
  })
})

describe('where no WebSocket gets through', () => {
  test.each(ways.filter(({ transport }) => transport !== 'websocket'))('the SDK falls back to: $name', async (way) => {
    const options = { getToken: () => tokenOf('alice') }
    const client = clientBy(way, system.url, options, [{ transport: 'websocket', endpoint: 'ws://127.0.0.1:9/' }])
    clients.push(client)
    const transport = new Promise<string>((resolve) =>
      client.once('connected', (context) => resolve(context.transport)),
    )
    client.connect()
    expect(await transport).toBe(way.transport)
  })
})

test('a client that opens a stream and does not read it is closed, and nothing gathers for it in the gateway', async () => {
  const group = await makeGroup(system, ['carol', 'bob'])
  // A new client: it would not retry if it were told to come more slowly.
  const socket = connect(system.port, '127.0.0.1').pause()
  const commands = [
    { id: 1, connect: { token: await tokenOf('carol') } },
    { id: 2, subscribe: { channel: channelOf(group) } },
  ]
  const body = commands.map((command) => JSON.stringify(command)).join('\n')
  socket.write(`POST /connection/http_stream HTTP/1.1\r\nHost: parley\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  await until('the slow client subscribes', async () => (await crowd(group)) === 1)
  const text = 'x'.repeat(16_000)
  let sent = 0
  const flood = async () => {
    await Promise.all(Array.from({ length: 50 }, () => bob.send(group, `${++sent}`, text)))
    return (await crowd(group)) === 0
  }
  // What the machine's own buffers take in between is not the gateway's.
  await until('the slow client is closed', flood, 25_000)
  expect(sent * text.length).toBeLessThan(32 * 1_048_576)
  socket.destroy()
})

test('when the server is killed and comes back, every client receives exactly the missed messages, whichever way', async () => {
  const group = await makeGroup(system, ['alice', 'bob'])
  const listeners = await Promise.all(
    ways.map(async (way) => {
      const subscription = (await connected(way)).newSubscription(channelOf(group))
      const heard = record(subscription)
      subscription.subscribe()
      await subscription.ready(60_000)
      return heard
    }),
  )
  await bob.send(group, 'before', 'before')
  await until('all hear it', () => listeners.every((heard) => heard.length === 1))
  await system.killWorker()
  await system.startAgain()
  await bob.client.ready(60_000)
  await bob.send(group, 'after', 'after')
  await until('all hear what follows', () => listeners.every((heard) => heard.length === 2))
  for (const heard of listeners) expect(heard).toEqual(['1 before', '2 after'])
})
