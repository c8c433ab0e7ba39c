import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { changeConversation, type ConversationChange } from '../../src/conversations/change.ts'
import { maxBans } from '../../src/conversations/bans.ts'
import { blockedWith, defaultGrid, rightBits, rightsOf } from '../../src/conversations/rights.ts'
import { rightNames, type Right } from '../../src/protocol/rights.ts'
import { refused, TestConversation } from '../support/conversation.ts'

const people = { olga: 'owner', adam: 'admin', mona: 'moderator', mia: 'member', rhea: 'reader' } as const
const as = (user: string) => ({ user })
const server = { server: true }

describe('rights', () => {
  test('each right is a bit of its own', () => {
    const bits = rightNames.map((name): number => rightBits[name])
    expect(bits.reduce((all, bit) => all | bit)).toBe(2 ** bits.length - 1)
    expect(bits.reduce((sum, bit) => sum + bit)).toBe(2 ** bits.length - 1)
  })

  test('a reader reads and does not write, and a moderator deletes messages of others and renames nothing', () => {
    const conversation = new TestConversation(people)
    conversation.say('mia', 'one')
    expect(conversation.say('rhea', 'x')).toMatchObject(refused('notAllowed'))
    expect(conversation.run('conversation.typing', as('rhea'))).toMatchObject(refused('notAllowed'))
    expect(conversation.run('conversation.get', as('rhea'))).toMatchObject({ id: 'lunch' })
    expect(conversation.run('conversation.rename', as('mona'), { name: 'x' })).toMatchObject(refused('notAllowed'))
    expect(conversation.run('message.delete', as('mia'), { seq: 1 })).toMatchObject({ seq: 2 })
    conversation.say('mia', 'two')
    expect(conversation.run('message.delete', as('mona'), { seq: 3 })).toMatchObject({ seq: 4 })
  })

  test('a grid of the tenant has roles of its own, and an empty one restores the default', () => {
    const conversation = new TestConversation(people)
    expect(conversation.run('conversation.rights', as('olga'), { roles: {} })).toMatchObject(refused('notAllowed'))
    const roles = { member: ['react'], speaker: ['send'] }
    expect(conversation.run('conversation.rights', server, { roles })).toMatchObject({ rights: roles })
    expect(conversation.say('mia', 'x')).toMatchObject(refused('notAllowed'))
    expect(conversation.run('member.role', as('olga'), { user: 'mia', role: 'speaker' })).toMatchObject({
      role: 'speaker',
    })
    expect(conversation.say('mia', 'x')).toMatchObject({ duplicate: false })
    expect(conversation.say('adam', 'x')).toMatchObject({ duplicate: false })
    expect(conversation.run('member.role', as('olga'), { user: 'mia', role: 'singer' })).toMatchObject(
      refused('invalidPayload'),
    )
    conversation.run('conversation.rights', server, { roles: {} })
    expect(conversation.conversation.rights).toBeUndefined()
    expect(conversation.say('mia', 'y')).toMatchObject(refused('notAllowed'))
  })

  test('a member neither gives rights that it lacks nor removes or bans one that has them', () => {
    const conversation = new TestConversation({ ...people, herb: 'herald' })
    const herald = ['setRoles', 'removeMembers', 'moderate', 'send', 'react']
    conversation.run('conversation.rights', server, { roles: { herald } })
    const give = (user: string, role: string) => conversation.run('member.role', as('herb'), { user, role })
    expect(give('mia', 'owner')).toMatchObject(refused('notAllowed'))
    expect(give('adam', 'reader')).toMatchObject(refused('notAllowed'))
    expect(give('mia', 'reader')).toMatchObject({ role: 'reader' })
    expect(conversation.run('member.remove', as('herb'), { user: 'adam' })).toMatchObject(refused('notAllowed'))
    expect(conversation.run('member.ban', as('herb'), { user: 'adam' })).toMatchObject(refused('notAllowed'))
    expect(conversation.run('member.remove', as('herb'), { user: 'mia' })).toEqual({})
  })

  /** The rule of a grid, without numbers. */
  const mayBy = (grid: Readonly<Record<string, readonly string[]>>, role: string, isFrozen: boolean, right: Right) => {
    const has = (one: Right) =>
      (grid[role] ?? Object.entries(defaultGrid).find(([name]) => name === role)?.[1] ?? []).includes(one)
    return has(right) && (!isFrozen || has('ignoreFreeze'))
  }

  test('whatever grid a tenant gives and however the conversation is frozen, a role writes exactly when the grid says so', () => {
    const role = fc.constantFrom('owner', 'admin', 'moderator', 'member', 'reader', 'speaker', 'singer')
    const grid = fc.dictionary(role, fc.uniqueArray(fc.constantFrom(...rightNames)), { maxKeys: 6 })
    const step: fc.Arbitrary<ConversationChange> = fc.oneof(
      fc.record({ frozen: fc.boolean() }),
      fc.record({ grid: fc.option(grid) }),
      fc.record({ topic: fc.option(fc.constantFrom('a', 'b')) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), role, (steps, mine) => {
        const conversation = new TestConversation({ me: mine })
        const applied = { results: [], publications: [], events: [] }
        for (const change of steps)
          changeConversation(conversation, { user: '', client: '', server: true }, change, applied)
        const frozen = steps.findLast((change) => change.frozen !== undefined)?.frozen === true
        const own = steps.findLast((change) => change.grid !== undefined)?.grid ?? {}
        const wrote = conversation.say('me', 'x')
        expect('seq' in Object(wrote)).toBe(mayBy(own, mine, frozen, 'send'))
      }),
      { numRuns: 200 },
    )
  })
})

