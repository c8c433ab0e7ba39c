import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readEntry } from '../../sdk/entries.ts'
import { linesOf, threadLinesOf } from '../../sdk/lines.ts'
import { statesOf } from '../../sdk/message-states.ts'
import { emptyTimeline, place } from '../../sdk/timeline.ts'
import { entryWithout } from '../../src/conversations/erase-user.ts'
import { tombstone, tombstoneOfEdit } from '../../src/events/tombstone.ts'
import { encodeViews } from '../../src/history/amend.ts'
import { toPublication } from '../../src/conversations/state.ts'
import { replayEntry } from '../../src/conversations/replay-entry.ts'
import type { LogRow } from '../../src/conversations/types.ts'
import { refused, TestConversation } from '../support/conversation.ts'

const people = { owner: 'owner', alice: 'member', bob: 'member', carol: 'member' } as const

/** A conversation with two messages of Alice, as seq 1 and 2; the first begins a thread. */
function story(type: 'group' | 'channel' = 'group') {
  const conversation = new TestConversation(people, type)
  conversation.say('alice', 'first')
  conversation.say('alice', 'second')
  const reply = (user: string, more: object = {}, thread = 1) =>
    conversation.result({
      kind: 'send',
      user,
      client: '',
      content: { clientId: `${user}-${conversation.log.top() + 1}`, text: 'a reply', thread, ...more },
    })
  const run = (name: string, user: string, input: object = {}) => conversation.run(name, { user }, { seq: 1, ...input })
  const part = (user: string) => run('thread.read', user, { upTo: 0 })
  const threads = (user: string, more: object = {}) =>
    conversation.run('conversation.threads', { user }, { cursor: '', limit: 50, ...more })
  const repliesOf = (seq = 1) => conversation.messages.between(seq, seq, 'bob', conversation.now)[0]?.replies
  return { conversation, reply, run, part, threads, repliesOf }
}

describe('a reply in a thread', () => {
  test('counts as neither unread nor as a mention in the conversation, and moves no cursor there', () => {
    const { conversation, reply } = story()
    const before = conversation.readStates.of('carol')
    reply('bob', { mentions: { users: ['carol'] } })
    expect(conversation.readStates.of('carol')).toEqual({ ...before, last: 3 })
  })

  test('that is also sent to the conversation counts there like a message', () => {
    const { conversation, reply } = story()
    reply('bob', { mentions: { users: ['carol'] }, alsoInConversation: true })
    expect(conversation.readStates.of('carol')).toMatchObject({ unread: 3, mentions: 1 })
  })

  test('is counted at the message that begins the thread, with the newest reply and the users that replied', () => {
    const { conversation, reply, repliesOf } = story()
    expect(repliesOf()).toBeUndefined()
    reply('bob')
    conversation.now = 2000
    reply('carol', { alsoInConversation: true })
    reply('bob')
    expect(repliesOf()).toEqual({
      count: 3,
      last: { seq: 5, user: 'bob', at: 2000 },
      users: ['bob', 'carol'],
      userCount: 2,
    })
  })

  test('is refused where there is no message, and to a reply, and stays so when it is sent again', () => {
    const { conversation, reply } = story()
    reply('bob')
    conversation.run('message.react', { user: 'bob' }, { seq: 1, reaction: '👍' })
    for (const _ of [1, 2]) {
      expect(reply('bob', { clientId: 'x' }, 99)).toMatchObject(refused('notFound'))
      expect(reply('bob', { clientId: 'y' }, 4)).toMatchObject(refused('notFound'))
      expect(reply('bob', { clientId: 'z' }, 3)).toMatchObject({
        ...refused('badRequest'),
        detail: expect.stringContaining('give 1'),
      })
    }
  })

  test('reaches a thread whose first message is deleted, so that a repeat has the answer of the first', () => {
    const { conversation, reply, repliesOf } = story()
    expect(reply('bob', { clientId: 'same' })).toMatchObject({ seq: 3, duplicate: false })
    conversation.run('message.delete', { user: 'alice' }, { seq: 1 })
    expect(reply('bob', { clientId: 'same' })).toMatchObject({ seq: 3, duplicate: true })
    expect(reply('carol')).toMatchObject({ seq: 5 })
    expect(repliesOf()).toMatchObject({ count: 2 })
  })

  test('that is deleted counts no more, and its author still took part', () => {
    const { conversation, reply, repliesOf, part } = story()
    reply('bob')
    reply('carol')
    conversation.run('message.delete', { user: 'carol' }, { seq: 4 })
    expect(repliesOf()).toMatchObject({ count: 1, last: { seq: 3 }, users: ['bob', 'carol'] })
    expect(part('alice')).toEqual({ follows: true, read: 0, unread: 1 })
    conversation.run('message.delete', { user: 'bob' }, { seq: 3 })
    expect(repliesOf()).toBeUndefined()
  })
})

