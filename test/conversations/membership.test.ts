import { describe, expect, test } from 'vitest'
import { decideCreate, directKey, type CreateDecision } from '../../src/conversations/create.ts'
import type { Actor, Conversation } from '../../src/conversations/types.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { commandBy, refused, TestRoom } from '../support/room.ts'

const people = { owner: 'owner', admin: 'admin', alice: 'member' } as const
const as = (user: string) => ({ user, client: '', server: false })
const server = { user: '', client: '', server: true }

/** Runs one command; what it refused, or what it changed. */
function change(room: TestRoom, actor: Actor, name: string, input: object) {
  const top = room.log.top()
  const known = new Map(room.members.some(sizes.members).map((member) => [member.user, member]))
  const { results, events } = room.turn(commandBy(name, actor, input))
  if (results[0]?.kind === 'refused') return results[0]
  return {
    kind: 'accepted',
    rows: room.log.rows.slice(top),
    members: room.members.some(sizes.members).filter((member) => known.get(member.user) !== member),
    leaves: events.flatMap((event) => (event.kind === 'removed' ? [event.user] : [])),
  }
}

const add = (room: TestRoom, actor: Actor, members: readonly string[]) => change(room, actor, 'member.add', { members })
const remove = (room: TestRoom, actor: Actor, user: string) => change(room, actor, 'member.remove', { user })
const setRole = (room: TestRoom, actor: Actor, user: string, role: string) =>
  change(room, actor, 'member.role', { user, role })
const rename = (room: TestRoom, actor: Actor, name: string) => change(room, actor, 'conversation.rename', { name })

/** The conversation that a decision made or found. */
function made(decision: CreateDecision): Conversation {
  if (decision.kind === 'refused') throw new Error(decision.error)
  return decision.conversation
}

describe('creating', () => {
  const wanted = {
    tenant: 'acme',
    id: 'x',
    type: 'group' as const,
    name: 'Lunch',
    members: ['alice', 'bob'],
    createdBy: 'alice',
  }

  test('the creator of a group owns it; a direct conversation has no owner', () => {
    const rolesOf = (type: 'group' | 'direct') => {
      const made = decideCreate(undefined, { ...wanted, type }, 'e', 1)
      return made.kind === 'created' ? made.members.map(({ role }) => role) : made.kind
    }
    expect(rolesOf('group')).toEqual(['owner', 'member'])
    expect(rolesOf('direct')).toEqual(['member', 'member'])
  })

  test('a repeat finds what is, with its own epoch', () => {
    const conversation = made(decideCreate(undefined, wanted, 'e', 1))
    expect(decideCreate(conversation, wanted, 'f', 2)).toEqual({ kind: 'exists', conversation })
  })

  test('what was deleted begins anew, newer than before and in another epoch', () => {
    const conversation = made(decideCreate(undefined, wanted, 'e', 1))
    const again = decideCreate({ ...conversation, deletedAt: 2, version: 5 }, wanted, 'f', 3)
    expect(again).toMatchObject({ kind: 'created', conversation: { epoch: 'f', version: 6, createdAt: 3 } })
    expect(made(again).deletedAt).toBeUndefined()
  })

  test('two people name one conversation, in whatever order and whatever their names hold', () => {
    expect(directKey('acme', ['bob', 'alice'])).toBe(directKey('acme', ['alice', 'bob']))
    expect(directKey('acme', ['a', 'b,c'])).not.toBe(directKey('acme', ['a,b', 'c']))
    expect(directKey('acme', ['alice', 'bob'])).not.toBe(directKey('globex', ['alice', 'bob']))
  })
})

describe('adding', () => {
  test('is for owners, admins and the server', () => {
    for (const actor of [as('owner'), as('admin'), server])
      expect(add(new TestRoom(people), actor, ['bob'])).toMatchObject({ kind: 'accepted' })
    expect(add(new TestRoom(people), as('alice'), ['bob'])).toMatchObject(refused('notAllowed'))
    expect(add(new TestRoom(people), as('stranger'), ['stranger'])).toMatchObject(refused('notFound'))
  })

  test('in a channel every user may add themselves, and only themselves', () => {
    const room = new TestRoom(people, 'channel')
    expect(add(room, as('stranger'), ['stranger'])).toMatchObject({ kind: 'accepted' })
    expect(add(room, as('stranger'), ['stranger', 'friend'])).toMatchObject(refused('notAllowed'))
  })

  test('leaves those who are in as they are, and newcomers have read what was said before', () => {
    const room = new TestRoom(people)
    room.say('alice', 'one')
    const decision = add(room, as('owner'), ['admin', 'bob', 'carol'])
    expect(decision).toMatchObject({
      members: [
        { user: 'bob', role: 'member', read: 1 },
        { user: 'carol', role: 'member', read: 1 },
      ],
      rows: [{ seq: 2 }, { seq: 3 }],
    })
    expect(add(room, as('owner'), ['admin'])).toMatchObject({ rows: [], members: [] })
  })

  test('ends where a conversation is full', () => {
    const room = new TestRoom(people)
    const crowd = (count: number) => Array.from({ length: count }, (_, n) => `user${n}`)
    expect(add(room, server, crowd(sizes.members - 3))).toMatchObject({ kind: 'accepted' })
    expect(add(room, server, crowd(sizes.members - 2))).toMatchObject(refused('limitExceeded'))
  })
})

