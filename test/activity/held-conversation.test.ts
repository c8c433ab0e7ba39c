import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HeldConversation, type UnreadNotice } from '../../src/activity/held-conversation.ts'
import { HeldConversations } from '../../src/activity/held-conversations.ts'
import { mergeActivity } from '../../src/activity/merge-activity.ts'
import { PreparedActivity } from '../../src/activity/prepared-activity.ts'
import type { ConversationActivity, UserStates } from '../../src/events/activity.ts'
import { properties, RecountedConversation } from './recounted-conversation.ts'

/** A user with connections; a new object each time they connect, as in a gateway. */
interface Connected {
  readonly user: string
  isGone: boolean
}

interface Shown {
  readonly last: number
  readonly read: number
  readonly unread: number
  readonly mentions: number
}

const members = ['alice', 'bob', 'carol']
/** Dave has another conversation of the same bucket. */
const users = [...members, 'dave']
const user = fc.constantFrom(...members)
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant('send'), user, mentions: fc.subarray(members), everyone: fc.boolean() }),
  },
  fc.record({ does: fc.constant('edit') }),
  { weight: 2, arbitrary: fc.record({ does: fc.constant('delete'), nth: fc.nat(6) }) },
  fc.record({ does: fc.constant('join'), user }),
  fc.record({ does: fc.constant('leave'), user }),
  { weight: 2, arbitrary: fc.record({ does: fc.constant('read'), user, seq: fc.nat(40) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('tell'),
      outcome: fc.constantFrom('arrives', 'lost', 'unanswered'),
      publication: fc.constantFrom('arrives', 'arrives', 'short', 'lost'),
    }),
  },
  /** A publication to the gateway arrives late, or again. */
  fc.record({ does: fc.constant('repeat'), index: fc.nat(10) }),
  /** The gateway asks the conversation; the answer is made, and arrives, at other moments. */
  { weight: 3, arbitrary: fc.record({ does: fc.constantFrom('ask', 'answer', 'hear') }) },
  fc.record({ does: fc.constant('fail') }),
  { weight: 2, arbitrary: fc.record({ does: fc.constant('inbox') }) },
  fc.record({ does: fc.constantFrom('connect', 'disconnect'), user }),
  fc.record({ does: fc.constant('sleep') }),
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** A conversation, its Activity actor, the inboxes' own updates, and a gateway with what its clients are shown. */
class Scene {
  readonly conversation = new RecountedConversation()
  readonly shown = new Map<string, Shown>()
  readonly trouble: string[] = []
  readonly #untold = new Set<string>()
  readonly #connected = new Map<string, Connected>()
  readonly #recounts = new Map<string, Set<string>>()
  readonly #published: ConversationActivity[] = []
  /** What inboxes have yet to tell: that their user joined, with the state of then, or left. */
  readonly #inbox: { readonly user: string; readonly state: Shown | undefined }[] = []
  #row: ConversationActivity | undefined
  #told = 0
  #isBehind = false
  #held = new HeldConversation<Connected>()
  #asking: { readonly asked: readonly Connected[]; answer?: UserStates } | undefined

  constructor() {
    for (const one of members) this.#change(() => this.conversation.join(one))
    this.#inbox.length = 0
    for (const one of users) this.connect(one)
  }

  take(step: Step): void {
    if ('outcome' in step) return this.tell(step.outcome, step.publication)
    if ('index' in step) return this.#news(this.#published[step.index])
    if (step.does === 'ask') return this.ask()
    if (step.does === 'answer') return this.answer()
    if (step.does === 'hear') return this.hear()
    if (step.does === 'fail') return this.#fail()
    if (step.does === 'inbox') return this.inbox()
    if (step.does === 'sleep') return this.#sleep()
    if ('user' in step && step.does === 'connect') return this.connect(step.user)
    if ('user' in step && step.does === 'disconnect') return this.#disconnect(step.user)
    return this.#change(() => this.#act(step))
  }

