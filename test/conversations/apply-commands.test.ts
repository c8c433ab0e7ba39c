import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { largeConversation } from '../../src/conversations/state.ts'
import { commandBy } from '../support/conversation-command.ts'
import { refused, TestConversation } from '../support/conversation.ts'

const people = { owner: 'owner', admin: 'admin', alice: 'member', bob: 'member' } as const

describe('sending', () => {
  test('gives each message the next seq and publishes it to all', () => {
    const conversation = new TestConversation(people)
    const applied = conversation.apply(
      { kind: 'send', user: 'alice', client: 'phone', content: { clientId: 'a', text: 'one' } },
      { kind: 'send', user: 'bob', client: 'desk', content: { clientId: 'a', text: 'two' } },
    )
    expect(applied.publications.map(({ offset, info }) => [offset, info])).toEqual([
      [1, { user: 'alice', client: 'phone' }],
      [2, { user: 'bob', client: 'desk' }],
    ])
    expect(conversation.log.rows.map(({ seq, user, clientId }) => [seq, user, clientId])).toEqual([
      [1, 'alice', 'a'],
      [2, 'bob', 'a'],
    ])
  })

  test('the same clientId of the same author again writes nothing, whatever it says now', () => {
    const conversation = new TestConversation(people)
    const first = conversation.say('alice', 'one', 'a')
    conversation.say('bob', 'two')
    expect(conversation.say('alice', 'something else', 'a')).toEqual({ ...Object(first), duplicate: true })
    expect(conversation.log.top()).toBe(2)
  })

  test('is for members, and in a channel other users are given the reason', () => {
    expect(new TestConversation(people).say('stranger', 'x')).toMatchObject(refused('notFound'))
    expect(new TestConversation(people, 'channel').say('stranger', 'x')).toMatchObject(refused('notAllowed'))
  })

  test('refers to what was said before, not to what comes', () => {
    const conversation = new TestConversation(people)
    const send = (content: object) =>
      conversation.result({
        kind: 'send',
        user: 'alice',
        client: '',
        content: { clientId: JSON.stringify(content), text: 'x', ...content },
      })
    expect(send({ replyTo: 1 })).toMatchObject(refused('notFound'))
    conversation.say('bob', 'one')
    expect(send({ replyTo: 1, thread: 1 })).toMatchObject({ seq: 2 })
    expect(send({ thread: 3 })).toMatchObject(refused('notFound'))
  })

  test('however sends are repeated and mixed, each clientId has one place and places are dense', () => {
    const sends = fc.array(fc.tuple(fc.constantFrom('alice', 'bob'), fc.constantFrom('a', 'b', 'c', 'd')), {
      maxLength: 40,
    })
    fc.assert(
      fc.property(sends, (attempts) => {
        const conversation = new TestConversation(people)
        const places = new Map<string, number>()
        for (const [user, clientId] of attempts) {
          const answer: { seq: number; duplicate: boolean } = Object(conversation.say(user, 'x', clientId))
          const known = places.get(`${user} ${clientId}`)
          expect(answer.duplicate).toBe(known !== undefined)
          expect(answer.seq).toBe(known ?? places.size + 1)
          places.set(`${user} ${clientId}`, answer.seq)
        }
        expect(conversation.log.rows.map(({ seq }) => seq)).toEqual(
          Array.from({ length: places.size }, (_, n) => n + 1),
        )
      }),
    )
  })
})

describe('editing and deleting', () => {
  const after = (...messages: string[]) => {
    const conversation = new TestConversation(people)
    for (const user of messages) conversation.say(user, `of ${user}`)
    return conversation
  }
  const edit = (conversation: TestConversation, user: string, seq: number) =>
    conversation.run('message.edit', { user }, { seq, text: 'new' })
  const remove = (conversation: TestConversation, user: string, seq: number, server = false) =>
    conversation.run('message.delete', { user, server }, { seq })

  test('is an entry of its own, so that a returning client receives it', () => {
    const conversation = after('alice')
    expect(edit(conversation, 'alice', 1)).toEqual({ seq: 2, at: 1000 })
    expect(remove(conversation, 'alice', 1)).toEqual({ seq: 3, at: 1000 })
    expect(conversation.log.rows.map(({ data }) => JSON.parse(data).type)).toEqual([
      'message',
      'message.edited',
      'message.deleted',
    ])
    expect(conversation.log.amended.get(1)).toBeNull()
  })

  test('only the author edits, whatever the role of another member', () => {
    const conversation = after('alice')
    for (const user of ['owner', 'admin', 'bob'])
      expect(edit(conversation, user, 1)).toMatchObject(refused('notAllowed'))
    expect(edit(conversation, 'stranger', 1)).toMatchObject(refused('notFound'))
  })

  test('the author deletes, owners and admins too, and the tenant’s server', () => {
    expect(remove(after('alice'), 'bob', 1)).toMatchObject(refused('notAllowed'))
    for (const user of ['alice', 'owner', 'admin']) expect(remove(after('alice'), user, 1)).toMatchObject({ seq: 2 })
    expect(remove(after('alice'), '', 1, true)).toMatchObject({ seq: 2 })
  })

  test('a deleted message, an entry of another type and a seq without an entry get the same answer', () => {
    const conversation = after('alice')
    remove(conversation, 'owner', 1)
    for (const seq of [1, 2, 9]) {
      expect(edit(conversation, 'alice', seq)).toEqual({
        kind: 'refused',
        error: 'notFound',
        detail: 'no such message',
      })
      expect(remove(conversation, 'alice', seq)).toEqual({
        kind: 'refused',
        error: 'notFound',
        detail: 'no such message',
      })
    }
  })
})