describe('removing and renaming', () => {
  test('every member may leave; owners, admins and the server remove others', () => {
    const room = new TestRoom(people)
    expect(remove(new TestRoom(people), as('alice'), 'alice')).toMatchObject({ leaves: ['alice'] })
    for (const actor of [as('owner'), as('admin'), server])
      expect(remove(new TestRoom(people), actor, 'alice')).toMatchObject({ leaves: ['alice'] })
    expect(remove(room, as('alice'), 'owner')).toMatchObject(refused('notAllowed'))
    expect(remove(room, as('admin'), 'owner')).toMatchObject(refused('notAllowed'))
    expect(remove(new TestRoom(people), as('owner'), 'owner')).toMatchObject({ leaves: ['owner'] })
    expect(remove(room, as('owner'), 'nobody')).toMatchObject(refused('notFound'))
    expect(remove(room, as('stranger'), 'stranger')).toMatchObject(refused('notFound'))
  })

  const leaving = (
    members: Readonly<Record<string, 'owner' | 'admin' | 'member'>>,
    joined: Readonly<Record<string, number>> = {},
  ) => {
    const room = new TestRoom(members)
    for (const [user, joinedAt] of Object.entries(joined)) {
      const member = room.members.get(user)
      if (member !== undefined) room.members.put({ ...member, joinedAt })
    }
    return room
  }

  test('the last owner who leaves is followed by the longest-standing admin', () => {
    const room = leaving({ owner: 'owner', ada: 'admin', bea: 'admin', cy: 'member' }, { ada: 900, bea: 800, cy: 1 })
    expect(remove(room, as('owner'), 'owner')).toMatchObject({
      rows: [
        { seq: 1, data: expect.stringMatching(/"type":"member.role".*"member":"bea","role":"owner"/) },
        { seq: 2, data: expect.stringContaining('"type":"member.left"') },
      ],
      members: [{ user: 'bea', role: 'owner' }],
      leaves: ['owner'],
    })
  })

  test('without admins the longest-standing member follows, and of those who came together the first by name', () => {
    expect(remove(leaving({ owner: 'owner', ada: 'member', bea: 'member' }), server, 'owner')).toMatchObject({
      members: [{ user: 'ada', role: 'owner' }],
    })
  })

  test('an owner beside another one leaves alone, and so does the last member', () => {
    for (const members of [{ owner: 'owner', other: 'owner', ada: 'admin' }, { owner: 'owner' }] as const)
      expect(remove(new TestRoom(members), as('owner'), 'owner')).toMatchObject({
        rows: [{ seq: 1 }],
        members: [],
      })
  })

  test('the last owner gives the role up only after another member holds it', () => {
    for (const actor of [as('owner'), server])
      expect(setRole(new TestRoom(people), actor, 'owner', 'member')).toMatchObject({
        ...refused('conflict'),
        detail: 'role: owner is the last owner; make another member owner first',
      })
    const two = new TestRoom({ owner: 'owner', other: 'owner' })
    expect(setRole(two, as('owner'), 'owner', 'member')).toMatchObject({
      members: [{ user: 'owner', role: 'member' }],
    })
  })

  test('a direct conversation keeps its members and has no name', () => {
    const room = new TestRoom({ alice: 'member', bob: 'member' }, 'direct')
    expect(add(room, server, ['carol'])).toMatchObject(refused('notAllowed'))
    expect(remove(room, as('alice'), 'alice')).toMatchObject(refused('notAllowed'))
    expect(rename(room, server, 'Us')).toMatchObject(refused('notAllowed'))
  })

  test('owners and the server give roles, and what one is already is no news', () => {
    const room = new TestRoom(people)
    for (const actor of [as('owner'), server])
      expect(setRole(new TestRoom(people), actor, 'alice', 'admin')).toMatchObject({
        rows: [{ seq: 1, data: expect.stringContaining('"type":"member.role"') }],
        members: [{ user: 'alice', role: 'admin' }],
      })
    for (const actor of [as('admin'), as('alice')])
      expect(setRole(room, actor, 'alice', 'admin')).toMatchObject(refused('notAllowed'))
    expect(setRole(room, as('stranger'), 'alice', 'admin')).toMatchObject(refused('notFound'))
    expect(setRole(room, as('owner'), 'nobody', 'admin')).toMatchObject(refused('notFound'))
    expect(setRole(room, as('owner'), 'admin', 'admin')).toMatchObject({ rows: [], members: [] })
    const pair = new TestRoom({ alice: 'member', bob: 'member' }, 'direct')
    expect(setRole(pair, server, 'alice', 'owner')).toMatchObject(refused('notAllowed'))
  })

  test('strangers do not hear from any refusal that a direct conversation is there', () => {
    const room = new TestRoom({ alice: 'member', bob: 'member' }, 'direct')
    const mallory = as('mallory')
    for (const decision of [
      add(room, mallory, ['mallory']),
      remove(room, mallory, 'mallory'),
      rename(room, mallory, 'Us'),
      setRole(room, mallory, 'alice', 'owner'),
    ])
      expect(decision).toEqual({ kind: 'refused', error: 'notFound' })
  })

  test('no anonymous user joins a channel', () => {
    expect(add(new TestRoom(people, 'channel'), as(''), [''])).toMatchObject(refused('notFound'))
  })

  test('a new name is an entry that all hear', () => {
    const decision = rename(new TestRoom(people), as('admin'), 'Dinner')
    expect(decision).toMatchObject({ rows: [{ seq: 1, data: expect.stringContaining('"conversation.renamed"') }] })
    expect(rename(new TestRoom(people), as('alice'), 'Mine')).toMatchObject(refused('notAllowed'))
  })
})
