import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { bucketOf, type ConversationActivity, type ActivityAnswer, type UserStates } from '../../src/events/activity.ts'
import type { StreamCall, StreamAnswer, StreamResult } from '../../src/protocol/stream.ts'
import { properties } from '../activity/recounted-conversation.ts'
import { Device, type Place } from './device.ts'
import { tenant, tokenMaker } from './neighbours.ts'
import { Setting } from './setting.ts'
import type { Pub, Subscribed } from './wire.ts'

const gateway = 'eu/0'

/** Where a conversation stands after `last` messages of a user that is not here. */
const activity = (conversation: string, last: number): ConversationActivity => ({
  ...properties,
  conversation,
  last,
  number: last,
  states: [],
  statesAfter: 0,
  changes: [],
  changesAfter: 0,
})

/** A real gateway; inboxes, conversations and the Activity actor answer what the test says, as late as it says. */
class Scene {
  readonly setting: Setting
  readonly token: (user: string, expiresAt: number) => string
  /** The conversations of each user. */
  readonly lists = new Map<string, readonly string[]>()
  /** What an inbox says that a user has missed; undefined: too much. */
  missed: readonly string[] | undefined = []
  /** Milliseconds that the Activity actor, and each conversation, take to answer; Infinity: they fail. */
  listenMs = 0
  readonly askedMs = new Map<string, number>()
  readonly tops = new Map<string, number>()
  /** Calls, in their order. */
  readonly listened: (readonly number[])[] = []
  readonly asked: { readonly conversation: string; readonly users: readonly string[] }[] = []
  readonly changesAsked: string[] = []
  /** What each device heard of its inbox. */
  readonly heard = new Map<string, Pub['data'][]>()
  readonly replies: { readonly user: string; readonly result: Subscribed }[] = []

  static async open(): Promise<Scene> {
    const box: { scene?: Scene } = {}
    const scene = () => box.scene!
    class Named {
      readonly name: string
      constructor(ctx: { readonly id: { readonly name: string } }) {
        this.name = ctx.id.name.slice(tenant.length + 1)
      }
    }
    class Inbox extends Named {
      execute = ({ commands }: StreamCall): StreamAnswer => scene().answer(this.name, commands)
      changes = (since: number) => {
        scene().changesAsked.push(`${this.name} ${since}`)
        return scene().missed
      }
    }
    class Activity extends Named {
      listen = async (_: string, buckets: readonly number[]) => {
        scene().listened.push(buckets)
        await scene().wait(scene().listenMs)
      }
    }
    class Conversation extends Named {
      readStates = async (users: readonly string[]): Promise<UserStates> => {
        scene().asked.push({ conversation: this.name, users })
        const last = scene().tops.get(this.name) ?? 0
        const answer = scene().statesAt(this.name, last, users)
        await scene().wait(scene().askedMs.get(this.name) ?? 0)
        return answer
      }
    }
    const setting = await Setting.of(1, { faults: 0, weather: {} }, () => ({}), {})
    Object.assign(setting.world.classes, { Inbox, Activity, Conversation })
    box.scene = new Scene(setting, tokenMaker(tenant, await setting.admit(tenant)))
    return box.scene
  }

  private constructor(setting: Setting, token: (user: string, expiresAt: number) => string) {
    this.setting = setting
    this.token = token
  }

  async wait(ms: number): Promise<void> {
    if (ms === Infinity) throw new Error('it fails')
    await new Promise<void>((done) => this.setting.world.after(ms, done))
  }

  answer(user: string, commands: StreamCall['commands']): StreamAnswer {
    const buckets = [...new Set((this.lists.get(user) ?? []).map(bucketOf))].sort((a, b) => a - b)
    const results = commands.map((command): StreamResult => {
      if (command.kind !== 'subscribe') return { kind: 'done', data: '{}' }
      const { since } = command
      const recovery = {
        offset: since?.offset ?? 7,
        wasRecovering: since !== undefined,
        recovered: since !== undefined,
      }
      return { kind: 'subscribed', epoch: 'e', top: 7, ...recovery, publications: [], data: '{}', buckets }
    })
    return { update: { epoch: 'e', after: 7, publications: [], events: [] }, behind: false, results }
  }