describe('properties', () => {
  test('are changed with one entry, kept as they were given, and null removes them', () => {
    const conversation = new TestConversation(people)
    const properties = '{"id":12345678901234567890}'
    const change = { topic: 'Food', avatar: 'https://a.example/b.png', properties }
    const [result] = conversation.apply({
      user: 'olga',
      client: '',
      kind: 'command',
      name: 'conversation.update',
      input: change,
    }).results
    expect(result).toMatchObject({ kind: 'done', data: expect.stringContaining(`"properties":${properties}`) })
    expect(conversation.log.rows).toHaveLength(1)
    expect(conversation.log.rows[0]?.data).toContain(`"properties":${properties}`)
    conversation.run('conversation.update', as('olga'), change)
    expect(conversation.log.rows).toHaveLength(1)
    conversation.run('conversation.update', as('olga'), { topic: null, properties: null })
    expect(conversation.log.rows[1]?.data).toContain('"topic":null,"properties":null')
    expect(conversation.conversation).not.toMatchObject({ topic: 'Food' })
  })

  test('the name has an entry of its own, which earlier clients know', () => {
    const conversation = new TestConversation(people)
    conversation.run('conversation.update', as('adam'), { name: 'Dinner', topic: 'Food' })
    const types = conversation.log.rows.map(({ data }) => JSON.parse(data).type)
    expect(types).toEqual(['conversation.renamed', 'conversation.updated'])
  })

  test('the answer to a subscribe has them', () => {
    const conversation = new TestConversation(people)
    conversation.run('conversation.update', as('olga'), { topic: 'Food', properties: '{"n":1}', frozen: true })
    const { results } = conversation.apply({ user: 'mia', client: 'c', kind: 'subscribe', joinLeave: true })
    const [result] = results
    const data = result?.kind === 'subscribed' ? JSON.parse(result.data) : undefined
    expect(data).toMatchObject({ topic: 'Food', properties: { n: 1 }, frozen: true })
  })
})

