import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { mergeActivity } from '../../src/activity/merge-activity.ts'
import { readStateNow } from '../../src/activity/read-state-now.ts'
import {
  isNewer,
  activityChanges,
  activityStates,
  type ConversationActivity,
  type CountChange,
  type ReadState,
  type UserReadState,
} from '../../src/events/activity.ts'
import { properties, RecountedConversation } from './recounted-conversation.ts'

const users = ['alice', 'bob', 'carol']
const user = fc.constantFrom(...users)
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ does: fc.constant('send'), user, mentions: fc.subarray(users), everyone: fc.boolean() }),
  },
  fc.record({ does: fc.constant('edit') }),
  { weight: 2, arbitrary: fc.record({ does: fc.constant('delete'), nth: fc.nat(6) }) },
  fc.record({ does: fc.constant('join'), user }),
  fc.record({ does: fc.constant('leave'), user }),
  { weight: 2, arbitrary: fc.record({ does: fc.constant('read'), user, seq: fc.nat(40) }) },
  /** The Activity actor is told; the call may be lost before it arrives, or its answer may, or it arrives again later. */
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constant('tell'), outcome: fc.constantFrom('arrives', 'lost', 'unanswered') }),
  },
  fc.record({ does: fc.constant('repeat'), index: fc.nat(10) }),
  /** The inbox of a user is told its state. */
  { weight: 2, arbitrary: fc.record({ does: fc.constant('inform'), user }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** The conversation, what its Activity actor keeps, and what the inboxes keep. */
class Scene {
  readonly conversation = new RecountedConversation()
  readonly untold = new Set<string>()
  readonly inboxes = new Map<string, ReadState>()
  readonly #recounts = new Map<string, Set<string>>()
  readonly #sent: ConversationActivity[] = []
  activity: ConversationActivity | undefined
  #told = 0

  constructor() {
    for (const one of users) this.#change(() => this.conversation.join(one))
    for (const one of users) this.inform(one)
  }

  take(step: Step): void {
    if (step.does === 'tell' && 'outcome' in step) return this.tell(step.outcome)
    if (step.does === 'repeat' && 'index' in step) {
      const late = this.#sent[step.index]
      if (late !== undefined) this.activity = mergeActivity(this.activity, late)
      return undefined
    }
    if (step.does === 'inform' && 'user' in step) return this.inform(step.user)
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

  /** Users are untold whose counts change by something that is not the same for all members. */
  #change(act: () => void): void {
    const before = new Map(users.map((one) => [one, this.conversation.recount(one)]))
    const { last } = this.conversation
    const cursors = new Map(this.conversation.cursors)
    act()
    const entry = this.conversation.last > last ? this.conversation.log.at(-1) : undefined
    for (const one of users) {
      const now = this.conversation.recount(one)
      const isAuthor = entry?.kind === 'message' && entry.user === one
      const isMoved = !isAuthor && now.read !== before.get(one)?.read
      const named = entry?.kind === 'deleted' ? this.conversation.log[entry.ref - 1] : entry
      const isNamed = named?.kind === 'message' && named.mentions.includes(one)
      if (isMoved || isNamed || cursors.has(one) !== this.conversation.cursors.has(one)) this.untold.add(one)
      const recounts = this.#recounts.get(one) ?? new Set()
      this.#recounts.set(one, recounts.add(`${now.unread} ${now.mentions}`))
    }
  }

  tell(outcome: string): void {
    const news = this.conversation.activity(this.#told, this.untold)
    this.#sent.push(news)
    if (outcome !== 'lost') this.activity = mergeActivity(this.activity, news)
    if (outcome === 'arrives') this.#told = news.last
  }

  inform(one: string): void {
    this.untold.delete(one)
    if (this.conversation.cursors.has(one)) this.#keep(one, this.conversation.recount(one))
    else this.inboxes.delete(one)
  }

  #keep(one: string, state: ReadState): void {
    const known = this.inboxes.get(one)
    if (known === undefined || isNewer(state, known)) this.inboxes.set(one, state)
  }

  /** What the inbox of a user shows; where the activity does not reach back, it asks the conversation. */
  shown(one: string): ReadState | undefined {
    const known = this.inboxes.get(one)
    if (known === undefined || this.activity === undefined) return known
    const now = readStateNow(this.activity, one, known)
    if (now === undefined) this.inform(one)
    return now ?? this.inboxes.get(one)
  }

  /** Members only: an inbox that was not told of a removal yet shows what was so before it. */
  wasRecounted(one: string, { unread, mentions }: ReadState): boolean {
    return this.#recounts.get(one)?.has(`${unread} ${mentions}`) === true
  }
}

describe('unread counts by subtraction', () => {
  test('equal a recount once everything has arrived, whatever was sent, deleted, read, lost and repeated before', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const scene = new Scene()
        for (const each of steps) scene.take(each)
        for (const one of scene.untold) scene.inform(one)
        scene.tell('arrives')
        for (const one of scene.conversation.cursors.keys())
          expect(scene.shown(one)).toEqual(scene.conversation.recount(one))
      }),
      { numRuns: 2000 },
    )
  })

  test('never show a number that no recount has shown before', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const scene = new Scene()
        for (const each of steps) {
          scene.take(each)
          for (const one of scene.conversation.cursors.keys()) {
            const shown = scene.shown(one)
            if (shown !== undefined) expect(scene.wasRecounted(one, shown)).toBe(true)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('a member that left has no counts any more once the activity has the departure, until they join again', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const scene = new Scene()
        for (const each of steps) scene.take(each)
        scene.tell('arrives')
        for (const [one, known] of scene.inboxes)
          if (!scene.conversation.cursors.has(one)) expect(readStateNow(scene.activity!, one, known)).toBeUndefined()
      }),
      { numRuns: 2000 },
    )
  })
})

