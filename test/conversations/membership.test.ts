import { describe, expect, test } from 'vitest'
import { decideCreate, directKey, type CreateDecision } from '../../src/conversations/create.ts'
import type { Actor, Conversation } from '../../src/conversations/types.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { commandBy } from '../support/conversation-command.ts'
import { refused, TestConversation } from '../support/conversation.ts'

const people = { owner: 'owner', admin: 'admin', alice: 'member' } as const
const as = (user: string) => ({ user, client: '', server: false })
const server = { user: '', client: '', server: true }

/** Runs one command; what it refused, or what it changed. */
function change(conversation: TestConversation, actor: Actor, name: string, input: object) {
  const top = conversation.log.top()
  const known = new Map(conversation.members.some(sizes.members).map((member) => [member.user, member]))
  const { results, events } = conversation.apply(commandBy(name, actor, input))
  if (results[0]?.kind === 'refused') return results[0]
  return {
    kind: 'accepted',
    rows: conversation.log.rows.slice(top),
    members: conversation.members.some(sizes.members).filter((member) => known.get(member.user) !== member),
    leaves: events.flatMap((event) => (event.kind === 'removed' ? [event.user] : [])),
  }
}

const add = (conversation: TestConversation, actor: Actor, members: readonly string[]) =>
  change(conversation, actor, 'member.add', { members })
const remove = (conversation: TestConversation, actor: Actor, user: string) =>
  change(conversation, actor, 'member.remove', { user })
const setRole = (conversation: TestConversation, actor: Actor, user: string, role: string) =>
  change(conversation, actor, 'member.role', { user, role })
const rename = (conversation: TestConversation, actor: Actor, name: string) =>
  change(conversation, actor, 'conversation.rename', { name })

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

  test('a deleted conversation begins anew, newer than before and in another epoch', () => {
    const conversation = made(decideCreate(undefined, wanted, 'e', 1))
    const again = decideCreate({ ...conversation, deletedAt: 2, version: 5 }, wanted, 'f', 3)
    expect(again).toMatchObject({ kind: 'created', conversation: { epoch: 'f', version: 6, createdAt: 3 } })
    expect(made(again).deletedAt).toBeUndefined()
  })

  test('two users name one conversation, in whatever order and whatever their names hold', () => {
    expect(directKey('acme', ['bob', 'alice'])).toBe(directKey('acme', ['alice', 'bob']))
    expect(directKey('acme', ['a', 'b,c'])).not.toBe(directKey('acme', ['a,b', 'c']))
    expect(directKey('acme', ['alice', 'bob'])).not.toBe(directKey('globex', ['alice', 'bob']))
  })
})

describe('adding', () => {
  test('is for owners, admins and the server', () => {
    for (const actor of [as('owner'), as('admin'), server])
      expect(add(new TestConversation(people), actor, ['bob'])).toMatchObject({ kind: 'accepted' })
    expect(add(new TestConversation(people), as('alice'), ['bob'])).toMatchObject(refused('notAllowed'))
    expect(add(new TestConversation(people), as('stranger'), ['stranger'])).toMatchObject(refused('notFound'))
  })

  test('in a channel every user may add themselves, and only themselves', () => {
    const conversation = new TestConversation(people, 'channel')
    expect(add(conversation, as('stranger'), ['stranger'])).toMatchObject({ kind: 'accepted' })
    expect(add(conversation, as('stranger'), ['stranger', 'friend'])).toMatchObject(refused('notAllowed'))
  })

  test('leaves those who are in as they are, and newcomers have read what was said before', () => {
    const conversation = new TestConversation(people)
    conversation.say('alice', 'one')
    const decision = add(conversation, as('owner'), ['admin', 'bob', 'carol'])
    expect(decision).toMatchObject({
      members: [
        { user: 'bob', role: 'member', read: 1 },
        { user: 'carol', role: 'member', read: 1 },
      ],
      rows: [{ seq: 2 }, { seq: 3 }],
    })
    expect(add(conversation, as('owner'), ['admin'])).toMatchObject({ rows: [], members: [] })
  })

  test('ends where a conversation is full', () => {
    const conversation = new TestConversation(people)
    const crowd = (count: number) => Array.from({ length: count }, (_, n) => `user${n}`)
    expect(add(conversation, server, crowd(sizes.members - 3))).toMatchObject({ kind: 'accepted' })
    expect(add(conversation, server, crowd(sizes.members - 2))).toMatchObject(refused('limitExceeded'))
  })
})

