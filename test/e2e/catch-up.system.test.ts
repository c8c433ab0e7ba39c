import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { setTimeout as pause } from 'node:timers/promises'
import { makeGroup, Person, toHeard, type Listener } from '../support/e2e/people.ts'
import { System } from '../support/e2e/system.ts'
import { TcpProxy } from '../support/e2e/tcp-proxy.ts'
import { until } from '../support/e2e/until.ts'

let system: System
/** Between bob and the server. */
let network: TcpProxy
let alice: Person
const people: Person[] = []

beforeAll(async () => {
  system = await System.start()
  network = await TcpProxy.before(system.port)
  alice = await new Person(system, 'alice').connect()
})

afterEach(() => {
  network.set('pass')
  for (const person of people.splice(0)) person.leave()
})

afterAll(async () => {
  alice.leave()
  await network.stop()
  system.abandon()
})

const shakySocket = () => `ws://127.0.0.1:${network.port}/connection/websocket`

function somebody(name: string, options: ConstructorParameters<typeof Person>[2] = {}): Person {
  const person = new Person(system, name, options)
  people.push(person)
  return person
}

/** Bob behind the shaky network, listening to a conversation with alice. */
async function bobListens(options: ConstructorParameters<typeof Person>[2] = {}) {
  const group = await makeGroup(system, ['alice', 'bob'])
  const bob = await somebody('bob', { socketUrl: shakySocket(), ...options }).connect()
  const listener = await bob.listen(group).ready()
  return { group, bob, listener }
}

async function say(group: string, count: number, from = 1): Promise<void> {
  for (let start = from; start < from + count; start += 50) {
    const batch = Array.from({ length: Math.min(50, from + count - start) }, (_, n) => start + n)
    await Promise.all(batch.map((n) => alice.send(group, `m${n}`, `message ${n}`)))
  }
}

const numbers = (to: number, from = 1) => Array.from({ length: to - from + 1 }, (_, n) => from + n)

const rejoined = (listener: Listener, times = 2) =>
  until('it is subscribed again', () => listener.joins.length >= times)

describe('after the network was cut', () => {
  test.each([1, 40, 499])('%i missed messages come along with the new subscription, in order', async (missed) => {
    const { group, listener } = await bobListens()
    await say(group, 3)
    await listener.reach(3)
    network.set('refuse')
    await say(group, missed, 4)
    network.set('pass')
    await listener.reach(3 + missed)
    expect(listener.joins.at(-1)).toMatchObject({ wasRecovering: true, recovered: true })
    await say(group, 1, 4 + missed)
    await listener.reach(4 + missed)
    expect(listener.seqs).toEqual(numbers(4 + missed))
  })

  test('5,000 missed are more than come along, which the reply says, and history has every one of them', async () => {
    const { group, bob, listener } = await bobListens()
    await say(group, 3)
    await listener.reach(3)
    network.set('refuse')
    await say(group, 5000, 4)
    network.set('pass')
    await rejoined(listener)
    expect(listener.joins[1]).toEqual({ wasRecovering: true, recovered: false, offset: 5003 })
    await say(group, 1, 5004)
    await listener.reach(5004)
    expect(listener.seqs).toEqual([1, 2, 3, 5004])

    const missing: number[] = []
    for (let offset = 3; offset < 5003; offset = missing.at(-1) ?? Infinity) {
      const since = { offset, epoch: '' }
      const { publications } = await bob.client.history(`conversation:${group}`, { limit: 300, since })
      missing.push(...publications.map((publication) => toHeard(publication).seq))
    }
    expect(missing.filter((seq) => seq <= 5003)).toEqual(numbers(5003, 4))
  })

  test('many cuts in a lively conversation leave no gap and no double', async () => {
    const { group, listener } = await bobListens()
    const end = new AbortController()
    let said = 0
    const talk = (async () => {
      while (!end.signal.aborted) await say(group, 5, (said += 5) - 4)
    })()
    for (let times = 2; times <= 6; times++) {
      network.cut()
      await rejoined(listener, times)
      const goal = said
      await listener.reach(goal)
    }
    end.abort()
    await talk
    await listener.reach(said)
    expect(listener.seqs).toEqual(numbers(said))
  })

  test.each([1, 40, 700])('a cut %i bytes into a frame does not matter', async (bytes) => {
    const { group, listener } = await bobListens()
    network.cutAfter(bytes)
    await alice.send(group, 'long', 'x'.repeat(1000))
    await alice.send(group, 'short', 'y')
    await listener.reach(2)
    expect(listener.heard.map(({ text }) => text.length)).toEqual([1000, 1])
    expect(listener.joins.length).toBe(2)
  })

  test('a line that is dead without a word: what was sent into it and what was missed come once', async () => {
    const { group, bob, listener } = await bobListens({ timeout: 500 })
    network.set('blackhole')
    await say(group, 5)
    await expect(bob.send(group, 'into the hole', 'hello?')).rejects.toMatchObject({ code: 1 })
    network.cut()
    network.set('pass')
    await listener.reach(5)
    // Half a second is short for an answer: no client gives up before one, and then sends it once more.
    for (const _ of [1, 2]) await until('it is taken', () => bob.send(group, 'into the hole', 'hello?'))
    await listener.reach(6)
    await say(group, 1, 6)
    await listener.reach(7)
    expect(listener.seqs).toEqual(numbers(7))
  })

  test('an answer that was lost: the message is there once, and its repeat says so', async () => {
    const { group, bob, listener } = await bobListens({ timeout: 500 })
    network.set('mute')
    await expect(bob.send(group, 'lost answer', 'heard me?')).rejects.toMatchObject({ code: 1 })
    // What is cut off before the server read it never arrived.
    const arrived = async () =>
      (await alice.client.history(`conversation:${group}`, { limit: 1 })).publications.length > 0
    await until('it has arrived', arrived)
    network.cut()
    network.set('pass')
    await rejoined(listener)
    const again = await until('it is answered', () => bob.send(group, 'lost answer', 'heard me?'))
    expect(again).toMatchObject({ seq: 1, duplicate: true })
    await listener.reach(1)
    expect(listener.seqs).toEqual([1])
  })

  test('the inbox is brought up to date as well', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const bob = somebody('bob', { socketUrl: shakySocket() })
    const news: unknown[] = []
    bob.client.on('publication', ({ channel, data }) => channel === 'user:#bob' && news.push(data))
    await bob.connect()
    network.set('refuse')
    await say(group, 7)
    await until('the list has it', async () => JSON.stringify(await alice.rpc('inbox.list', {})).includes('message 7'))
    network.set('pass')
    await until('bob is told', () =>
      JSON.stringify(news.at(-1) ?? '').includes(`"conversation":"${group}","last":7,"read":0,"unread":7`),
    )
  })
})

