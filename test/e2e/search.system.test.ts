import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { apiKey, call, makeGroup, Person } from '../support/e2e/people.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

let system: System
let alice: Person
let bob: Person
let lunch: string

beforeAll(async () => {
  system = await System.start()
  ;[alice, bob] = await Promise.all([new Person(system, 'alice').connect(), new Person(system, 'bob').connect()])
  lunch = await makeGroup(system, ['alice', 'bob'])
})

afterAll(() => {
  for (const person of [alice, bob]) person?.leave()
  system?.abandon()
})

const page = z.object({ messages: z.array(z.object({ conversation: z.string(), seq: z.number(), text: z.string() })) })

/** The texts that a user finds. */
async function found(user: string, q: string): Promise<string[]> {
  const query = new URLSearchParams({ q, user }).toString()
  const answer = await call(system, apiKey, 'GET', `/v1/search/messages?${query}`)
  expect([answer.status, answer.status === 200 ? '' : answer.body]).toEqual([200, ''])
  return page.parse(answer.body).messages.map(({ text }) => text)
}

const finds = (user: string, q: string, ...texts: readonly string[]) =>
  until(
    `${user} finds ${texts.length} messages`,
    async () => JSON.stringify(await found(user, q)) === JSON.stringify(texts),
  )

test('a message is found by its words, by its new ones once it is edited, and not any more once it is deleted or its reader removed', async () => {
  await alice.send(lunch, 'm1', 'Crayfish at the harbour')
  await alice.send(lunch, 'm2', '東京タワー')
  await finds('bob', 'harbour', 'Crayfish at the harbour')
  await finds('bob', '東京', '東京タワー')
  expect(await found('carol', 'harbour')).toEqual([])
  const overSocket = page.parse(await bob.rpc('search.messages', { q: '"at the" harb*' }))
  expect(overSocket.messages).toMatchObject([{ conversation: lunch, seq: 1 }])

  await alice.rpc('message.edit', { conversation: lunch, seq: 1, text: 'Lobster at the harbour' })
  expect(await found('bob', 'crayfish')).toEqual([])
  await finds('bob', 'lobster', 'Lobster at the harbour')

  // At once, whatever Postgres has: the conversation decides.
  await call(system, apiKey, 'DELETE', `/v1/conversations/${lunch}/members/bob`)
  expect(await found('bob', 'lobster')).toEqual([])
  await alice.rpc('message.delete', { conversation: lunch, seq: 1 })
  expect(await found('alice', 'lobster')).toEqual([])
  expect(await found('alice', '東京')).toEqual(['東京タワー'])
})

test('a search without anything to look for is refused with the rule', async () => {
  for (const query of ['', 'q=%2B%2B', 'q=a&sort=relevance&cursor=x', 'limit=51&q=a']) {
    const answer = await call(system, apiKey, 'GET', `/v1/search/messages?${query}`)
    expect([query, answer.status]).toEqual([query, 400])
  }
})
