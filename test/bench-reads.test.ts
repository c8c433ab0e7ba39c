import { once } from 'node:events'
import { createServer } from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { expected, fault } from '../bench/reads/check.ts'
import { measure } from '../bench/reads/measure.ts'
import { readOptions } from '../bench/reads/options.ts'
import { requestsOf, type Measurement, type Order } from '../bench/reads/reading.ts'
import { readBy, conversationsOf, type WrittenConversation } from '../bench/reads/conversations.ts'
import { timesBetter } from '../bench/report/comparison.ts'
import { linesOf } from '../bench/reads/comparison.ts'

const closers: (() => void)[] = []
afterEach(() => closers.splice(0).forEach((close) => close()))

const shape = { people: 20, members: 10, conversations: 38, messages: 30, longConversations: 2, longMessages: 500 }

const written = (listed = 0): WrittenConversation[] =>
  conversationsOf({ ...shape, listed }).map((conversation, n) => ({
    ...conversation,
    id: `id-${n}`,
    log: Array.from({ length: conversation.messages }, (_, place) => ({
      seq: place + 1,
      at: n * 1000 + place,
      clientId: 'c',
    })),
  }))

test('each user is a member of the same number of conversations, and of none twice', () => {
  const conversations = conversationsOf(shape)
  const counts = new Map<string, number>()
  for (const { members } of conversations) {
    expect(new Set(members).size).toBe(10)
    for (const user of members) counts.set(user, (counts.get(user) ?? 0) + 1)
  }
  expect(new Set(counts.values())).toEqual(new Set([20]))
})

test('an author has read everything, every other member less, and none the same', () => {
  const [conversation] = conversationsOf(shape)
  const read = conversation?.members.map((user) => readBy(conversation, user)) ?? []
  expect(Math.max(...read)).toBe(conversation?.messages)
  expect(new Set(read).size).toBe(10)
})

test('old pages lie within what is cached together, and before what an actor holds', () => {
  const pages = requestsOf('old', written(), 300)
  expect(pages.map(({ before }) => before)).toEqual([101, 201, 301, 101, 201, 301])
})

test('the conversations of the pair are in the long lists only, of which each shows the newest fifty', () => {
  const conversations = written(60)
  const readers = (reading: 'list' | 'longList') =>
    new Set(requestsOf(reading, conversations, 0).map(({ user }) => user))
  expect(readers('longList')).toEqual(new Set(['pair-author', 'pair-reader']))
  expect(readers('list')).toEqual(new Set(requestsOf('list', written(), 0).map(({ user }) => user)))
  const list = expected('longList', { user: 'pair-reader' }, conversations)
  expect(list).toMatchObject({ conversations: { length: 50, 0: { name: 'conversation of the pair 59', unread: 3 } } })
})

test('an answer that was written is found right, and any other one is reported', () => {
  const conversations = written()
  const [request] = requestsOf('newest', conversations, 0)
  if (request === undefined) throw new Error('there is a conversation')
  const asked = { reading: 'newest' as const, request, conversations }
  const right = JSON.stringify(expected('newest', request, conversations))
  expect(fault(asked, 'http', right)).toBeUndefined()
  expect(fault(asked, 'http', right.replace('conversation 0, 500', 'conversation 0, 501'))).toContain('instead of')
  expect(fault(asked, 'http', '{"messages":[]}')).toContain('instead of')
  expect(fault(asked, 'http', '{"sorry":1}')).toBeDefined()
})

test('a sum of unread counts is the same, given or added up', () => {
  const conversations = written()
  const request = { user: conversations[0]?.members[0] ?? '' }
  const asked = { reading: 'unread' as const, request, conversations }
  const sum = expected('unread', request, conversations)
  const parts = expected('list', request, conversations)
  expect(fault(asked, 'http', JSON.stringify(sum))).toBeUndefined()
  expect(fault(asked, 'http', JSON.stringify(parts))).toBeUndefined()
  expect(fault(asked, 'http', '{"unread":0}')).toContain('instead of')
})

/** A server that says `answers` in turn, each in two pieces. */
async function serverSaying(...answers: string[]): Promise<Order> {
  let asked = 0
  const http = createServer((_, response) => {
    const body = answers[asked++ % answers.length] ?? ''
    response.writeHead(200, { 'content-length': Buffer.byteLength(body) })
    response.write(body.slice(0, 3))
    setImmediate(() => response.end(body.slice(3)))
  }).listen(0, '127.0.0.1')
  await once(http, 'listening')
  closers.push(
    () => http.closeAllConnections(),
    () => void http.close(),
  )
  const address = http.address()
  const url = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`
  const questions = [{ user: 'ada', ask: '/', answer: 'grüezi' }]
  return { url, over: 'http', tokens: { ada: 't' }, questions, inFlight: 2, warmUpSeconds: 0, seconds: 1 }
}

test('the load measures what is answered right, and ends at the first wrong answer', async () => {
  const { perSecond, medianMs, answers } = await measure(await serverSaying('grüezi'))
  expect(perSecond).toBeGreaterThan(0)
  expect(medianMs).toBeGreaterThan(0)
  expect(answers).toBeGreaterThan(1)
  await expect(measure(await serverSaying('grüezi', 'grüezi', 'salut'))).rejects.toThrow('a wrong answer')
})

test('the table says how much better each way is, whichever way a figure points', () => {
  const of = (perSecond: number, medianMs: number): Measurement => ({
    perSecond,
    medianMs,
    p99Ms: medianMs,
    loadCores: 0,
    answerBytes: 1,
    answers: 1,
    serverUs: 1,
    cacheHits: 0,
  })
  const run = (way: 'postgres' | 'parley', measurement: Measurement) => ({
    round: 1,
    reading: 'newest' as const,
    way,
    inFlight: 32,
    outcome: { kind: 'measured' as const, measurement },
  })
  const lines = linesOf({ runs: [run('postgres', of(1000, 4)), run('parley', of(3000, 2))] })
  const better = (label: string) => {
    const line = lines.find(({ what }) => what.includes(label))
    return line && timesBetter(line, 'Parley, HTTP', 'Postgres directly')
  }
  expect([better('per second'), better('p50')]).toEqual([3, 2])
})

test('the command line is read, and a mistake in it is named', () => {
  expect(readOptions(['--reading', 'old,list', '--in-flight', '1,8'])).toMatchObject({
    reading: ['old', 'list'],
    'in-flight': [1, 8],
    medium: 'tmpfs',
    rounds: 3,
  })
  expect(readOptions(['--help'])).toBeUndefined()
  expect(() => readOptions(['--reading', 'other'])).toThrow(/reading/)
})