describe('removing and renaming', () => {
  test('every member may leave; owners, admins and the server remove others', () => {
    const conversation = new TestConversation(people)
    expect(remove(new TestConversation(people), as('alice'), 'alice')).toMatchObject({ leaves: ['alice'] })
    for (const actor of [as('owner'), as('admin'), server])
      expect(remove(new TestConversation(people), actor, 'alice')).toMatchObject({ leaves: ['alice'] })
    expect(remove(conversation, as('alice'), 'owner')).toMatchObject(refused('notAllowed'))
    expect(remove(conversation, as('admin'), 'owner')).toMatchObject(refused('notAllowed'))
    expect(remove(new TestConversation(people), as('owner'), 'owner')).toMatchObject({ leaves: ['owner'] })
    expect(remove(conversation, as('owner'), 'nobody')).toMatchObject(refused('notFound'))
    expect(remove(conversation, as('stranger'), 'stranger')).toMatchObject(refused('notFound'))
  })

  const leaving = (
    members: Readonly<Record<string, 'owner' | 'admin' | 'member'>>,
    joined: Readonly<Record<string, number>> = {},
  ) => {
    const conversation = new TestConversation(members)
    for (const [user, joinedAt] of Object.entries(joined)) {
      const member = conversation.members.get(user)
      if (member !== undefined) conversation.members.put({ ...member, joinedAt })
    }
    return conversation
  }

  test('the last owner who leaves is followed by the longest-standing admin', () => {
    const conversation = leaving(
      { owner: 'owner', ada: 'admin', bea: 'admin', cy: 'member' },
      { ada: 900, bea: 800, cy: 1 },
    )
    expect(remove(conversation, as('owner'), 'owner')).toMatchObject({
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
      expect(remove(new TestConversation(members), as('owner'), 'owner')).toMatchObject({
        rows: [{ seq: 1 }],
        members: [],
      })
  })

  test('the last owner gives the role up only after another member holds it', () => {
    for (const actor of [as('owner'), server])
      expect(setRole(new TestConversation(people), actor, 'owner', 'member')).toMatchObject({
        ...refused('conflict'),
        detail: 'role: owner is the last owner; make another member owner first',
      })
    const two = new TestConversation({ owner: 'owner', other: 'owner' })
    expect(setRole(two, as('owner'), 'owner', 'member')).toMatchObject({
      members: [{ user: 'owner', role: 'member' }],
    })
  })

  test('a direct conversation keeps its members and has no name', () => {
    const conversation = new TestConversation({ alice: 'member', bob: 'member' }, 'direct')
    expect(add(conversation, server, ['carol'])).toMatchObject(refused('notAllowed'))
    expect(remove(conversation, as('alice'), 'alice')).toMatchObject(refused('notAllowed'))
    expect(rename(conversation, server, 'Us')).toMatchObject(refused('notAllowed'))
  })

  test('owners and the server give roles, and a role that a member has already is no update', () => {
    const conversation = new TestConversation(people)
    for (const actor of [as('owner'), server])
      expect(setRole(new TestConversation(people), actor, 'alice', 'admin')).toMatchObject({
        rows: [{ seq: 1, data: expect.stringContaining('"type":"member.role"') }],
        members: [{ user: 'alice', role: 'admin' }],
      })
    for (const actor of [as('admin'), as('alice')])
      expect(setRole(conversation, actor, 'alice', 'admin')).toMatchObject(refused('notAllowed'))
    expect(setRole(conversation, as('stranger'), 'alice', 'admin')).toMatchObject(refused('notFound'))
    expect(setRole(conversation, as('owner'), 'nobody', 'admin')).toMatchObject(refused('notFound'))
    expect(setRole(conversation, as('owner'), 'admin', 'admin')).toMatchObject({ rows: [], members: [] })
    const pair = new TestConversation({ alice: 'member', bob: 'member' }, 'direct')
    expect(setRole(pair, server, 'alice', 'owner')).toMatchObject(refused('notAllowed'))
  })

  test('a user outside a direct conversation learns from no refusal that it exists', () => {
    const conversation = new TestConversation({ alice: 'member', bob: 'member' }, 'direct')
    const mallory = as('mallory')
    for (const decision of [
      add(conversation, mallory, ['mallory']),
      remove(conversation, mallory, 'mallory'),
      rename(conversation, mallory, 'Us'),
      setRole(conversation, mallory, 'alice', 'owner'),
    ])
      expect(decision).toEqual({ kind: 'refused', error: 'notFound' })
  })

  test('no anonymous user joins a channel', () => {
    expect(add(new TestConversation(people, 'channel'), as(''), [''])).toMatchObject(refused('notFound'))
  })

  test('a new name is an entry that is published to all', () => {
    const decision = rename(new TestConversation(people), as('admin'), 'Dinner')
    expect(decision).toMatchObject({ rows: [{ seq: 1, data: expect.stringContaining('"conversation.renamed"') }] })
    expect(rename(new TestConversation(people), as('alice'), 'Mine')).toMatchObject(refused('notAllowed'))
  })
})
