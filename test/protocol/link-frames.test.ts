import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StreamResult } from '../../src/protocol/stream.ts'
import { decodeAnswer, encodeAnswer, encodeFailure } from '../../src/protocol/link-frames.ts'

const info = fc.record({ user: fc.string(), client: fc.string() })
const data = fc.json()
const publication = fc.oneof(fc.record({ offset: fc.nat(), data, info }), fc.record({ offset: fc.nat(), data }))
const signal = fc.oneof(
  fc.record({ kind: fc.constant('pub' as const), data }),
  fc.record({ kind: fc.constant('join' as const), info }),
)
const result = fc.oneof(
  fc.record({ kind: fc.constant('done' as const), data }),
  fc.record({ kind: fc.constant('refused' as const), error: fc.constant('notFound' as const) }),
  fc.record({
    kind: fc.constant('subscribed' as const),
    epoch: fc.string(),
    offset: fc.nat(),
    top: fc.nat(),
    wasRecovering: fc.boolean(),
    recovered: fc.boolean(),
    publications: fc.array(publication),
    data,
  }),
)
const answer = fc.record({
  update: fc.record({
    epoch: fc.string(),
    after: fc.nat(),
    publications: fc.array(publication),
    events: fc.array(signal),
  }),
  behind: fc.boolean(),
  results: fc.array(result),
})

test('an answer arrives over a link as it left, also at a gateway that reads no lists', () => {
  fc.assert(
    fc.property(answer, fc.boolean(), (sent, hasLists) => {
      expect(decodeAnswer(encodeAnswer(sent, hasLists))).toEqual(JSON.parse(JSON.stringify(sent)))
    }),
  )
})

test('entries that a hundred subscribers missed alike are on a link once, and one list when it has arrived', () => {
  const missed = Array.from({ length: 20 }, (_, n) => ({ offset: n + 1, data: `{"text":"message ${n}"}` }))
  const back: StreamResult = {
    kind: 'subscribed',
    epoch: 'e',
    offset: 0,
    top: 20,
    wasRecovering: true,
    recovered: true,
    publications: missed,
    data: '{}',
  }
  const update = { epoch: 'e', after: 20, publications: [], events: [] }
  const text = encodeAnswer({ update, behind: false, results: Array.from({ length: 100 }, () => back) }, true)
  expect(text.split('message 7').length - 1).toBe(1)
  const { results } = decodeAnswer(text)
  const lists = new Set(results.map((result) => (result.kind === 'subscribed' ? result.publications : undefined)))
  expect([...lists]).toEqual([missed])
})

test('an answer that lost a line, or gained one, is no answer', () => {
  fc.assert(
    fc.property(answer, fc.boolean(), (sent, hasLists) => {
      const text = encodeAnswer(sent, hasLists)
      expect(() => decodeAnswer(`${text}\n{}`)).toThrow('lines')
      if (text.includes('\n')) expect(() => decodeAnswer(text.slice(0, text.lastIndexOf('\n')))).toThrow('lines')
    }),
  )
})

test('a call that failed says why', () => {
  expect(() => decodeAnswer(encodeFailure('the disk is full'))).toThrow('the disk is full')
})