  #act(step: Step): void {
    const { conversation } = this
    if ('mentions' in step) conversation.send(step.user, step.mentions, step.everyone)
    else if ('nth' in step) conversation.delete(step.nth)
    else if ('seq' in step) conversation.read(step.user, step.seq)
    else if (step.does === 'edit') conversation.edit()
    else if ('user' in step && step.does === 'join') conversation.join(step.user)
    else if ('user' in step && step.does === 'leave') conversation.leave(step.user)
  }

  #change(act: () => void): void {
    const { conversation } = this
    const before = new Map(members.map((one) => [one, conversation.recount(one)]))
    const cursors = new Map(conversation.cursors)
    const { last } = conversation
    act()
    const entry = conversation.last > last ? conversation.log.at(-1) : undefined
    const named = entry?.kind === 'deleted' ? conversation.log[entry.ref - 1] : entry
    for (const one of members) {
      const now = conversation.recount(one)
      const isAuthor = entry?.kind === 'message' && entry.user === one
      const isMoved = !isAuthor && now.read !== before.get(one)?.read
      const isNamed = named?.kind === 'message' && named.mentions.includes(one)
      const isMember = conversation.cursors.has(one)
      if (isMoved || isNamed || cursors.has(one) !== isMember) this.#untold.add(one)
      if (cursors.has(one) !== isMember) this.#inbox.push({ user: one, state: isMember ? now : undefined })
      if (!isMember) continue
      const recounts = this.#recounts.get(one) ?? new Set()
      this.#recounts.set(one, recounts.add(asText(now)))
    }
  }

  tell(outcome: string, publication: string): void {
    const news = this.conversation.activity(this.#told, this.#untold)
    if (outcome === 'lost') return
    this.#row = mergeActivity(this.#row, news)
    // A short one reaches back to the conversation's last call only.
    const published = publication === 'short' ? news : this.#row
    this.#published.push(published)
    // A gateway is told that it missed news before it gets any further.
    if (publication !== 'lost') this.#hearMissed()
    if (publication !== 'lost') this.#news(published)
    else this.#isBehind = true
    if (outcome !== 'arrives') return
    this.#told = news.last
    this.#untold.clear()
  }

  #news(activity: ConversationActivity | undefined): void {
    if (activity === undefined || !this.#held.note(activity)) return
    this.#show(this.#held.apply(new PreparedActivity(activity), [...this.#connected.values()]))
  }

  #hearMissed(): void {
    if (this.#isBehind) this.#held.forget()
    this.#isBehind = false
  }

  get isIdle(): boolean {
    return this.#held.isIdle && this.#asking === undefined && this.#inbox.length === 0
  }

  ask(): void {
    if (this.#asking === undefined) this.#asking = { asked: this.#held.ask(2, ({ isGone }) => isGone) }
  }

  answer(): void {
    if (this.#asking === undefined || this.#asking.answer !== undefined) return
    const { last, cursors } = this.conversation
    const states = this.#asking.asked
      .filter((one) => cursors.has(one.user))
      .map((one) => Object.assign(this.conversation.recount(one.user), { user: one.user }))
    this.#asking.answer = { activity: this.conversation.activity(last, new Set()), states }
  }

  hear(): void {
    if (this.#asking?.answer === undefined) return
    this.#show(this.#held.answered(this.#asking.answer))
    this.#asking = undefined
  }

  #fail(): void {
    if (this.#asking === undefined) return
    this.#held.notAnswered()
    this.#asking = undefined
  }

  /** The gateway hears of an inbox: what it publishes, then what that means for the states held. */
  inbox(): void {
    const next = this.#inbox.shift()
    if (next === undefined) return
    const connected = this.#connected.get(next.user)
    if (next.state === undefined) {
      this.shown.delete(next.user)
      if (connected !== undefined) this.#held.removed(connected)
    } else if (connected !== undefined) {
      this.shown.set(next.user, next.state)
      this.#held.want(connected)
    }
  }

  /** The client asks for the list, with what is true now. */
  connect(one: string): void {
    if (this.#connected.has(one)) return
    this.#connected.set(one, { user: one, isGone: false })
    if (this.conversation.cursors.has(one)) this.shown.set(one, this.conversation.recount(one))
  }

  #disconnect(one: string): void {
    const connected = this.#connected.get(one)
    if (connected !== undefined) connected.isGone = true
    this.#connected.delete(one)
    this.shown.delete(one)
  }

  /** All states are gone; the clients stay. */
  #sleep(): void {
    if (this.#held.isIdle && this.#asking === undefined) this.#held = new HeldConversation()
  }

  #show(notices: readonly UnreadNotice<Connected>[]): void {
    for (const { user: to, event } of notices) {
      const told: Shown = JSON.parse(event)
      const text = asText(told)
      if (this.#recounts.get(to.user)?.has(text) !== true) this.trouble.push(`${to.user} was told ${text}`)
      if (!to.isGone) this.shown.set(to.user, told)
    }
  }
}

const asText = ({ last, read, unread, mentions }: Shown) => JSON.stringify({ last, read, unread, mentions })

/** Lets everything arrive; the answer to a question may have been made before. */
function settle(scene: Scene): void {
  scene.tell('arrives', 'arrives')
  for (let n = 0; n < 100 && !scene.isIdle; n++) {
    scene.inbox()
    scene.ask()
    scene.answer()
    scene.hear()
  }
}

describe('the unread counts that a gateway publishes', () => {
  test('was so at the entry that it names, for a member of then', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        const scene = new Scene()
        for (const each of steps) scene.take(each)
        settle(scene)
        expect(scene.trouble).toEqual([])
      }),
      { numRuns: 1000 },
    )
  })

  test('is in the end what a recount says, whatever was lost, repeated, late, failed or forgotten before', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
        const scene = new Scene()
        for (const each of steps) scene.take(each)
        settle(scene)
        expect(scene.isIdle).toBe(true)
        for (const one of users) scene.connect(one)
        for (const [one, told] of scene.shown) {
          const isMember = scene.conversation.cursors.has(one)
          expect(`${one} ${asText(told)}`).toBe(isMember ? `${one} ${asText(scene.conversation.recount(one))}` : one)
        }
      }),
      { numRuns: 1000 },
    )
  })
})