describe('a thread', () => {
  test('is followed by the author of its first message, by users that reply and by members that are mentioned', () => {
    const { reply, part } = story()
    reply('bob', { mentions: { users: ['carol', 'stranger'] } })
    expect(part('alice')).toEqual({ follows: true, read: 0, unread: 1 })
    expect(part('bob')).toEqual({ follows: true, read: 3, unread: 0 })
    expect(part('carol')).toEqual({ follows: true, read: 0, unread: 1 })
    expect(part('owner')).toEqual({ follows: false, read: 0, unread: 1 })
  })

  test('is followed or not as its reader decided, whatever happens in it later', () => {
    const { reply, run, part } = story()
    reply('bob')
    expect(run('thread.follow', 'alice', { follows: false })).toMatchObject({ follows: false })
    expect(run('thread.follow', 'carol', { follows: false })).toMatchObject({ follows: false })
    expect(run('thread.follow', 'owner', { follows: true })).toMatchObject({ follows: true })
    reply('carol', { mentions: { users: ['alice'] } })
    for (const user of ['alice', 'carol']) expect(part(user)).toMatchObject({ follows: false })
    expect(part('owner')).toMatchObject({ follows: true, unread: 2 })
  })

  test('has a read cursor for each user, which moves forward only and never past the newest reply', () => {
    const { reply, run, part } = story()
    for (const _ of [1, 2, 3]) reply('bob')
    expect(run('thread.read', 'alice', { upTo: 4 })).toEqual({ follows: true, read: 4, unread: 1 })
    expect(run('thread.read', 'alice', { upTo: 3 })).toEqual({ follows: true, read: 4, unread: 1 })
    expect(run('thread.read', 'alice', { upTo: 1e9 })).toEqual({ follows: true, read: 5, unread: 0 })
    reply('alice')
    reply('bob')
    expect(part('alice')).toEqual({ follows: true, read: 6, unread: 1 })
    // A cursor alone makes no follower.
    run('thread.read', 'owner', { upTo: 4 })
    expect(part('owner')).toMatchObject({ follows: false })
  })

  test('is listed to its followers by its newest reply, by page, with what is unread', () => {
    const { conversation, reply, run, threads } = story()
    reply('bob')
    reply('bob', {}, 2)
    reply('carol')
    expect(threads('alice')).toEqual({
      threads: [
        { thread: 1, last: 5, read: 0, unread: 2 },
        { thread: 2, last: 4, read: 0, unread: 1 },
      ],
      unread: 2,
      next: null,
    })
    run('thread.read', 'alice', { upTo: 5 })
    const first: { next: string } = Object(threads('alice', { limit: 1 }))
    expect(first).toMatchObject({ threads: [{ thread: 1 }], unread: 1 })
    expect(threads('alice', { cursor: first.next, limit: 1 })).toMatchObject({ threads: [{ thread: 2 }], next: null })
    expect(threads('owner')).toMatchObject({ threads: [], unread: 0 })
    expect(threads('alice', { cursor: 'nonsense' })).toMatchObject(refused('badRequest'))
    expect(threads('alice', { user: 'bob' })).toMatchObject(refused('notAllowed'))
    expect(threads('stranger')).toMatchObject(refused('notFound'))
    expect(
      conversation.run('conversation.threads', { server: true }, { user: 'alice', cursor: '', limit: 50 }),
    ).toMatchObject({ unread: 1 })
  })

  test('has a part for members only, and none where there is no message or a reply', () => {
    const { conversation, reply, run } = story('channel')
    reply('bob')
    expect(run('thread.follow', 'stranger', { follows: true })).toMatchObject(refused('notAllowed'))
    expect(conversation.run('thread.follow', { server: true }, { seq: 1, follows: true })).toMatchObject(
      refused('badRequest'),
    )
    expect(run('thread.read', 'alice', { seq: 99, upTo: 1 })).toMatchObject(refused('notFound'))
    expect(run('thread.read', 'alice', { seq: 3, upTo: 1 })).toMatchObject({
      ...refused('badRequest'),
      detail: expect.stringContaining('give 1'),
    })
  })

  test('names an erased user by the pseudonym, which does not follow it', () => {
    const { conversation, reply, repliesOf, part } = story()
    reply('bob')
    conversation.messages.erase({ user: 'bob', pseudonym: 'erased-1', messages: 'keep-anonymous' }, 0, 100)
    expect(repliesOf()).toMatchObject({ count: 1, users: ['erased-1'] })
    expect(part('bob')).toMatchObject({ follows: false })
    expect(conversation.messages.threads.followersOf(1)).toEqual(['alice'])
  })
})