describe('a blocked member of a direct conversation', () => {
  const block = (conversation: TestConversation, user: string, isBlocked: boolean): void => {
    const after = {
      ...conversation.conversation,
      ...blockedWith(conversation.conversation, conversation.members, user, isBlocked),
    }
    conversation.conversation = { ...after, rights: rightsOf(after) }
  }

  test('neither writes, edits, reacts, pins nor types, and gets the reason', () => {
    const conversation = new TestConversation({ ada: 'member', bob: 'member' }, 'direct')
    conversation.say('bob', 'one')
    block(conversation, 'bob', true)
    const commands = [
      ['message.edit', { seq: 1, text: 'y' }],
      ['message.react', { seq: 1, reaction: 'x' }],
      ['conversation.typing', {}],
    ] as const
    for (const [name, input] of commands)
      expect(conversation.run(name, as('bob'), input), name).toMatchObject(refused('blocked'))
    expect(conversation.say('bob', 'x')).toMatchObject(refused('blocked'))
    expect(conversation.say('ada', 'x')).toMatchObject({ duplicate: false })
    expect(conversation.run('conversation.typing', as('ada'))).toEqual({})
    expect(conversation.run('conversation.get', as('bob'))).not.toHaveProperty('blocked')
    conversation.close()
  })

  test('writes exactly while it is neither blocked nor the conversation frozen, whatever the tenant sets and in which order', () => {
    const user = fc.constantFrom('ada', 'bob')
    const steps = fc.array(
      fc.oneof(
        fc.record({ user, isBlocked: fc.boolean() }),
        fc.record({ frozen: fc.boolean() }),
        fc.record({ ignores: fc.boolean() }),
      ),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(steps, (all) => {
        const conversation = new TestConversation({ ada: 'member', bob: 'member' }, 'direct')
        const blocked = new Set<string>()
        let frozen = false
        let ignores = false
        for (const step of all) {
          if ('user' in step) {
            block(conversation, step.user, step.isBlocked)
            if (step.isBlocked) blocked.add(step.user)
            else blocked.delete(step.user)
          } else {
            const roles = 'ignores' in step && step.ignores ? { member: ['send', 'ignoreFreeze'] } : {}
            if ('ignores' in step) conversation.run('conversation.rights', server, { roles })
            else conversation.run('conversation.update', server, { frozen: step.frozen })
            if ('ignores' in step) ({ ignores } = step)
            else ({ frozen } = step)
          }
          for (const one of ['ada', 'bob']) {
            const expected = blocked.has(one) ? refused('blocked') : { duplicate: false }
            expect(conversation.say(one, 'x')).toMatchObject(
              frozen && !ignores && !blocked.has(one) ? refused('frozen') : expected,
            )
          }
        }
        const isPlain = blocked.size === 0 && !frozen && !ignores
        expect(conversation.conversation.rights === undefined).toBe(isPlain)
      }),
    )
  })
})

