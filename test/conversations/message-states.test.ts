import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readEntry } from '../../sdk/entries.ts'
import { statesOf } from '../../sdk/message-states.ts'
import { encodeViews } from '../../src/history/amend.ts'
import { toPublication } from '../../src/conversations/state.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { refused, TestConversation } from '../support/conversation.ts'

const people = { owner: 'owner', admin: 'admin', alice: 'member', bob: 'member' } as const

/** A conversation with one message of Alice, as seq 1. */
function story(type: 'group' | 'direct' | 'channel' = 'group') {
  const conversation = new TestConversation(people, type)
  conversation.say('alice', 'first')
  const react = (user: string, reaction: string, more: object = {}) =>
    conversation.run('message.react', { user }, { seq: 1, reaction, ...more })
  const unreact = (user: string, reaction: string, whose?: string) =>
    conversation.run('message.unreact', { user }, { seq: 1, reaction, user: whose })
  const pin = (user: string, more: object = {}) => conversation.run('message.pin', { user }, { seq: 1, ...more })
  const reactionsFor = (user: string) => conversation.messages.between(1, 1, user, conversation.now)[0]?.reactions
  return { conversation, react, unreact, pin, reactionsFor }
}

describe('reactions', () => {
  test('are counted in the order in which they came, with those of the reader flagged', () => {
    const { react, reactionsFor } = story()
    react('bob', '🎉')
    react('alice', '👍')
    react('bob', '👍')
    expect(reactionsFor('alice')).toEqual([
      { reaction: '🎉', count: 1, own: false },
      { reaction: '👍', count: 2, own: true },
    ])
  })

  test('are one entry each, and a repeat answers with the place of the first', () => {
    const { conversation, react } = story()
    expect(react('bob', '👍')).toEqual({ seq: 2, at: 1000 })
    conversation.now = 2000
    expect(react('bob', '👍')).toEqual({ seq: 2, at: 1000 })
    expect(conversation.log.top()).toBe(2)
    expect(conversation.log.confirmed).toBe(1)
  })

  test('with only replace the others of the user in one entry', () => {
    const { conversation, react, reactionsFor } = story()
    react('bob', '👍')
    react('bob', '🎉')
    react('alice', '👍')
    expect(react('bob', '🙂', { only: true })).toMatchObject({ seq: 5 })
    expect(reactionsFor('bob')).toEqual([
      { reaction: '👍', count: 1, own: false },
      { reaction: '🙂', count: 1, own: true },
    ])
    expect(conversation.log.top()).toBe(5)
  })

  test('of others are taken back by owners and admins, and by no member', () => {
    const { react, unreact, reactionsFor } = story()
    react('bob', '👍')
    expect(unreact('alice', '👍', 'bob')).toMatchObject(refused('notAllowed'))
    expect(unreact('admin', '👍', 'bob')).toEqual({})
    expect(unreact('admin', '👍', 'bob')).toEqual({})
    expect(reactionsFor('bob')).toBeUndefined()
  })

  test('are refused beyond the limits of a user and of a message, with what to do', () => {
    const { conversation, react } = story()
    for (let n = 0; n < sizes.ownReactions; n++) react('bob', `b${n}`)
    expect(react('bob', 'more')).toMatchObject({
      ...refused('tooManyReactions'),
      detail: expect.stringContaining('take one back'),
    })
    for (let n = sizes.ownReactions; n < sizes.reactions; n++)
      conversation.messages.reactions.add(1, { user: `u${n}`, reaction: `b${n}`, seq: 1000 + n, at: 1 })
    expect(react('alice', 'more')).toMatchObject({
      ...refused('tooManyReactions'),
      detail: expect.stringContaining('one of them'),
    })
    expect(react('alice', 'b99')).toMatchObject({ at: 1000 })
  })

  test('are refused to a deleted and a missing message, to other users, and to a server that names no member', () => {
    const { conversation, react } = story()
    expect(react('stranger', '👍')).toMatchObject(refused('notFound'))
    expect(conversation.run('message.react', { server: true }, { seq: 1, reaction: '👍' })).toMatchObject(
      refused('badRequest'),
    )
    expect(conversation.run('message.react', { server: true, user: 'bob' }, { seq: 1, reaction: '👍' })).toMatchObject({
      seq: 2,
    })
    conversation.run('message.delete', { user: 'alice' }, { seq: 1 })
    expect(react('bob', '🎉')).toMatchObject(refused('notFound'))
    expect(conversation.run('message.react', { user: 'bob' }, { seq: 99, reaction: '👍' })).toMatchObject(
      refused('notFound'),
    )
  })

  test('are listed by page, all of them or those of one kind', () => {
    const { conversation, react } = story()
    for (const user of ['owner', 'admin', 'bob']) react(user, '👍')
    react('admin', '🎉')
    const list = (input: object) =>
      conversation.run('message.reactions', { user: 'bob' }, { seq: 1, cursor: '', limit: 2, ...input })
    expect(list({})).toMatchObject({
      counts: [
        { reaction: '👍', count: 3 },
        { reaction: '🎉', count: 1 },
      ],
      reactions: [{ user: 'admin' }, { user: 'admin' }],
      next: expect.stringContaining('admin '),
    })
    const first: { next: string } = Object(list({ reaction: '👍' }))
    expect(first).toMatchObject({ reactions: [{ user: 'admin' }, { user: 'bob' }] })
    expect(list({ reaction: '👍', cursor: first.next })).toMatchObject({ reactions: [{ user: 'owner' }], next: null })
    expect(list({ cursor: 'nonsense' })).toMatchObject(refused('badRequest'))
  })
})

