import { describe, expect, test } from 'vitest'
import {
  bucketOf,
  type ActivityRow,
  type ConversationActivity,
  type ActivityAnswer,
} from '../../src/events/activity.ts'
import { actors, drained } from './globals.ts'
import { nowRuns } from './lives.ts'
import { namespace, stub } from './namespace.ts'
import { Platform } from './platform.ts'

const tenant = 'acme'
const hour = 3_600_000

interface GatewayCall {
  readonly kind: 'news' | 'missed'
  readonly conversations: readonly string[]
  readonly since?: number
}

type Behaviour = 'answers' | 'fails' | 'hangs'

/** The Activity actors of a tenant among gateways that behave as the test says. */
class Scene {
  readonly #world = new Platform(1)
  readonly calls = new Map<string, GatewayCall[]>()
  behaviour: Behaviour = 'answers'
  answer: ActivityAnswer = { isListening: true, unwanted: [] }
  /** Conversations that were asked whether they exist, those that do not, and those that do not answer. */
  readonly asked: string[] = []
  readonly gone = new Set<string>()
  readonly broken = new Set<string>()
  #held: Promise<void> | undefined

  static async open(number = 1): Promise<Scene> {
    const scene = new Scene()
    nowRuns(scene.#world)
    const { Activity } = await actors()
    const take = (gateway: string, call: GatewayCall) => scene.#take(gateway, call)
    class Gateway {
      readonly #name: string
      constructor({ id }: { readonly id: { readonly name: string } }) {
        this.#name = id.name
      }
      async activityNews(_: string, news: readonly ConversationActivity[]): Promise<ActivityAnswer> {
        await take(this.#name, { kind: 'news', conversations: news.map((each) => `${each.conversation}@${each.last}`) })
        return scene.answer
      }
      async activityMissed(_: string, since: number): Promise<boolean> {
        await take(this.#name, { kind: 'missed', conversations: [], since })
        return scene.answer.isListening
      }
    }
    class Conversation {
      readonly #id: string
      constructor({ id }: { readonly id: { readonly name: string } }) {
        this.#id = id.name.slice(tenant.length + 1)
      }
      readStates(): object | undefined {
        scene.asked.push(this.#id)
        if (scene.broken.has(this.#id)) throw new Error('the conversation is broken')
        return scene.gone.has(this.#id) ? undefined : {}
      }
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the platform gives every actor a state and an environment
    Object.assign(scene.#world.classes, { Activity, Gateway, Conversation })
    scene.grow(number)
    return scene
  }

  callsOf(gateway: string): readonly GatewayCall[] {
    return this.calls.get(gateway) ?? []
  }

  get now(): number {
    return this.#world.now
  }

  /** A version with so many Activity actors is deployed. */
  grow(number: number): void {
    this.#world.env = {
      ACTIVITY: namespace(this.#world, 'Activity'),
      GATEWAY: namespace(this.#world, 'Gateway'),
      CONVERSATION: namespace(this.#world, 'Conversation'),
      ACTIVITY_ACTORS: `${tenant}:${number}`,
    }
    this.loseMemory()
  }

  /** Conversations of which an actor has a row. */
  rowsOf(actor = 0): string[] {
    const { disk } = this.#world.host('Activity', `${tenant}/${actor}`)
    return disk
      .exec<{ id: string }>('SELECT id FROM conversations ORDER BY id')
      .toArray()
      .map(({ id }) => id)
  }

  /** An actor is as the version before left it, which kept the rows of deleted conversations. */
  makeOld(actor = 0): void {
    const { disk } = this.#world.host('Activity', `${tenant}/${actor}`)
    disk.exec("DELETE FROM facts WHERE name = 'sweepAt'")
    disk.endTurn()
    disk.confirm(disk.size)
    this.loseMemory()
  }

  /** Every actor loses its memory, and what it had under way. */
  loseMemory(): void {
    for (const host of this.#world.hosts.values()) if (host.kind === 'Activity') host.crash(0)
  }

  async advance(conversation: string, last: number, actor = 0): Promise<void> {
    await this.call(actor, 'advance', news(conversation, last))
  }

  async listen(gateway: string, conversations: readonly string[], actor = 0): Promise<void> {
    await this.call(actor, 'listen', gateway, conversations.map(bucketOf))
  }

  /** The newest entries that an actor knows of conversations. */
  async lasts(conversations: readonly string[], actor = 0): Promise<(number | undefined)[]> {
    const listed = conversations.map((id) => [id, 1])
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what rows answers
    const rows = (await this.call(actor, 'rows', {
      kind: 'newest',
      conversations: listed,
      limit: 100,
    })) as ActivityRow[]
    return conversations.map((id) => rows.find(({ conversation }) => conversation === id)?.activity?.last)
  }

  async call(actor: number, method: string, ...given: unknown[]): Promise<unknown> {
    const called = this.begin(actor, method, ...given)
    await this.pass(10_000, () => called.isDone)
    if (called.thrown !== undefined) throw new Error(called.thrown)
    if (!called.isDone) throw new Error(`${method} was not answered`)
    return called.value
  }

  /** A call that is not waited for. */
  begin(actor: number, method: string, ...given: unknown[]) {
    const outcome: { isDone: boolean; value: unknown; thrown: string | undefined } = {
      isDone: false,
      value: undefined,
      thrown: undefined,
    }
    const called = stub(this.#world, 'Activity', `${tenant}/${actor}`)[method]?.(...given)
    void called?.then(
      (value) => Object.assign(outcome, { isDone: true, value }),
      (thrown: unknown) => Object.assign(outcome, { isDone: true, thrown: String(thrown) }),
    )
    return outcome
  }

  /** The next call of a gateway is answered when the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#held = promise
    return resolve
  }

  async pass(ms: number, isOver = () => false): Promise<void> {
    await drained()
    const until = this.now + ms
    this.#world.after(ms, () => undefined)
    await this.#world.run(() => isOver() || this.now >= until, ms + 1000)
  }

  async #take(gateway: string, call: GatewayCall): Promise<void> {
    this.calls.set(gateway, [...this.callsOf(gateway), call])
    const { behaviour } = this
    if (behaviour === 'fails') throw new Error('the gateway is broken')
    if (behaviour === 'hangs') await new Promise(() => undefined)
    const held = this.#held
    this.#held = undefined
    await held
  }
}

const news = (conversation: string, last: number): ConversationActivity => ({
  conversation,
  epoch: 'e1',
  type: 'group',
  version: 1,
  name: 'Lunch',
  members: [],
  memberCount: 2,
  last,
  number: last,
  at: last,
  preview: null,
  states: [],
  statesAfter: last - 1,
  changes: [],
  changesAfter: last - 1,
})

const newsOf = (scene: Scene, gateway = 'eu/0') => scene.callsOf(gateway).flatMap(({ conversations }) => conversations)

describe('an Activity actor', () => {
  test('calls only the gateways that listen to the bucket of a conversation, before it answers', async () => {
    const scene = await Scene.open()
    await scene.listen('eu/0', ['lunch'])
    await scene.listen('eu/1', ['tea'])
    await scene.advance('lunch', 1)
    expect(Object.fromEntries(scene.calls)).toEqual({ 'eu/0': [{ kind: 'news', conversations: ['lunch@1'] }] })
  })

  test('publishes a repeat again, since the first call may have been lost, and has one row', async () => {
    const scene = await Scene.open()
    await scene.listen('eu/0', ['lunch'])
    await scene.advance('lunch', 1)
    scene.loseMemory()
    await scene.advance('lunch', 1)
    expect(newsOf(scene)).toEqual(['lunch@1', 'lunch@1'])
    expect(await scene.lasts(['lunch', 'tea'])).toEqual([1, undefined])
  })

  test('has one call under way for each gateway: what comes meanwhile waits and is merged', async () => {
    const scene = await Scene.open()
    await scene.listen('eu/0', ['lunch', 'tea'])
    const release = scene.hold()
    const first = scene.begin(0, 'advance', news('lunch', 1))
    await scene.pass(100)
    const others = [news('lunch', 2), news('lunch', 3), news('tea', 1)].map((each) => scene.begin(0, 'advance', each))
    await scene.pass(100)
    expect(newsOf(scene)).toEqual(['lunch@1'])
    release()
    await scene.pass(100)
    expect([first, ...others].every(({ isDone }) => isDone)).toBe(true)
    expect(scene.callsOf('eu/0')).toEqual([
      { kind: 'news', conversations: ['lunch@1'] },
      { kind: 'news', conversations: ['lunch@3', 'tea@1'] },
    ])
  })

  test.each(['fails', 'hangs'] as const)(
    'answers a conversation also when a gateway %s, and sends that gateway later what it missed, also after losing its memory',
    async (behaviour) => {
      const scene = await Scene.open()
      await scene.listen('eu/0', ['lunch'])
      scene.behaviour = behaviour
      const began = scene.now
      await scene.advance('lunch', 1)
      await scene.advance('lunch', 2)
      expect(newsOf(scene)).toEqual(['lunch@1'])
      scene.loseMemory()
      scene.behaviour = 'answers'
      await scene.pass(90_000)
      const told = scene.callsOf('eu/0').filter(({ kind }) => kind === 'missed')
      expect(told).toHaveLength(1)
      expect(told[0]?.since).toBeGreaterThanOrEqual(Math.floor(began))
      expect(told[0]?.since).toBeLessThan(began + 1000)
      await scene.advance('lunch', 3)
      expect(newsOf(scene)).toEqual(['lunch@1', 'lunch@3'])
    },
  )

  test('sends what is new while a gateway is notified that it is behind after that call: it may have looked before', async () => {
    const scene = await Scene.open()
    await scene.listen('eu/0', ['lunch'])
    scene.behaviour = 'fails'
    await scene.advance('lunch', 1)
    scene.behaviour = 'answers'
    const release = scene.hold()
    await scene.pass(1500)
    expect(scene.callsOf('eu/0').map(({ kind }) => kind)).toEqual(['news', 'missed'])
    const next = scene.begin(0, 'advance', news('lunch', 2))
    await scene.pass(100)
    release()
    await scene.pass(100)
    expect(next.isDone).toBe(true)
    expect(scene.callsOf('eu/0').map(({ kind }) => kind)).toEqual(['news', 'missed', 'news'])
    expect(newsOf(scene)).toEqual(['lunch@1', 'lunch@2'])
  })

  test('notifies a gateway that is silent for hours once an hour, and sends it what it missed when it answers again', async () => {
    const scene = await Scene.open()
    await scene.listen('eu/0', ['lunch'])
    const began = scene.now
    scene.behaviour = 'fails'
    await scene.advance('lunch', 1)
    await scene.pass(hour + 120_000)
    const calls = scene.callsOf('eu/0').length
    expect(calls).toBeLessThan(100)
    await scene.pass(3 * hour)
    expect(scene.callsOf('eu/0').length - calls).toBeLessThanOrEqual(4)
    scene.behaviour = 'answers'
    await scene.advance('lunch', 2)
    await scene.pass(hour + 120_000)
    const last = scene.callsOf('eu/0').at(-1)
    expect(last).toMatchObject({ kind: 'missed' })
    expect(last?.since).toBeLessThan(began + 1000)
    await scene.advance('lunch', 3)
    expect(newsOf(scene).at(-1)).toBe('lunch@3')
  })

  test('gives a gateway up that has not answered for a day', async () => {
    const scene = await Scene.open()
    await scene.listen('eu/0', ['lunch'])
    scene.behaviour = 'fails'
    await scene.advance('lunch', 1)
    await scene.pass(26 * hour)
    const calls = scene.callsOf('eu/0').length
    expect(calls).toBeLessThan(130)
    scene.behaviour = 'answers'
    await scene.advance('lunch', 2)
    await scene.pass(3 * hour)
    expect(scene.callsOf('eu/0')).toHaveLength(calls)
  })

  test('takes the updates of many conversations at once as one call of a gateway for each 256, and the first at once', async () => {
    const scene = await Scene.open()
    const names = Array.from({ length: 1000 }, (_, n) => `conversation-${n}`)
    await scene.listen('eu/0', names)
    const begun = names.map((name) => scene.begin(0, 'advance', news(name, 1)))
    await scene.pass(1000, () => begun.every(({ isDone }) => isDone))
    expect(begun.every(({ isDone }) => isDone)).toBe(true)
    expect(scene.rowsOf()).toHaveLength(1000)
    const sizes = scene.callsOf('eu/0').map(({ conversations }) => conversations.length)
    expect(sizes.length).toBeLessThanOrEqual(8)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(500)
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(1000)

    // After quiet one update is told at once, without the 20 ms.
    scene.calls.clear()
    const asked = scene.now
    await scene.advance('lunch', 1)
    expect(scene.now - asked).toBeLessThan(20)
  })

  test('calls a gateway no more that does not want the bucket or has no session, unless it listens again meanwhile', async () => {
    const scene = await Scene.open()
    await scene.listen('eu/0', ['lunch', 'tea'])
    scene.answer = { isListening: true, unwanted: [bucketOf('lunch')] }
    await scene.advance('lunch', 1)
    scene.loseMemory()
    await scene.advance('lunch', 2)
    expect(newsOf(scene)).toEqual(['lunch@1'])

    scene.answer = { isListening: false, unwanted: [bucketOf('tea')] }
    const release = scene.hold()
    const first = scene.begin(0, 'advance', news('tea', 1))
    await scene.pass(100)
    await scene.listen('eu/0', ['tea'])
    release()
    await scene.pass(100)
    expect(first.isDone).toBe(true)
    await scene.advance('tea', 2)
    await scene.advance('tea', 3)
    expect(newsOf(scene)).toEqual(['lunch@1', 'tea@1', 'tea@2'])
  })

  test('lists the newest conversations by the later of its own time and the inbox’s, in pages', async () => {
    const scene = await Scene.open()
    const conversations = [
      ['lunch', 10],
      ['tea', 30],
      ['news', 20],
      ['old', 5],
    ] as const
    const page = async (before?: readonly [number, string]) =>
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what rows answers
      ((await scene.call(0, 'rows', { kind: 'newest', conversations, before, limit: 2 })) as ActivityRow[]).map(
        ({ conversation, at, activity }) => [conversation, at, activity?.last],
      )
    expect(await page()).toEqual([
      ['tea', 30, undefined],
      ['news', 20, undefined],
    ])
    await scene.advance('lunch', 40)
    await scene.advance('tea', 25)
    expect(await page()).toEqual([
      ['lunch', 40, 40],
      ['tea', 30, 25],
    ])
    expect(await page([30, 'tea'])).toEqual([
      ['news', 20, undefined],
      ['old', 5, undefined],
    ])
    expect(await page([20, 'news'])).toEqual([['old', 5, undefined]])
  })

  test('says what changed since a time', async () => {
    const scene = await Scene.open()
    await scene.advance('lunch', 1)
    await scene.pass(1000)
    const since = scene.now
    await scene.advance('tea', 1)
    const conversations = ['lunch', 'tea', 'never']
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what rows answers
    const rows = (await scene.call(0, 'rows', { kind: 'changed', conversations, since, limit: 10 })) as ActivityRow[]
    expect(rows.map(({ conversation }) => conversation)).toEqual(['tea'])
  })
})

describe('of deleted conversations an Activity actor', () => {
  test('keeps no row, also when a late update of one arrives, and has one again when it begins anew', async () => {
    const scene = await Scene.open()
    await scene.listen('eu/0', ['lunch'])
    await scene.advance('lunch', 1)
    await scene.advance('tea', 1)
    await scene.call(0, 'forget', { conversation: 'lunch', version: 2 })
    expect(scene.rowsOf()).toEqual(['tea'])
    scene.loseMemory()
    await scene.advance('lunch', 2)
    expect(scene.rowsOf()).toEqual(['tea'])
    expect(newsOf(scene)).toEqual(['lunch@1'])
    expect(await scene.lasts(['lunch', 'tea'])).toEqual([undefined, 1])

    const anew = { ...news('lunch', 3), epoch: 'e2', version: 3 }
    await scene.call(0, 'advance', anew)
    // A repeat of the call that said so.
    await scene.call(0, 'forget', { conversation: 'lunch', version: 2 })
    expect(scene.rowsOf()).toEqual(['lunch', 'tea'])
    expect(newsOf(scene)).toEqual(['lunch@1', 'lunch@3'])
  })

  test('removes the rows that the version before kept: 50 a minute, asking each conversation once, and never again', async () => {
    const scene = await Scene.open()
    const names = Array.from({ length: 120 }, (_, n) => `conversation-${String(n).padStart(3, '0')}`)
    for (const name of names) await scene.advance(name, 1)
    for (const name of names.slice(0, 60)) scene.gone.add(name)
    scene.broken.add(names[60] ?? '')
    scene.makeOld()
    await scene.advance(names[119] ?? '', 2)
    await scene.pass(hour)
    expect(scene.asked).toEqual([])
    // One that is in use after the deploy tells of its deletion itself.
    await scene.pass(hour + 60_000)
    await scene.advance(names[0] ?? '', 2)
    await scene.pass(2 * hour - 30_000)
    expect([scene.asked.length, scene.rowsOf().length]).toEqual([50, 70])
    await scene.pass(10 * 60_000)
    expect(scene.asked).toEqual(names.slice(1))
    expect(scene.rowsOf()).toEqual([names[0], ...names.slice(60)])
    scene.loseMemory()
    await scene.advance('lunch', 1)
    await scene.pass(6 * hour)
    expect(scene.asked).toHaveLength(119)
  })
})

/** Conversations of the actors 0 to 3, when there are four. */
const ofFour = [0, 1, 2, 3].map((number) => {
  const names = Array.from({ length: 100 }, (_, n) => `conversation${n}`)
  return names.find((name) => bucketOf(name) % 4 === number) ?? ''
})

describe('a tenant that grows from one Activity actor to four', () => {
  test('loses neither a gateway nor a row, while conversations and gateways of both versions run', async () => {
    const scene = await Scene.open()
    const [, , , third = ''] = ofFour
    await scene.listen('eu/0', ofFour)
    for (const conversation of ofFour) await scene.advance(conversation, 1)
    scene.grow(4)

    expect(await scene.lasts([third], 3)).toEqual([1])
    // A new conversation reaches an old gateway, and an old one a new gateway.
    await scene.advance(third, 2, 3)
    await scene.listen('eu/1', [third], 3)
    await scene.advance(third, 3, 0)
    expect(newsOf(scene, 'eu/0').slice(-2)).toEqual([`${third}@2`, `${third}@3`])
    expect(newsOf(scene, 'eu/1')).toEqual([`${third}@3`])
    expect(await scene.lasts([third], 3)).toEqual([3])
    for (const [number, conversation] of ofFour.entries()) await scene.advance(conversation, 4, number)

    await scene.pass(2 * hour + 120_000)
    scene.calls.clear()
    for (const [number, conversation] of ofFour.entries()) {
      expect(await scene.lasts([conversation], number)).toEqual([4])
      await scene.advance(conversation, 5, number)
    }
    expect(newsOf(scene, 'eu/0')).toEqual(ofFour.map((conversation) => `${conversation}@5`))
    expect(await scene.lasts([third], 0)).toEqual([4])
  })

  test('keeps rows of conversations that say nothing any more', async () => {
    const scene = await Scene.open()
    for (const conversation of ofFour) await scene.advance(conversation, 1)
    scene.grow(4)
    await scene.lasts([''], 3)
    await scene.pass(2 * hour + 120_000)
    for (const [number, conversation] of ofFour.entries())
      expect(await scene.lasts([conversation], number)).toEqual([1])
  })

  test('takes over no row of a conversation that was deleted meanwhile, at whichever of both actors', async () => {
    const scene = await Scene.open()
    const [, , , third = ''] = ofFour
    const other = Array.from({ length: 200 }, (_, n) => `other${n}`).find((name) => bucketOf(name) % 4 === 3) ?? ''
    for (const conversation of [third, other]) await scene.advance(conversation, 1)
    scene.grow(4)
    for (const conversation of [third, other]) await scene.advance(conversation, 2, 3)
    // One conversation knows four actors, the other one is of the version before.
    await scene.call(3, 'forget', { conversation: third, version: 2 })
    await scene.call(0, 'forget', { conversation: other, version: 2 })
    await scene.pass(2 * hour + 120_000)
    expect([scene.rowsOf(0), scene.rowsOf(3)]).toEqual([[], []])
  })

  test('uses all four at once when it had four from the beginning', async () => {
    const scene = await Scene.open(4)
    const [, , , third = ''] = ofFour
    await scene.advance(third, 1, 3)
    expect(await scene.lasts([third], 3)).toEqual([1])
    expect(await scene.lasts([third], 0)).toEqual([undefined])
  })
})
