import * as fc from 'fast-check'
import { expect, test } from 'vitest'
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

test('an answer arrives over a link as it left', () => {
  fc.assert(
    fc.property(answer, (sent) => {
      expect(decodeAnswer(encodeAnswer(sent))).toEqual(JSON.parse(JSON.stringify(sent)))
    }),
  )
})

test('an answer that lost a line, or gained one, is no answer', () => {
  fc.assert(
    fc.property(answer, (sent) => {
      const text = encodeAnswer(sent)
      expect(() => decodeAnswer(`${text}\n{}`)).toThrow('lines')
      if (text.includes('\n')) expect(() => decodeAnswer(text.slice(0, text.lastIndexOf('\n')))).toThrow('lines')
    }),
  )
})

test('a call that failed says why', () => {
  expect(() => decodeAnswer(encodeFailure('the disk is full'))).toThrow('the disk is full')
})
