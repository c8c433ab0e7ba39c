import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseChannel, type TopicName } from '../../src/protocol/channels.ts'
import { newNamespace, type Allowed } from '../../src/protocol/namespaces-api.ts'
import {
  matches,
  mayPublish,
  mayReadHistory,
  maySeePresence,
  maySubscribe,
  type TopicCaller,
} from '../../src/topics/access.ts'
import { isDoneWithin } from '../support/speed.ts'

const channel = 'orders:42'
const nobody: TopicCaller = { user: '', capabilities: [], isSubscribed: false }
const alice: TopicCaller = { ...nobody, user: 'alice' }
const subscribed: TopicCaller = { ...nobody, isSubscribed: true }
const able: TopicCaller = { ...nobody, capabilities: [{ channels: ['orders:*'], allow: ['sub', 'pub', 'hst', 'prs'] }] }

const namespaceThat = (allowed: Allowed) =>
  newNamespace.parse({
    historySize: 1,
    presence: true,
    allow: {
      subscribe: allowed === 'subscribers' ? 'capability' : allowed,
      publish: allowed,
      history: allowed,
      presence: allowed,
    },
  })

const topicNamed = (text: string): TopicName => {
  const name = parseChannel(text)
  if (name?.kind !== 'topic') throw new Error(`${text} is no topic`)
  return name
}

/** Which of these four clients may publish, read history and see presence. */
const admitted = (allowed: Allowed) =>
  Object.entries({ nobody, alice, subscribed, able }).flatMap(([name, visitor]) => {
    const namespace = namespaceThat(allowed)
    const answers = [
      mayPublish(namespace, channel, visitor),
      mayReadHistory(namespace, channel, topicNamed(channel), visitor),
      maySeePresence(namespace, channel, topicNamed(channel), visitor),
    ]
    expect(new Set(answers.map((answer) => answer?.error)).size).toBe(1)
    return answers[0] === undefined ? [name] : []
  })

describe('the permissions of a namespace', () => {
  test.each<[Allowed, string[]]>([
    ['nobody', []],
    ['capability', ['able']],
    ['subscribers', ['subscribed', 'able']],
    ['users', ['alice', 'able']],
    ['anyone', ['nobody', 'alice', 'subscribed', 'able']],
  ])('that allows %s', (allowed, who) => {
    expect(admitted(allowed)).toEqual(who)
  })

  test('without history or presence no caller is refused for lack of permission: there is none to have', () => {
    const bare = newNamespace.parse({ allow: { history: 'anyone', presence: 'anyone' } })
    expect(mayReadHistory(bare, channel, topicNamed(channel), able)).toMatchObject({ error: 'notAvailable' })
    expect(maySeePresence(bare, channel, topicNamed(channel), able)).toMatchObject({ error: 'notAvailable' })
  })

  test('a capability is for its channels and its actions only', () => {
    const reader: TopicCaller = { ...alice, capabilities: [{ channels: ['orders:42', 'news'], allow: ['sub', 'hst'] }] }
    const namespace = namespaceThat('capability')
    expect(maySubscribe(namespace, channel, topicNamed(channel), reader)).toBeUndefined()
    expect(mayReadHistory(namespace, channel, topicNamed(channel), reader)).toBeUndefined()
    expect(mayPublish(namespace, channel, reader)).toMatchObject({ error: 'permissionDenied' })
    expect(mayReadHistory(namespace, 'orders:4', topicNamed('orders:4'), reader)).toMatchObject({
      error: 'permissionDenied',
    })
    expect(mayReadHistory(namespace, 'orders:420', topicNamed('orders:420'), reader)).toMatchObject({
      error: 'permissionDenied',
    })
  })

  test('a private channel opens by no capability, and a channel of named users for those only', () => {
    const open = namespaceThat('anyone')
    const may = (name: string, visitor: TopicCaller) =>
      maySubscribe(open, name, topicNamed(name), { ...visitor, capabilities: [{ channels: ['*'], allow: ['sub'] }] })
    expect(may('$orders:42', alice)).toMatchObject({ error: 'permissionDenied' })
    expect(may('dialog:#alice,bob', alice)).toBeUndefined()
    expect(may('dialog:#bob', alice)).toMatchObject({ error: 'permissionDenied' })
    expect(may('dialog:#', nobody)).toMatchObject({ error: 'permissionDenied' })
    expect(may('dialog:#alice', nobody)).toMatchObject({ error: 'permissionDenied' })
  })
})

test('in a channel that names its users, no other client reads along because the namespace is open to all', () => {
  const open = namespaceThat('anyone')
  const may = (name: string, visitor: TopicCaller) =>
    [mayReadHistory, maySeePresence].map((look) => look(open, name, topicNamed(name), visitor) === undefined)
  for (const name of ['$orders:42', 'orders:#bob']) {
    expect(may(name, alice)).toEqual([false, false])
    expect(may(name, { ...alice, isSubscribed: true })).toEqual([true, true])
  }
  expect(may('orders:#alice,bob', alice)).toEqual([true, true])
  expect(may('orders:#bob', able)).toEqual([true, true])
})

test('a pattern means what it looks like, however many stars it has, and takes no time over it', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'b', ':', '.', '*'), maxLength: 8 })
  const escape = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
  fc.assert(
    fc.property(piece, fc.string({ unit: fc.constantFrom('a', 'b', ':', '.'), maxLength: 12 }), (pattern, name) => {
      const oracle = new RegExp(`^${pattern.split('*').map(escape).join('.*')}$`, 's')
      expect(matches(pattern, name)).toBe(oracle.test(name))
    }),
    { numRuns: 2000 },
  )
  const worst = () => expect(matches(`${'a*'.repeat(120)}b`, 'a'.repeat(255))).toBe(false)
  expect(isDoneWithin(50, worst)).toBe(true)
})