describe('edits', () => {
  test('are listed with their authors and times, the newest hundred of them', () => {
    const { conversation } = story()
    for (let n = 1; n <= 102; n++) {
      conversation.now = 1000 + n
      conversation.run('message.edit', { user: 'alice' }, { seq: 1, text: `text ${n}` })
    }
    const { edits }: { edits: readonly object[] } = Object(
      conversation.run('message.edits', { user: 'bob' }, { seq: 1 }),
    )
    expect(edits).toHaveLength(100)
    expect([edits[0], edits.at(-1)]).toEqual([
      { seq: 4, user: 'alice', at: 1003, text: 'text 3' },
      { seq: 103, user: 'alice', at: 1102, text: 'text 102' },
    ])
    expect(conversation.run('message.edits', { user: 'stranger' }, { seq: 1 })).toMatchObject(refused('notFound'))
  })
})

describe('pins', () => {
  test('are set by owners and admins, and by both members of a direct conversation', () => {
    const { pin } = story()
    expect(pin('bob')).toMatchObject(refused('notAllowed'))
    expect(pin('admin')).toEqual({ seq: 2, at: 1000 })
    expect(pin('admin')).toEqual({ seq: 2, at: 1000 })
    expect(story('direct').pin('bob')).toMatchObject({ seq: 2 })
  })

  test('end at their time without an entry, and are never shown for a deleted message', () => {
    const { conversation, pin } = story()
    expect(pin('owner', { until: 1000 })).toMatchObject(refused('badRequest'))
    pin('owner', { until: 2000 })
    const list = () => conversation.run('conversation.pins', { user: 'bob' })
    expect(list()).toEqual({ pins: [{ ref: 1, user: 'owner', seq: 2, at: 1000, until: 2000 }] })
    expect(conversation.messages.between(1, 1, 'bob', 1999)).toMatchObject([{ pinned: { user: 'owner', until: 2000 } }])
    expect(conversation.messages.between(1, 1, 'bob', 2000)).toEqual([])
    conversation.run('message.delete', { user: 'alice' }, { seq: 1 })
    expect(list()).toEqual({ pins: [] })
  })

  test('are at most a hundred that are not over, and the refusal says what to do', () => {
    const { conversation, pin } = story()
    for (let ref = 2; ref < sizes.pins + 2; ref++)
      conversation.messages.pins.put({ ref, user: 'owner', seq: 100 + ref, at: 1, until: ref === 2 ? 1500 : null })
    expect(pin('owner')).toMatchObject({ ...refused('tooManyPins'), detail: expect.stringContaining('unpin') })
    conversation.now = 1500
    expect(pin('owner')).toMatchObject({ seq: 2 })
  })
})