test('the entries of an export put the threads back, also where their fields come in another order', () => {
  const { conversation, reply, run } = story()
  reply('bob', { mentions: { users: ['carol'] } })
  reply('carol', { alsoInConversation: true })
  reply('bob', { dataText: '{"n":1.0}' })
  run('message.delete', 'bob', { seq: 3 })
  const copy = new TestConversation(people)
  for (const row of conversation.log.rows) {
    const { type, data: _, ...fields }: Record<string, unknown> = JSON.parse(row.data)
    const { thread, alsoInConversation, ...others } = fields
    const given = row.data.includes('1.0') ? row.data : JSON.stringify({ type, ...others, thread, alsoInConversation })
    expect(replayEntry(copy, { ...row, data: given }, () => undefined)).toBe(true)
  }
  for (const each of [conversation, copy])
    expect(each.messages.between(1, 1, 'bob', 1000)[0]?.replies).toMatchObject({ count: 2, users: ['bob', 'carol'] })
  for (const user of ['alice', 'bob', 'carol']) {
    expect(copy.messages.threads.of(1, user)).toEqual(conversation.messages.threads.of(1, user))
    expect(copy.readStates.of(user)).toEqual(conversation.readStates.of(user))
  }
  expect(copy.log.rows.map(({ data }) => data)).toEqual(conversation.log.rows.map(({ data }) => data))
})