describe('held states', () => {
  const crowd = Array.from({ length: 40 }, (_, n): Connected => ({ user: `user-${n}`, isGone: false }))
  const at = (last: number): ConversationActivity => ({
    ...properties,
    last,
    number: last,
    states: [],
    statesAfter: 0,
    changes: [],
    changesAfter: 0,
  })
  const stateOf = (name: string) => ({ user: name, last: 3, number: 3, read: 1, unread: 2, mentions: 0 })

  function held(): HeldConversation<Connected> {
    const conversation = new HeldConversation<Connected>()
    conversation.note(at(3))
    conversation.apply(new PreparedActivity(at(3)), crowd)
    const asked = conversation.ask(100, () => false)
    conversation.answered({ activity: at(3), states: asked.map((one) => stateOf(one.user)) })
    return conversation
  }

  test('a repeat publishes nothing, and a further message is published to all without asking', () => {
    const conversation = held()
    expect(conversation.apply(new PreparedActivity(at(3)), crowd)).toEqual([])
    const told = conversation.apply(new PreparedActivity(at(4)), crowd)
    expect(told).toHaveLength(crowd.length)
    expect(JSON.parse(told[0]?.event ?? '')).toEqual({
      type: 'unread',
      conversation: 'lunch',
      last: 4,
      read: 1,
      unread: 3,
      mentions: 0,
      at: 1,
      preview: null,
      name: 'Lunch',
      conversationType: 'group',
      members: [],
      memberCount: 3,
    })
    expect(conversation.isIdle).toBe(true)
  })

  test('a user that is no member is asked for once', () => {
    const conversation = new HeldConversation<Connected>()
    for (let last = 1; last < 10; last++) {
      conversation.note(at(last))
      conversation.apply(new PreparedActivity(at(last)), crowd.slice(0, 1))
      const asked = conversation.ask(100, () => false)
      expect(asked).toHaveLength(last === 1 ? 1 : 0)
      if (asked.length > 0) conversation.answered({ activity: at(last), states: [] })
    }
  })

  test('of users that are gone are dropped', () => {
    const conversation = held()
    const more = Array.from({ length: 100 }, (_, n): Connected => ({ user: `more-${n}`, isGone: true }))
    conversation.apply(new PreparedActivity(at(4)), more)
    conversation.ask(100, () => false)
    conversation.answered({ activity: at(4), states: more.map((one) => ({ ...stateOf(one.user), last: 4 })) })
    expect(conversation.size).toBe(140)
    conversation.sweep(crowd, ({ isGone }) => isGone)
    expect(conversation.size).toBe(40)
  })

  test('are bounded: conversations with the oldest updates are forgotten, the newest never', () => {
    const all = new HeldConversations<Connected>(100)
    const fill = (name: string) => {
      const conversation = all.open(name)
      conversation.note(at(3))
      conversation.apply(new PreparedActivity(at(3)), crowd)
      conversation.ask(100, () => false)
      conversation.answered({ activity: at(3), states: crowd.map((one) => stateOf(one.user)) })
      all.measure(name)
    }
    for (const name of ['a', 'b', 'a', 'c']) fill(name)
    expect(all.find('b')).toBeUndefined()
    expect(all.find('a')?.size).toBe(40)
    expect(all.find('c')?.size).toBe(40)
    const small = new HeldConversations<Connected>(10)
    small.open('lunch')
    small.measure('lunch')
    small.open('dinner')
    small.measure('dinner')
    expect([small.find('lunch'), small.states]).toEqual([undefined, 8])
  })
})