describe('a silent message', () => {
  test('counts as neither unread nor as a mention, nor does its deletion', () => {
    const { conversation } = story()
    const counts = () => conversation.readStates.of('bob')
    const before = counts()
    conversation.result({
      kind: 'send',
      user: 'alice',
      client: '',
      content: { clientId: 'quiet', text: 'psst', silent: true, mentions: { users: ['bob'] } },
    })
    expect(counts()).toEqual({ ...before, last: 2 })
    conversation.run('message.delete', { user: 'alice' }, { seq: 2 })
    expect(counts()).toEqual({ ...before, last: 3 })
  })
})

test('a quote of an entry that is no message is refused, also when it is sent again', () => {
  const { conversation, react } = story()
  react('bob', '👍')
  const quote = (replyTo: number) =>
    conversation.result({
      kind: 'send',
      user: 'bob',
      client: '',
      content: { clientId: `q${replyTo}`, text: 'x', replyTo },
    })
  for (const _ of [1, 2])
    expect(quote(2)).toMatchObject({ ...refused('notFound'), detail: expect.stringContaining('replyTo') })
  expect(quote(1)).toMatchObject({ seq: 3, duplicate: false })
  conversation.run('message.delete', { user: 'alice' }, { seq: 1 })
  expect(quote(1)).toMatchObject({ seq: 3, duplicate: true })
})

type Step = readonly [what: number, user: string, seq: number, reaction: string]
const steps = fc.array(
  fc.tuple(
    fc.nat(9),
    fc.constantFrom('owner', 'admin', 'alice', 'bob'),
    fc.integer({ min: 1, max: 6 }),
    fc.constantFrom('👍', '🎉', '🙂'),
  ),
  { maxLength: 60 },
)

function take(conversation: TestConversation, [what, user, seq, reaction]: Step): void {
  conversation.now += 100
  if (what < 2) conversation.say(user, `${seq}`)
  else if (what < 4) conversation.run('message.react', { user }, { seq, reaction })
  else if (what === 4) conversation.run('message.react', { user }, { seq, reaction, only: true })
  else if (what === 5) conversation.run('message.unreact', { user }, { seq, reaction })
  else if (what === 6) conversation.run('message.pin', { user }, { seq, until: conversation.now + 300 })
  else if (what === 7) conversation.run('message.unpin', { user }, { seq })
  else if (what === 8) conversation.run('message.edit', { user }, { seq, text: `${reaction} ${conversation.now}` })
  else conversation.run('message.delete', { user }, { seq })
}

/** What a page over HTTP shows of all messages. */
function reloaded(conversation: TestConversation, user: string): unknown[] {
  const { log, messages, now } = conversation
  const amendments = [...log.amended].map(([ref, text]) => ({ ref, at: 0, text }))
  const states = messages.between(1, log.top(), user, now)
  const views: { seq: number; type: string; deleted?: boolean }[] = JSON.parse(
    encodeViews(log.rows.map(toPublication), amendments, states),
  )
  return views
    .filter(({ type, deleted }) => type === 'message' && deleted !== true)
    .map(({ seq, reactions = [], pinned = null, edits = 0 }: Record<string, unknown>) => ({
      seq,
      reactions,
      pinned,
      edits,
    }))
}

/** What a client shows that received the log. */
function folded(conversation: TestConversation, user: string): unknown[] {
  const { log, now } = conversation
  const states = statesOf(log.rows.map(({ seq, data }) => ({ seq, entry: readEntry(JSON.parse(data)) })))
  return log.rows
    .filter(({ seq, clientId }) => clientId !== null && log.amended.get(seq) !== null)
    .map(({ seq }) => {
      const { reactions = [], pinned, edits = 0 } = states.get(seq) ?? {}
      const isOver = pinned?.until !== undefined && pinned.until <= now
      return {
        seq,
        reactions: reactions.map(({ reaction, users }) => ({
          reaction,
          count: users.length,
          own: users.includes(user),
        })),
        pinned: pinned === undefined || isOver ? null : pinned,
        edits,
      }
    })
}

test('a client that received the whole log, in whatever pieces, shows what a page shows', () => {
  fc.assert(
    fc.property(steps, (given) => {
      const conversation = new TestConversation(people)
      for (const step of given) take(conversation, step)
      for (const user of ['alice', 'bob']) expect(folded(conversation, user)).toEqual(reloaded(conversation, user))
      conversation.close()
    }),
    { seed: 18, numRuns: 150 },
  )
})