describe('a deleted message', () => {
  test('is restored by a moderator while its time lasts, with all that it had, and counts again', () => {
    const { conversation, reply, repliesOf } = story()
    reply('bob', { dataText: '{"n":1.0}' })
    conversation.run('message.edit', { user: 'bob' }, { seq: 3, text: 'other words' })
    expect(conversation.run('message.delete', { user: 'bob' }, { seq: 3, restorableFor: 60 })).toMatchObject(
      refused('notAllowed'),
    )
    conversation.run('message.delete', { user: 'owner' }, { seq: 3, restorableFor: 60 })
    expect(repliesOf()).toBeUndefined()
    conversation.now += 59_999
    expect(conversation.run('message.restore', { user: 'bob' }, { seq: 3 })).toMatchObject(refused('notAllowed'))
    const first = conversation.run('message.restore', { user: 'owner' }, { seq: 3 })
    expect(first).toMatchObject({ seq: 6 })
    expect(conversation.run('message.restore', { user: 'owner' }, { seq: 3 })).toEqual(first)
    expect(repliesOf()).toMatchObject({ count: 1, last: { seq: 3 } })
    expect(conversation.messages.kept.of(3)?.data).toContain('"data":{"n":1.0}')
    expect(conversation.log.rows.at(-1)?.data).toContain('"text":"other words"')
  })

  test('is not restored once its time is over, nor where it was deleted for good', () => {
    const { conversation, run } = story()
    conversation.run('message.delete', { user: 'owner' }, { seq: 1, restorableFor: 60 })
    conversation.run('message.delete', { user: 'owner' }, { seq: 2 })
    conversation.now += 60_000
    for (const seq of [1, 2]) expect(run('message.restore', 'owner', { seq })).toMatchObject(refused('notFound'))
    conversation.messages.kept.purge(conversation.now)
    expect(conversation.messages.kept.of(1)).toBeUndefined()
    expect(conversation.messages.kept.nextEnd).toBe(Infinity)
  })

  test('that was restored and is deleted again is gone, with the entry that restored it', () => {
    const { conversation, run } = story()
    run('message.delete', 'owner', { restorableFor: 60 })
    run('message.restore', 'owner')
    run('message.delete', 'owner')
    expect(conversation.messages.kept.of(1)).toBeUndefined()
    expect(run('message.restore', 'owner')).toMatchObject(refused('notFound'))
    const restoring = conversation.log.rows[3]?.data ?? ''
    expect(tombstoneOfEdit(restoring)).not.toContain('first')
  })

  test('names an erased user neither while it can be restored nor afterwards', () => {
    const { conversation, run } = story()
    run('message.delete', 'owner', { restorableFor: 60 })
    conversation.messages.erase({ user: 'alice', pseudonym: 'erased-1', messages: 'keep-anonymous' }, 0, 100)
    expect(conversation.messages.kept.of(1)?.data).not.toContain('alice')
    run('message.restore', 'owner')
    const [entry] = conversation.log.rows.slice(-1)
    if (entry === undefined) throw new Error('no entry')
    const erased = { user: 'erased-1', pseudonym: 'other', messages: 'keep-anonymous' } as const
    expect(entryWithout(entry, erased)?.data).toContain('"user":"other"')
    conversation.messages.erase({ user: 'erased-1', pseudonym: 'other', messages: 'delete' }, 0, 100)
    expect(conversation.messages.kept.of(1)).toBeUndefined()
  })
})

type Step = readonly [what: number, user: string, seq: number]
const steps = fc.array(
  fc.tuple(fc.nat(9), fc.constantFrom('owner', 'alice', 'bob', 'carol'), fc.integer({ min: 1, max: 9 })),
  { maxLength: 60 },
)

/** Sends messages and replies, also to what is none, edits and deletes. */
function take(conversation: TestConversation, [what, user, seq]: Step): void {
  conversation.now += 100
  const content = { clientId: `c${conversation.now}`, text: 'text' }
  const send = (more: object) =>
    conversation.result({ kind: 'send', user, client: '', content: { ...content, ...more } })
  if (what < 2) send({})
  else if (what < 5) send({ thread: seq, ...(what === 4 ? { alsoInConversation: true } : {}) })
  else if (what === 5) conversation.run('message.edit', { user }, { seq, text: `${conversation.now}` })
  else if (what === 6) conversation.run('message.delete', { user: 'owner' }, { seq })
  else if (what === 7) conversation.run('message.delete', { user: 'owner' }, { seq, restorableFor: 3 })
  else if (what === 8) conversation.run('message.restore', { user: 'owner' }, { seq })
  else conversation.run('thread.read', { user }, { seq, upTo: seq + 3 })
}