describe('freeze and slow mode', () => {
  test('in a frozen conversation only roles that ignore it write, and others get the reason', () => {
    const conversation = new TestConversation(people)
    conversation.say('mia', 'one')
    expect(conversation.run('conversation.update', as('mia'), { frozen: true })).toMatchObject(refused('notAllowed'))
    conversation.run('conversation.update', as('mona'), { frozen: true })
    expect(conversation.say('mia', 'x')).toMatchObject(refused('frozen'))
    expect(conversation.run('message.edit', as('mia'), { seq: 1, text: 'y' })).toMatchObject(refused('frozen'))
    expect(conversation.say('rhea', 'x')).toMatchObject(refused('notAllowed'))
    for (const user of ['olga', 'adam', 'mona']) expect(conversation.say(user, 'x')).toMatchObject({ duplicate: false })
    conversation.run('conversation.update', as('mona'), { frozen: false })
    expect(conversation.say('mia', 'x')).toMatchObject({ duplicate: false })
  })

  test('a member waits in slow mode, also after a restart, and moderators and the server do not', () => {
    const conversation = new TestConversation(people)
    conversation.say('mia', 'one')
    conversation.run('conversation.update', as('mona'), { slowModeSeconds: 10 })
    conversation.now += 4000
    expect(conversation.say('mia', 'x')).toMatchObject({ ...refused('slowMode'), retryAfterMs: 6000 })
    expect(conversation.say('mona', 'x')).toMatchObject({ duplicate: false })
    expect(conversation.say('mona', 'y')).toMatchObject({ duplicate: false })
    conversation.now += 6000
    expect(conversation.say('mia', 'x')).toMatchObject({ duplicate: false })
    expect(conversation.say('mia', 'x')).toMatchObject(refused('slowMode'))
    conversation.now = 0
    expect(conversation.say('mia', 'x')).toMatchObject({ duplicate: false })
    conversation.run('conversation.update', as('mona'), { slowModeSeconds: null })
    expect(conversation.say('mia', 'x')).toMatchObject({ duplicate: false })
  })

  test('however members write in slow mode, accepted messages of one are as far apart as it says', () => {
    const sends = fc.array(fc.tuple(fc.constantFrom('mia', 'max'), fc.nat(4000)), { maxLength: 40 })
    fc.assert(
      fc.property(sends, (attempts) => {
        const conversation = new TestConversation({ mia: 'member', max: 'member' })
        conversation.run('conversation.update', server, { slowModeSeconds: 5 })
        const last = new Map<string, number>()
        for (const [index, [user, pause]] of attempts.entries()) {
          conversation.now += pause
          const isDue = conversation.now - (last.get(user) ?? -Infinity) >= 5000
          const wrote = conversation.say(user, 'x', String(index))
          expect('seq' in Object(wrote)).toBe(isDue)
          if (isDue) last.set(user, conversation.now)
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('bans', () => {
  test('a banned member is removed and comes back neither by joining nor by being added, until the ban ends', () => {
    const conversation = new TestConversation(people, 'channel')
    const { events } = conversation.apply({
      user: 'mona',
      client: '',
      kind: 'command',
      name: 'member.ban',
      input: { user: 'mia', until: 9000, reason: 'Spam' },
    })
    expect(events).toMatchObject([{ kind: 'removed', user: 'mia' }])
    expect(conversation.members.get('mia')).toBeUndefined()
    expect(conversation.run('conversation.join', as('mia'))).toMatchObject(refused('banned'))
    expect(conversation.run('conversation.get', as('mia'))).toMatchObject(refused('banned'))
    expect(conversation.run('member.add', as('adam'), { members: ['zoe', 'mia'] })).toMatchObject(refused('banned'))
    expect(conversation.members.get('zoe')).toBeUndefined()
    expect(conversation.run('conversation.bans', as('mona'))).toEqual({ bans: [{ user: 'mia', until: 9000 }] })
    conversation.now = 9000
    expect(conversation.run('conversation.join', as('mia'))).toEqual({})
    expect(conversation.run('conversation.bans', as('mona'))).toEqual({ bans: [] })
  })

  test('an unbanned user may join again', () => {
    const conversation = new TestConversation(people, 'channel')
    conversation.run('member.ban', as('mona'), { user: 'mia' })
    expect(conversation.run('member.unban', as('mia'), { user: 'mia' })).toMatchObject(refused('banned'))
    conversation.run('member.unban', as('mona'), { user: 'mia' })
    expect(conversation.run('conversation.join', as('mia'))).toEqual({})
  })

  test('when the last owner is banned another member becomes owner', () => {
    const conversation = new TestConversation(people)
    expect(conversation.run('member.ban', as('mona'), { user: 'olga' })).toMatchObject(refused('notAllowed'))
    conversation.run('member.ban', server, { user: 'olga' })
    expect(conversation.members.get('adam')).toMatchObject({ role: 'owner' })
  })

  test('bans are bounded, and those that are over make room', () => {
    const conversation = new TestConversation(people)
    const ban = (user: string, until?: number) =>
      conversation.run('member.ban', as('mona'), { user, ...(until === undefined ? {} : { until }) })
    for (let n = 0; n < maxBans; n++) ban(`user-${n}`, 5000)
    expect(ban('one-more')).toMatchObject(refused('limitExceeded'))
    conversation.now = 6000
    expect(ban('one-more')).toEqual({ user: 'one-more', until: null })
  })

  test('a ban ends in the future, is of another user, and needs a group or channel', () => {
    const conversation = new TestConversation(people)
    expect(conversation.run('member.ban', as('mona'), { user: 'mia', until: 1000 })).toMatchObject(
      refused('invalidPayload'),
    )
    expect(conversation.run('member.ban', as('mona'), { user: 'mona' })).toMatchObject(refused('notAllowed'))
    const pair = new TestConversation({ mia: 'member', max: 'member' }, 'direct')
    expect(pair.run('member.ban', server, { user: 'mia' })).toMatchObject(refused('notAllowed'))
  })
})
