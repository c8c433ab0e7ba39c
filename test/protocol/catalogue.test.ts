import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { conversationChannel, inboxChannel, parseChannel, channelProblem } from '../../src/protocol/channels.ts'
import { closes, unsubscribes } from '../../src/protocol/close-codes.ts'
import { errors, refuse, type ErrorName } from '../../src/protocol/errors.ts'
import { problems, toProblem } from '../../src/protocol/problems.ts'
import { encodePublication, encodeRefusal } from '../../src/protocol/replies.ts'

const codesOf = (table: Readonly<Record<string, { readonly code: number }>>) =>
  Object.values(table).map(({ code }) => code)
const names = Object.keys(errors).filter((name): name is ErrorName => name in errors)

describe('the catalogue', () => {
  test('gives each refusal and each ending a code of its own', () => {
    for (const table of [errors, closes, unsubscribes]) expect(new Set(codesOf(table)).size).toBe(codesOf(table).length)
  })

  test('keeps to the protocol’s ranges', () => {
    for (const code of codesOf(errors)) expect(code < 400 ? code >= 100 : code < 2000).toBe(true)
    for (const code of codesOf(closes)) expect(code >= 3000 && code < 5000).toBe(true)
    for (const code of codesOf(unsubscribes)) expect(code >= 2000 && code < 3000).toBe(true)
  })

  test('ends connections with plain words of at most 123 bytes: SDKs ignore a code without them', () => {
    for (const { reason } of Object.values(closes)) {
      expect(reason).toMatch(/^[a-z][a-z ]{1,122}$/)
      expect(() => JSON.parse(reason)).toThrow()
    }
  })

  test('says every refusal over HTTP, and what is not yours as what is not', () => {
    for (const name of names) expect(Object.keys(problems)).toContain(toProblem(refuse(name)).name)
    expect(toProblem(refuse('permissionDenied')).name).toBe(toProblem(refuse('notFound')).name)
  })

  test('lets a refusal carry what is wrong and when to come back', () => {
    expect(JSON.parse(encodeRefusal(7, refuse('tooManyRequests', 'wait', 250)))).toEqual({
      id: 7,
      error: { code: 111, message: 'too many requests: wait', temporary: true, data: { retryAfterMs: 250 } },
    })
    expect(JSON.parse(encodeRefusal(7, refuse('notFound')))).toEqual({
      id: 7,
      error: { code: 404, message: 'no such conversation' },
    })
  })
})

describe('channels', () => {
  test('lead to what they were made of', () => {
    expect(parseChannel(conversationChannel('a-b_C9'))).toEqual({ kind: 'conversation', id: 'a-b_C9' })
    expect(parseChannel(inboxChannel('alice@example.com'))).toEqual({ kind: 'inbox', user: 'alice@example.com' })
  })

  test('of a tenant’s namespaces are plain topics', () => {
    const topic = { kind: 'topic', isPrivate: false, users: undefined }
    expect(parseChannel('cursors')).toEqual({ ...topic, namespace: 'default' })
    expect(parseChannel('conversation')).toEqual({ ...topic, namespace: 'default' })
    expect(parseChannel('orders:42:paid')).toEqual({ ...topic, namespace: 'orders' })
    expect(parseChannel('$orders:42')).toEqual({ ...topic, namespace: 'orders', isPrivate: true })
    expect(parseChannel('dialog:#42,43')).toEqual({ ...topic, namespace: 'dialog', users: ['42', '43'] })
  })

  test.each([
    ['badRequest', 'x'.repeat(256)],
    ['badRequest', 'orders:a b'],
    ['badRequest', 'orders:ä'],
    ['badRequest', 'orders:*'],
    ['badRequest', 'a/b'],
    ['badRequest', 'a&b'],
    ['badRequest', ''],
    ['unknownChannel', 'conversation:a/b'],
    ['unknownChannel', 'default:x'],
    ['unknownChannel', '$jobs:x'],
  ])('are refused as %s where the name is %s', (error, channel) => {
    expect(parseChannel(channel)).toBeUndefined()
    expect(channelProblem(channel).error).toBe(error)
  })

  test('of any other form mean nothing, and no text makes the reader fall', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string({ unit: 'binary' }).map((text) => `conversation:${text}`),
        ),
        (text) => {
          const channel = parseChannel(text)
          if (channel?.kind === 'conversation') expect(channel.id).toMatch(/^[\w-]{1,64}$/)
        },
      ),
    )
  })
})

test('a publication leaves out an offset of zero and a missing author, as the protocol wants', () => {
  expect(encodePublication({ offset: 0, data: '{}' })).toBe('{"data":{}}')
  expect(JSON.parse(encodePublication({ offset: 3, data: '{"a":1}', info: { user: '"', client: '' } }))).toEqual({
    offset: 3,
    data: { a: 1 },
    info: { user: '"', client: '' },
  })
})
