import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { largeConversation } from '../../src/conversations/state.ts'
import { commandBy, refused, TestRoom } from '../support/room.ts'

const people = { owner: 'owner', admin: 'admin', alice: 'member', bob: 'member' } as const

describe('sending', () => {
  test('gives each message the next place and tells everyone', () => {
    const room = new TestRoom(people)
    const turn = room.turn(
      { kind: 'send', user: 'alice', client: 'phone', content: { clientId: 'a', text: 'one' } },
      { kind: 'send', user: 'bob', client: 'desk', content: { clientId: 'a', text: 'two' } },
    )
    expect(turn.publications.map(({ offset, info }) => [offset, info])).toEqual([
      [1, { user: 'alice', client: 'phone' }],
      [2, { user: 'bob', client: 'desk' }],
    ])
    expect(room.log.rows.map(({ seq, user, clientId }) => [seq, user, clientId])).toEqual([
      [1, 'alice', 'a'],
      [2, 'bob', 'a'],
    ])
  })

  test('the same clientId of the same author again writes nothing, whatever it says now', () => {
    const room = new TestRoom(people)
    const first = room.say('alice', 'one', 'a')
    room.say('bob', 'two')
    expect(room.say('alice', 'something else', 'a')).toEqual({ ...Object(first), duplicate: true })
    expect(room.log.top()).toBe(2)
  })

  test('is for members, and in a channel strangers are told why', () => {
    expect(new TestRoom(people).say('stranger', 'x')).toMatchObject(refused('notFound'))
    expect(new TestRoom(people, 'channel').say('stranger', 'x')).toMatchObject(refused('notAllowed'))
  })

  test('refers to what was said before, not to what comes', () => {
    const room = new TestRoom(people)
    const send = (content: object) =>
      room.result({
        kind: 'send',
        user: 'alice',
        client: '',
        content: { clientId: JSON.stringify(content), text: 'x', ...content },
      })
    expect(send({ replyTo: 1 })).toMatchObject(refused('notFound'))
    room.say('bob', 'one')
    expect(send({ replyTo: 1, thread: 1 })).toMatchObject({ seq: 2 })
    expect(send({ thread: 3 })).toMatchObject(refused('notFound'))
  })

  test('however sends are repeated and mixed, each clientId has one place and places are dense', () => {
    const sends = fc.array(fc.tuple(fc.constantFrom('alice', 'bob'), fc.constantFrom('a', 'b', 'c', 'd')), {
      maxLength: 40,
    })
    fc.assert(
      fc.property(sends, (attempts) => {
        const room = new TestRoom(people)
        const places = new Map<string, number>()
        for (const [user, clientId] of attempts) {
          const answer: { seq: number; duplicate: boolean } = Object(room.say(user, 'x', clientId))
          const known = places.get(`${user} ${clientId}`)
          expect(answer.duplicate).toBe(known !== undefined)
          expect(answer.seq).toBe(known ?? places.size + 1)
          places.set(`${user} ${clientId}`, answer.seq)
        }
        expect(room.log.rows.map(({ seq }) => seq)).toEqual(Array.from({ length: places.size }, (_, n) => n + 1))
      }),
    )
  })
})

describe('editing and deleting', () => {
  const after = (...messages: string[]) => {
    const room = new TestRoom(people)
    for (const user of messages) room.say(user, `of ${user}`)
    return room
  }
  const edit = (room: TestRoom, user: string, seq: number) => room.run('message.edit', { user }, { seq, text: 'new' })
  const remove = (room: TestRoom, user: string, seq: number, server = false) =>
    room.run('message.delete', { user, server }, { seq })

  test('is an entry of its own, so that a returning client receives it', () => {
    const room = after('alice')
    expect(edit(room, 'alice', 1)).toEqual({ seq: 2, at: 1000 })
    expect(remove(room, 'alice', 1)).toEqual({ seq: 3, at: 1000 })
    expect(room.log.rows.map(({ data }) => JSON.parse(data).type)).toEqual([
      'message',
      'message.edited',
      'message.deleted',
    ])
    expect(room.log.amended.get(1)).toBeNull()
  })

  test('only the author edits, whatever the role of another member', () => {
    const room = after('alice')
    for (const user of ['owner', 'admin', 'bob']) expect(edit(room, user, 1)).toMatchObject(refused('notAllowed'))
    expect(edit(room, 'stranger', 1)).toMatchObject(refused('notFound'))
  })

  test('the author deletes, owners and admins too, and the tenant’s server', () => {
    expect(remove(after('alice'), 'bob', 1)).toMatchObject(refused('notAllowed'))
    for (const user of ['alice', 'owner', 'admin']) expect(remove(after('alice'), user, 1)).toMatchObject({ seq: 2 })
    expect(remove(after('alice'), '', 1, true)).toMatchObject({ seq: 2 })
  })

  test('what is gone, what is no message and what never was: the answer is the same', () => {
    const room = after('alice')
    remove(room, 'owner', 1)
    for (const seq of [1, 2, 9]) {
      expect(edit(room, 'alice', seq)).toEqual({ kind: 'refused', error: 'notFound', detail: 'no such message' })
      expect(remove(room, 'alice', seq)).toEqual({ kind: 'refused', error: 'notFound', detail: 'no such message' })
    }
  })
})