describe('reading', () => {
  const read = (conversation: TestConversation, user: string, seq: number) =>
    conversation.apply(commandBy('conversation.read', { user }, { seq }))

  test('only moves forward, never past the end, and is published when it moved', () => {
    const conversation = new TestConversation(people)
    for (let n = 0; n < 3; n++) conversation.say('alice', 'x')
    expect(read(conversation, 'bob', 2)).toMatchObject({
      results: [{ data: '{"read":2,"unread":1,"mentions":0}' }],
      events: [{ kind: 'pub' }],
    })
    expect(read(conversation, 'bob', 1)).toMatchObject({
      results: [{ data: '{"read":2,"unread":1,"mentions":0}' }],
      events: [],
    })
    expect(read(conversation, 'bob', 9)).toMatchObject({ results: [{ data: '{"read":3,"unread":0,"mentions":0}' }] })
    expect(read(conversation, 'stranger', 1).results).toMatchObject([refused('notFound')])
  })

  test('of readers of a channel who are no members is not kept', () => {
    expect(read(new TestConversation(people, 'channel'), 'stranger', 0).results).toMatchObject([refused('notAllowed')])
  })

  test('is max(), in whatever order cursors arrive', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { minLength: 1 }), (cursors) => {
        const conversation = new TestConversation(people)
        for (let n = 0; n < 10; n++) conversation.say('alice', 'x')
        for (const seq of cursors) read(conversation, 'bob', seq)
        expect(conversation.members.get('bob')?.read).toBe(Math.min(10, Math.max(...cursors)))
      }),
    )
  })
})

describe('a member who joins later', () => {
  test('has seen nothing that was written before, and what they read afterwards', () => {
    const conversation = new TestConversation(people)
    for (let n = 0; n < 3; n++) conversation.say('alice', 'x')
    conversation.run('member.add', { server: true }, { members: ['dave'] })
    const [subscribed] = conversation.apply({
      kind: 'subscribe',
      user: 'alice',
      client: 'phone',
      joinLeave: false,
    }).results
    const { members } = JSON.parse(subscribed?.kind === 'subscribed' ? subscribed.data : '{}')
    expect(members).toContainEqual({ user: 'dave', role: 'member', read: 3, joined: 3 })
    expect(members).toContainEqual(expect.objectContaining({ user: 'bob', joined: 0 }))
  })
})

describe('ephemeral events', () => {
  test('joins, leaves and read cursors are published in a small conversation and not in a large one; typing always', () => {
    const users = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`user${n}`, 'member'] as const))
    const signalsIn = (count: number) => {
      const conversation = new TestConversation(users(count))
      conversation.say('user1', 'x')
      const at = { user: 'user0', client: 'phone' }
      return conversation
        .apply(
          { kind: 'subscribe', joinLeave: true, ...at },
          commandBy('conversation.read', at, { seq: 1 }),
          commandBy('conversation.typing', at),
          { kind: 'leave', last: true, ...at },
        )
        .events.map((signal) => (signal.kind === 'pub' ? JSON.parse(signal.data).type : signal.kind))
    }
    expect(signalsIn(largeConversation)).toEqual(['join', 'read', 'typing', 'leave'])
    expect(signalsIn(largeConversation + 1)).toEqual(['typing'])
  })

  test('typing is dropped when the message it announced is sent in the same turn, typing of others is not', () => {
    const { events: signals } = new TestConversation(people).apply(
      commandBy('conversation.typing', { user: 'alice', client: 'phone' }),
      commandBy('conversation.typing', { user: 'bob', client: 'laptop' }),
      { kind: 'send', user: 'alice', client: 'phone', content: { clientId: 'a', text: 'x' } },
    )
    expect(signals).toEqual([{ kind: 'pub', data: '{"type":"typing","user":"bob"}', except: 'laptop' }])
  })

  test('typing is not published to its author', () => {
    const { events: signals } = new TestConversation(people).apply(
      commandBy('conversation.typing', { user: 'alice', client: 'phone' }),
    )
    expect(signals).toEqual([{ kind: 'pub', data: '{"type":"typing","user":"alice"}', except: 'phone' }])
  })
})