describe('tabs', () => {
  test('every tab of a user receives every message once, also those that another tab sends', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const tabs = await Promise.all([1, 2, 3].map(() => somebody('bob').connect()))
    const listeners = await Promise.all(tabs.map((tab) => tab.listen(group).ready()))
    await say(group, 3)
    await tabs[1]?.send(group, 'mine', 'from the second tab')
    tabs[0]?.leave()
    await say(group, 3, 4)
    await Promise.all(listeners.slice(1).map((listener) => listener.reach(7)))
    for (const listener of listeners.slice(1)) expect(listener.seqs).toEqual(numbers(7))
    expect(listeners[0]?.seqs).toEqual(numbers(listeners[0]?.seqs.length ?? 0))
  })

  test('a subscription made before connecting works once connected', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    const bob = somebody('bob')
    const listener = bob.listen(group)
    await bob.connect()
    await listener.ready()
    await say(group, 1)
    await listener.reach(1)
    expect(listener.states).toEqual(['subscribing', 'subscribed'])
  })
})

describe('tokens', () => {
  test('one that ends soon is renewed by the SDK, without a break in the connection', async () => {
    const group = await makeGroup(system, ['alice', 'bob'])
    let renewals = 0
    const bob = somebody('bob', {
      getToken: async () => {
        renewals++
        return await bobsServer.token(6)
      },
    })
    const bobsServer = new Person(system, 'bob')
    const listener = bob.listen(group)
    const states: string[] = []
    bob.client.on('state', ({ newState }) => states.push(newState))
    await bob.connect()
    await until('it was renewed twice', () => renewals >= 3)
    await say(group, 1)
    await listener.reach(1)
    expect(states).toEqual(['connecting', 'connected'])
    expect(listener.joins.length).toBe(1)
  })

  test('one that has expired is replaced by a new one before connecting', async () => {
    const expired = await expiredToken()
    let asked = 0
    const bob = somebody('bob', {
      token: expired,
      getToken: async () => {
        asked++
        return await new Person(system, 'bob').token()
      },
    })
    await bob.connect()
    expect(asked).toBe(1)
  })

  test('without a new one an expired token ends the attempt, for good', async () => {
    const bob = somebody('bob', { token: await expiredToken(), getToken: null })
    const ended = new Promise<number>((resolve) => bob.client.once('disconnected', ({ code }) => resolve(code)))
    bob.client.connect()
    expect(await ended).toBe(1)
  })

  async function expiredToken(): Promise<string> {
    const token = await new Person(system, 'bob').token(1)
    await pause(2100)
    return token
  }
})