describe('reading', () => {
  const read = (room: TestRoom, user: string, seq: number) =>
    room.turn(commandBy('conversation.read', { user }, { seq }))

  test('only moves forward, never past the end, and is told when it moved', () => {
    const room = new TestRoom(people)
    for (let n = 0; n < 3; n++) room.say('alice', 'x')
    expect(read(room, 'bob', 2)).toMatchObject({
      results: [{ data: '{"read":2,"unread":1}' }],
      events: [{ kind: 'pub' }],
    })
    expect(read(room, 'bob', 1)).toMatchObject({ results: [{ data: '{"read":2,"unread":1}' }], events: [] })
    expect(read(room, 'bob', 9)).toMatchObject({ results: [{ data: '{"read":3,"unread":0}' }] })
    expect(read(room, 'stranger', 1).results).toMatchObject([refused('notFound')])
  })

  test('of readers of a channel who are no members is not kept', () => {
    expect(read(new TestRoom(people, 'channel'), 'stranger', 0).results).toMatchObject([refused('notAllowed')])
  })

  test('is max(), in whatever order cursors arrive', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(12), { minLength: 1 }), (cursors) => {
        const room = new TestRoom(people)
        for (let n = 0; n < 10; n++) room.say('alice', 'x')
        for (const seq of cursors) read(room, 'bob', seq)
        expect(room.members.get('bob')?.read).toBe(Math.min(10, Math.max(...cursors)))
      }),
    )
  })
})

describe('a member who joins later', () => {
  test('has seen nothing that was written before, and what they read afterwards', () => {
    const room = new TestRoom(people)
    for (let n = 0; n < 3; n++) room.say('alice', 'x')
    room.run('member.add', { server: true }, { members: ['dave'] })
    const [subscribed] = room.turn({ kind: 'subscribe', user: 'alice', client: 'phone', joinLeave: false }).results
    const { members } = JSON.parse(subscribed?.kind === 'subscribed' ? subscribed.data : '{}')
    expect(members).toContainEqual({ user: 'dave', role: 'member', read: 3, joined: 3 })
    expect(members).toContainEqual(expect.objectContaining({ user: 'bob', joined: 0 }))
  })
})

describe('what passes', () => {
  test('comings, goings and cursors are told in a small room and not in a large one; typing always', () => {
    const users = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`user${n}`, 'member'] as const))
    const signalsIn = (count: number) => {
      const room = new TestRoom(users(count))
      room.say('user1', 'x')
      const at = { user: 'user0', client: 'phone' }
      return room
        .turn(
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
    const { events: signals } = new TestRoom(people).turn(
      commandBy('conversation.typing', { user: 'alice', client: 'phone' }),
      commandBy('conversation.typing', { user: 'bob', client: 'laptop' }),
      { kind: 'send', user: 'alice', client: 'phone', content: { clientId: 'a', text: 'x' } },
    )
    expect(signals).toEqual([{ kind: 'pub', data: '{"type":"typing","user":"bob"}', except: 'laptop' }])
  })

  test('typing is not told to the one who types', () => {
    const { events: signals } = new TestRoom(people).turn(
      commandBy('conversation.typing', { user: 'alice', client: 'phone' }),
    )
    expect(signals).toEqual([{ kind: 'pub', data: '{"type":"typing","user":"alice"}', except: 'phone' }])
  })
})