  /** Each user of the conversation has read nothing. */
  statesAt(conversation: string, last: number, users: readonly string[]): UserStates {
    const members = users.filter((user) => this.lists.get(user)?.includes(conversation) === true)
    const state = { last, number: last, read: 0, unread: last, mentions: 0 }
    return { activity: activity(conversation, last), states: members.map((user) => ({ user, ...state })) }
  }

  /** A user connects. Resolves when the connect is answered. */
  async connect(user: string, conversations: readonly string[], place?: Place): Promise<Device> {
    this.lists.set(user, conversations)
    const device = this.begin(user, place)
    await this.setting.until(`${user} is connected`, () => device.isOpen)
    return device
  }

  begin(user: string, place?: Place): Device {
    const heard: Pub['data'][] = []
    this.heard.set(user, heard)
    const told = {
      joined: (_: string, result: Subscribed) => void this.replies.push({ user, result }),
      heard: (_: string, { data }: Pub) => void heard.push(data),
    }
    const { world } = this.setting
    const device = new Device({ world, user, gateway, channels: [], token: this.token, told })
    if (place !== undefined) device.places.set(`user:#${user}`, place)
    device.come()
    return device
  }

  async update(conversation: string, last: number): Promise<ActivityAnswer> {
    this.tops.set(conversation, last)
    const answer = await this.setting.call('Gateway', gateway, 'activityNews', tenant, [activity(conversation, last)])
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is the gateway's own answer
    return answer as ActivityAnswer
  }

  async publish(user: string, publications: readonly string[], events: readonly object[]): Promise<void> {
    const all = publications.map((data, index) => ({ offset: 8 + index, data }))
    const update = { tenant, channel: `user:#${user}`, epoch: 'e', after: 7, publications: all, events }
    await this.setting.call('Gateway', gateway, 'publish', update)
  }

  sleep(): void {
    this.setting.world.host('Gateway', gateway).sleep()
  }

  get sleeps(): number {
    return this.setting.world.host('Gateway', gateway).sleeps
  }

  countsOf(user: string): unknown[] {
    return (this.heard.get(user) ?? []).map(({ conversation, last, unread }) => [conversation, last, unread])
  }
}

let open: Scene | undefined
const newScene = async (): Promise<Scene> => (open = await Scene.open())
afterEach(() => open?.setting.close())