const state = (user: string, last: number): UserReadState => ({
  user,
  last,
  number: last,
  read: last,
  unread: 0,
  mentions: 0,
})
const empty: ConversationActivity = {
  ...properties,
  last: 0,
  number: 0,
  states: [],
  statesAfter: 0,
  changes: [],
  changesAfter: 0,
}

describe('an activity of bounded size', () => {
  const crowd = Array.from({ length: activityStates + 8 }, (_, index) => state(`user-${index}`, index + 1))
  const busy = mergeActivity(empty, { ...empty, last: crowd.length, number: crowd.length, states: crowd })

  test('keeps the newest authors, and counts for a member that knows everything before them', () => {
    expect(busy.states).toHaveLength(activityStates)
    const reader = { last: 9, number: 9, read: 9, unread: 0, mentions: 0 }
    expect(readStateNow(busy, 'reader', reader)).toMatchObject({ unread: crowd.length - 9 })
    expect(readStateNow(busy, 'user-39', { ...reader, last: 0, number: 0 })).toMatchObject({ read: 40, unread: 0 })
  })

  test('has no answer for a member that may have written before the authors it keeps', () => {
    expect(readStateNow(busy, 'user-0', { last: 0, number: 0, read: 0, unread: 0, mentions: 0 })).toBeUndefined()
  })

  test('has no answer for a member whose state is older than the changes it keeps', () => {
    const deletions: CountChange[] = Array.from({ length: activityChanges + 1 }, (_, index) => ({
      kind: 'deleted',
      seq: 101 + index,
      ref: 1 + index,
      everyone: false,
    }))
    const thinned = mergeActivity(empty, { ...empty, last: 200, number: 100, changes: deletions })
    const reader = { last: 100, number: 100, read: 0, unread: 100, mentions: 0 }
    expect(readStateNow(thinned, 'reader', reader)).toBeUndefined()
    expect(readStateNow(thinned, 'reader', { ...reader, last: 101, unread: 99 })).toMatchObject({ unread: 35 })
  })

  test('is complete for no entry that an update left out', () => {
    const later = mergeActivity(busy, { ...empty, last: 60, number: 60, statesAfter: 50, changesAfter: 50 })
    expect(readStateNow(later, 'reader', { last: 40, number: 40, read: 40, unread: 0, mentions: 0 })).toBeUndefined()
    expect(readStateNow(later, 'reader', { last: 50, number: 50, read: 50, unread: 0, mentions: 0 })).toMatchObject({
      unread: 10,
    })
  })
})