/** What a page over HTTP shows of all messages: where they are shown, and their threads. */
function reloaded({ log, messages, now }: TestConversation): unknown[] {
  const restored = (ref: number) => {
    const kept = messages.kept.of(ref)
    return kept?.until === null ? kept.data : null
  }
  const amendments = [...log.amended].map(([ref, text]) => ({ ref, at: 0, text, entry: restored(ref) }))
  const states = messages.between(1, log.top(), 'bob', now)
  // The log has no content at the place of a message that was ever deleted.
  const gone = deletedIn(log.rows)
  const stored = log.rows.map((row) => (gone.has(row.seq) ? { ...row, data: tombstone(row.data) } : row))
  const views: Record<string, unknown>[] = JSON.parse(encodeViews(stored.map(toPublication), amendments, states))
  return views
    .filter(({ type }) => type === 'message')
    .map(
      ({ seq, thread = null, alsoInConversation = false, replies = null, deleted = false, text = '', editedAt }) => ({
        seq,
        thread,
        isInConversation: thread === null || alsoInConversation,
        replies,
        deleted,
        text,
        edited: editedAt !== undefined,
      }),
    )
}

/** Messages that were deleted at any time. */
const deletedIn = (rows: readonly LogRow[]): Set<number> =>
  new Set(
    rows.flatMap(({ data }) => {
      const { type, ref }: { readonly type: string; readonly ref: number } = JSON.parse(data)
      return type === 'message.deleted' ? [ref] : []
    }),
  )

/** What a client shows that received the log: the whole of it as it came, or as it is stored once texts are removed. */
function shown({ log }: TestConversation, isLate: boolean): unknown[] {
  const gone = deletedIn(log.rows)
  const entryOf = (seq: number, data: string) => readEntry(JSON.parse(isLate && gone.has(seq) ? tombstone(data) : data))
  const placed = log.rows.map(({ seq, data }) => ({ seq, entry: entryOf(seq, data) }))
  const timeline = place(emptyTimeline('bob'), placed)
  const inConversation = new Set(linesOf(timeline).map(({ seq }) => seq))
  const states = statesOf(placed)
  return placed.flatMap(({ seq, entry }) => {
    if (entry.type !== 'message') return []
    const lines = entry.thread === 0 ? linesOf(timeline) : threadLinesOf(timeline, entry.thread)
    const line = lines.find((each) => each.seq === seq)
    if (line?.kind !== 'message') throw new Error(`message ${seq} is not shown`)
    return [
      {
        seq,
        thread: entry.thread === 0 ? null : entry.thread,
        isInConversation: inConversation.has(seq),
        replies: states.get(seq)?.replies ?? null,
        deleted: line.deleted,
        text: line.text,
        edited: line.edited && !line.deleted,
      },
    ]
  })
}

test('a client that received the log, before texts were removed or after, shows the threads that a page shows', () => {
  fc.assert(
    fc.property(steps, (given) => {
      const conversation = new TestConversation(people)
      for (const step of given) take(conversation, step)
      for (const isLate of [false, true]) expect(shown(conversation, isLate)).toEqual(reloaded(conversation))
      conversation.close()
    }),
    { seed: 18, numRuns: 150 },
  )
})

test('the count of unread replies in a thread is that of a recount of the log', () => {
  fc.assert(
    fc.property(steps, (given) => {
      const conversation = new TestConversation(people)
      for (const step of given) take(conversation, step)
      const { log, messages } = conversation
      for (const user of ['alice', 'bob'])
        for (const { root, read, unread } of messages.threads.followedBy(user)) {
          const replies = [...log.threads].filter(([, thread]) => thread === root).map(([seq]) => seq)
          const own = replies.filter((seq) => log.rows[seq - 1]?.user === user)
          expect(read).toBeGreaterThanOrEqual(Math.max(0, ...own))
          expect(unread).toBe(replies.filter((seq) => seq > read && log.amended.get(seq) !== null).length)
        }
      conversation.close()
    }),
    { seed: 18, numRuns: 100 },
  )
})