describe('a gateway publishes unread counts to its users', () => {
  test('of their own conversations, and asks for their states once, in one call', async () => {
    const scene = await newScene()
    await scene.connect('alice', ['lunch', 'dinner'])
    await scene.connect('bob', ['lunch'])
    expect(scene.listened.flat().toSorted((a, b) => a - b)).toEqual(
      [bucketOf('lunch'), bucketOf('dinner')].toSorted((a, b) => a - b),
    )
    await scene.update('lunch', 1)
    await scene.setting.pass(100)
    await scene.update('lunch', 2)
    await scene.update('lunch', 2)
    await scene.setting.pass(100)
    expect(scene.asked).toEqual([{ conversation: 'lunch', users: ['alice', 'bob'] }])
    for (const user of ['alice', 'bob'])
      expect(scene.countsOf(user)).toEqual([
        ['lunch', 1, 1],
        ['lunch', 2, 2],
      ])
  })

  test('and gives up a bucket that no session has, but listens again for a user that returns', async () => {
    const scene = await newScene()
    await scene.connect('bob', ['dinner'])
    const alice = await scene.connect('alice', ['lunch'])
    alice.leave()
    await scene.setting.pass(100)
    expect(await scene.update('lunch', 1)).toEqual({ isListening: true, unwanted: [bucketOf('lunch')] })
    await scene.connect('alice', ['lunch'])
    expect(scene.listened.at(-1)).toEqual([bucketOf('lunch')])
    expect(await scene.update('lunch', 2)).toEqual({ isListening: true, unwanted: [] })
  })

  test('and says that it need not be called when it has no session of the tenant', async () => {
    const scene = await newScene()
    const alice = await scene.connect('alice', ['lunch'])
    alice.leave()
    await scene.setting.pass(100)
    expect(await scene.update('lunch', 1)).toEqual({ isListening: false, unwanted: [] })
  })

  test('a bucket given up while the call for it is under way is asked for again by the next user', async () => {
    const scene = await newScene()
    await scene.connect('bob', ['dinner'])
    scene.listenMs = 500
    scene.lists.set('alice', ['lunch'])
    const alice = scene.begin('alice')
    await scene.setting.until('the call is under way', () => scene.listened.length === 2)
    alice.leave()
    await scene.setting.pass(100)
    expect(scene.listened).toHaveLength(2)
    expect(await scene.update('lunch', 1)).toMatchObject({ unwanted: [bucketOf('lunch')] })
    await scene.setting.pass(1000)
    const calls = scene.listened.length
    await scene.connect('alice', ['lunch'])
    expect(scene.listened.slice(calls)).toEqual([[bucketOf('lunch')]])
  })

  test('in calls of 1,000 users where very many have the conversation', async () => {
    const scene = await newScene()
    const users = Array.from({ length: 2300 }, (_, n) => `user-${n}`)
    for (const user of users) {
      scene.lists.set(user, ['lunch'])
      scene.begin(user)
    }
    await scene.setting.until('all are connected', () => scene.replies.length === users.length)
    await scene.update('lunch', 1)
    await scene.setting.pass(1000)
    await scene.update('lunch', 2)
    await scene.setting.pass(1000)
    expect(scene.asked.map((call) => call.users.length)).toEqual([1000, 1000, 300])
    for (const user of users) expect(scene.countsOf(user).at(-1)).toEqual(['lunch', 2, 2])
    expect(scene.listened).toEqual([[bucketOf('lunch')]])
  })
})

describe('after sleep', () => {
  test("a session's buckets come back from its socket: it is notified of its conversations, and others are unwanted", async () => {
    const scene = await newScene()
    await scene.connect('alice', ['lunch', 'dinner'])
    await scene.setting.pass(1000)
    scene.sleep()
    expect(scene.sleeps).toBe(1)
    expect(await scene.update('breakfast', 1)).toEqual({ isListening: true, unwanted: [bucketOf('breakfast')] })
    expect(await scene.update('lunch', 3)).toEqual({ isListening: true, unwanted: [] })
    await scene.setting.pass(100)
    expect(scene.countsOf('alice')).toEqual([['lunch', 3, 3]])
    // They were listened to before: another user with them costs no call.
    const calls = scene.listened.length
    await scene.connect('bob', ['lunch'])
    expect(scene.listened).toHaveLength(calls)
  })

  test('a session of before gateways kept buckets is notified of its conversations, and of what changed meanwhile', async () => {
    const scene = await newScene()
    await scene.connect('alice', ['lunch'])
    await scene.setting.pass(1000)
    for (const socket of scene.setting.world.host('Gateway', gateway).sockets) {
      const { buckets: _, ...before } = z.looseObject({}).parse(socket.deserializeAttachment())
      socket.serializeAttachment(before)
    }
    scene.missed = ['{"type":"unread","conversation":"lunch","last":2,"read":0,"unread":2,"mentions":0}']
    scene.sleep()
    await scene.update('breakfast', 1)
    await scene.setting.pass(1000)
    expect(scene.countsOf('alice')).toEqual([['lunch', 2, 2]])
    expect(await scene.update('lunch', 3)).toEqual({ isListening: true, unwanted: [] })
    await scene.setting.pass(100)
    expect(scene.countsOf('alice').at(-1)).toEqual(['lunch', 3, 3])
  })

  test('so do those of 10,000 conversations', async () => {
    const scene = await newScene()
    const many = Array.from({ length: 10_000 }, (_, n) => `conversation-${n}`)
    await scene.connect('alice', many)
    await scene.setting.pass(1000)
    scene.sleep()
    expect(await scene.update('conversation-9999', 1)).toMatchObject({ unwanted: [] })
    const foreign = Array.from({ length: 100 }, (_, n) => `other-${n}`)
    const own = new Set(many.map(bucketOf))
    for (const other of foreign)
      expect((await scene.update(other, 1)).unwanted).toEqual(own.has(bucketOf(other)) ? [] : [bucketOf(other)])
  })

  test('a session with a socket too full for its buckets is notified of its conversations all the same', async () => {
    const scene = await newScene()
    const many = Array.from({ length: 10_000 }, (_, n) => `conversation-${n}`)
    const alice = await scene.connect('alice', many)
    await scene.setting.pass(100)
    for (let n = 0; n < 100; n++) alice.ask({ subscribe: { channel: `t${n}${'x'.repeat(60)}` } }, () => undefined)
    await scene.setting.pass(1000)
    scene.sleep()
    expect(scene.sleeps).toBe(1)
    expect(await scene.update('conversation-9999', 4)).toMatchObject({ unwanted: [] })
    expect(await scene.update('foreign', 1)).toMatchObject({ unwanted: [] })
    await scene.setting.pass(100)
    expect(scene.countsOf('alice')).toEqual([['conversation-9999', 4, 4]])
    // A user that connects again brings them back.
    await scene.connect('alice', ['lunch'])
    expect(await scene.update('strange', 1)).toMatchObject({ unwanted: [bucketOf('strange')] })
  })
})

