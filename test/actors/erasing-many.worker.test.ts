import { expect, test } from 'vitest'
import type { StreamCommand } from '../../src/protocol/stream.ts'
import { commandBy } from '../support/conversation-command.ts'
import { newTenant } from '../support/worker/tenant.ts'

const many = 10_000

test('ten thousand messages of a user are erased in many calls, none of which changes more than five hundred', async () => {
  const tenant = await newTenant()
  const conversation = tenant.actorOf(await tenant.group('alice', 'bob'))
  for (let first = 0; first < many; first += 1000) {
    const commands = Array.from({ length: 1000 }, (_, n): StreamCommand => {
      const content = { clientId: `m${first + n}`, text: 'secret' }
      return { kind: 'send', user: n % 10 === 0 ? 'bob' : 'alice', client: '', content }
    })
    await conversation.execute({ gateway: null, have: null, commands })
  }
  const erased = { user: 'alice', pseudonym: 'erased-x', messages: 'delete' } as const
  const eraseAll = async () => {
    const parts: number[] = []
    for (let cursor: string | null = ''; cursor !== null;) {
      const part: { erased: number; next: string | null } = await conversation.eraseUser(erased, cursor)
      parts.push(part.erased)
      cursor = part.next
    }
    return parts
  }
  const parts = await eraseAll()
  expect(Math.max(...parts)).toBeLessThanOrEqual(500)
  const theirs = (many / 10) * 9
  // The membership, and entries that name the user: the one of the creation is none.
  expect(parts.reduce((sum, part) => sum + part, 0)).toBeGreaterThanOrEqual(theirs + 1)
  // A second time nothing is found, and few calls look at everything.
  const again = await eraseAll()
  expect(again.filter((part) => part > 0)).toEqual([])
  expect(again.length).toBeLessThan(10)
  // The other member has nothing unread that was deleted.
  const { activity, states } = (await conversation.readStates(['bob'])) ?? {}
  expect(states).toMatchObject([{ user: 'bob', unread: 0 }])
  expect(activity?.members).toEqual(['bob'])
})

test('the ban of an erased user is forgotten, also where the user is no member any more', async () => {
  const tenant = await newTenant()
  const conversation = tenant.actorOf(await tenant.group('alice', 'bob'))
  const ban = { ...commandBy('member.ban', { server: true }, { user: 'bob' }) }
  await conversation.execute({ gateway: null, have: null, commands: [ban] })
  const bans = commandBy('conversation.bans', { server: true }, {})
  const listed = async () => (await conversation.execute({ gateway: null, have: null, commands: [bans] })).results
  expect(await listed()).toEqual([{ kind: 'done', data: '{"bans":[{"user":"bob","until":null}]}' }])
  for (let cursor: string | null = ''; cursor !== null;) {
    const erased = { user: 'bob', pseudonym: 'erased-x', messages: 'delete' } as const
    cursor = (await conversation.eraseUser(erased, cursor)).next
  }
  expect(await listed()).toEqual([{ kind: 'done', data: '{"bans":[]}' }])
})