describe('while others are slow or gone', () => {
  test('a connect is answered after two seconds although no call to the Activity actor arrives, and the user is sent later what it missed', async () => {
    const scene = await newScene()
    scene.listenMs = Infinity
    const begun = scene.setting.world.now
    scene.missed = [JSON.stringify({ type: 'unread', conversation: 'lunch', last: 5, unread: 5 })]
    await scene.connect('alice', ['lunch'])
    const took = scene.setting.world.now - begun
    expect([took >= 2000, took < 2500]).toEqual([true, true])
    // The next one does not wait for what is known to fail.
    const again = scene.setting.world.now
    await scene.connect('bob', ['lunch'])
    expect(scene.setting.world.now - again).toBeLessThan(500)
    expect(scene.changesAsked).toEqual([])
    scene.listenMs = 0
    await scene.setting.pass(10_000)
    expect(scene.changesAsked.map((each) => each.split(' ')[0]).toSorted()).toEqual(['alice', 'bob'])
    for (const user of ['alice', 'bob']) expect(scene.countsOf(user)).toEqual([['lunch', 5, 5]])
  })

  test('the connects of a moment are one call', async () => {
    const scene = await newScene()
    scene.listenMs = 50
    for (let n = 0; n < 40; n++) {
      scene.lists.set(`user-${n}`, [`conversation-${n}`])
      scene.begin(`user-${n}`)
    }
    await scene.setting.until('all are connected', () => scene.replies.length === 40)
    expect(scene.listened.length).toBeLessThan(5)
    expect(new Set(scene.listened.flat()).size).toBe(40)
  })

  test('a slow conversation delays no other, and what is new meanwhile is one more call at most', async () => {
    const scene = await newScene()
    await scene.connect('alice', ['lunch', 'dinner'])
    scene.askedMs.set('lunch', 3000)
    await scene.update('lunch', 1)
    await scene.setting.pass(100)
    for (let last = 2; last < 6; last++) await scene.update('lunch', last)
    await scene.update('dinner', 1)
    await scene.setting.pass(100)
    expect(scene.countsOf('alice')).toEqual([['dinner', 1, 1]])
    await scene.setting.pass(10_000)
    expect(scene.countsOf('alice').at(-1)).toEqual(['lunch', 5, 5])
    expect(scene.asked.filter(({ conversation }) => conversation === 'lunch').length).toBeLessThanOrEqual(2)
  })

  test('a conversation that fails is asked again until it answers', async () => {
    const scene = await newScene()
    await scene.connect('alice', ['lunch'])
    scene.askedMs.set('lunch', Infinity)
    await scene.update('lunch', 1)
    await scene.setting.pass(2000)
    expect(scene.countsOf('alice')).toEqual([])
    scene.askedMs.delete('lunch')
    await scene.setting.pass(5000)
    expect(scene.countsOf('alice')).toEqual([['lunch', 1, 1]])
  })

  test('a lost update is made up for: each user is sent what has changed, and states held before are asked for again', async () => {
    const scene = await newScene()
    await scene.connect('alice', ['lunch'])
    await scene.update('lunch', 1)
    await scene.setting.pass(100)
    scene.missed = [JSON.stringify({ type: 'unread', conversation: 'lunch', last: 2, unread: 2 })]
    expect(await scene.setting.call('Gateway', gateway, 'activityMissed', tenant, 123)).toBe(true)
    await scene.setting.pass(100)
    expect(scene.changesAsked).toEqual(['alice 123'])
    await scene.update('lunch', 3)
    await scene.setting.pass(100)
    expect(scene.asked).toHaveLength(2)
    expect(scene.countsOf('alice').map((each) => String(each))).toEqual(['lunch,1,1', 'lunch,2,2', 'lunch,3,3'])
    expect(await scene.setting.call('Gateway', gateway, 'activityMissed', 'another', 123)).toBe(false)
  })
})

describe('a client that returns with a position', () => {
  const place = { offset: 5, epoch: 'e' }

  test('is sent what has changed since, after the reply to its connect', async () => {
    const scene = await newScene()
    scene.missed = [JSON.stringify({ type: 'unread', conversation: 'lunch', last: 2, unread: 2 })]
    await scene.connect('alice', ['lunch'], place)
    await scene.setting.pass(100)
    expect(scene.changesAsked).toEqual(['alice 5'])
    expect(scene.replies[0]?.result).toMatchObject({ recovered: true, offset: 5 })
    expect(scene.countsOf('alice')).toEqual([['lunch', 2, 2]])
  })

  test('has not recovered when too much has changed', async () => {
    const scene = await newScene()
    scene.missed = undefined
    await scene.connect('alice', ['lunch'], place)
    expect(scene.replies[0]?.result).toMatchObject({
      recovered: false,
      offset: expect.closeTo(scene.setting.world.now, -4),
    })
  })
})

describe('a user whose inbox', () => {
  const entry = (conversation: string) => JSON.stringify({ type: 'unread', conversation, last: 3, unread: 0 })

  test('lists a further conversation is sent its current state, also where the event that says so was lost', async () => {
    for (const events of [[{ kind: 'listed', conversation: 'dinner' }], []]) {
      const scene = await newScene()
      await scene.connect('alice', ['lunch'])
      scene.lists.set('alice', ['lunch', 'dinner'])
      scene.tops.set('dinner', 4)
      await scene.publish('alice', [entry('dinner')], events)
      await scene.setting.pass(100)
      expect(scene.listened.at(-1)).toEqual([bucketOf('dinner')])
      expect(scene.countsOf('alice')).toEqual([
        ['dinner', 3, 0],
        ['dinner', 4, 4],
      ])
      scene.sleep()
      expect(await scene.update('dinner', 5)).toMatchObject({ unwanted: [] })
      scene.setting.close()
    }
  })

  test('removed a conversation is sent no more of it', async () => {
    const scene = await newScene()
    await scene.connect('alice', ['lunch'])
    await scene.update('lunch', 1)
    await scene.setting.pass(100)
    scene.lists.set('alice', [])
    await scene.publish('alice', [JSON.stringify({ type: 'removed', conversation: 'lunch' })], [])
    await scene.update('lunch', 2)
    await scene.setting.pass(100)
    expect(scene.countsOf('alice')).toEqual([
      ['lunch', 1, 1],
      ['lunch', undefined, undefined],
    ])
  })
})
