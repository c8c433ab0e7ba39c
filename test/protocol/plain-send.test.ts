import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GivenJson, readGiven } from '../../src/protocol/given-json.ts'
import { parseFrame } from '../../src/protocol/parse-frame.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { sendPayload } from '../../src/protocol/payloads.ts'
import { plainSend } from '../../src/conversations/commands/send-message.ts'

const good = { conversation: 'lunch', clientId: 'c1', text: 'hello' }

/** Values at the edges of what a message may hold, and beyond them. */
const odd = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 70 }),
  fc.constantFrom(
    '',
    ' ',
    '\n',
    'a\u0000b',
    'a\u202eb',
    '\ud800',
    'é'.repeat(9000),
    '€'.repeat(5461),
    '€'.repeat(5462),
  ),
  fc.constantFrom('x'.repeat(64), 'x'.repeat(65), 'x'.repeat(sizes.textBytes), 'x'.repeat(sizes.textBytes + 1)),
  fc.constantFrom(null, 7, true, [], {}),
)
const payload = fc.oneof(
  fc.record({ conversation: fc.oneof(fc.constant('lunch'), odd), clientId: odd, text: odd }),
  fc.record({ ...Object.fromEntries(Object.keys(good).map((key) => [key, odd])), replyTo: odd }, { requiredKeys: [] }),
  fc.constantFrom(good, { ...good, more: 1 }, { conversation: 'lunch', clientId: 'c1', mentions: [] }),
  fc.anything(),
)

const bySchema = (data: unknown) => readGiven(sendPayload, new GivenJson(data, () => JSON.stringify(data)))

describe('a message of text alone', () => {
  test('is read without the schema', () => expect(plainSend(good)).toEqual(good))

  test('is what the schema makes of it, and nothing is that the schema refuses', () => {
    let plain = 0
    fc.assert(
      fc.property(payload, (data) => {
        const read = plainSend(data)
        if (read === undefined) return
        plain++
        expect(bySchema(data).data).toEqual(read)
      }),
      { numRuns: 3000 },
    )
    expect(plain).toBeGreaterThan(50)
  })

  test('is found whenever the schema finds three such fields', () => {
    fc.assert(
      fc.property(payload, (data) => {
        const parsed = bySchema(data)
        const threeFields = typeof data === 'object' && data !== null && Object.keys(data).length === 3
        if (parsed.success && threeFields) expect(plainSend(data)).toEqual(parsed.data)
      }),
    )
  })
})

test('an rpc is read alike with and without its schema', () => {
  const rpc = (request: unknown) => parseFrame(JSON.stringify({ id: 1, rpc: request }))
  const read = rpc({ method: 'a', data: { b: 1 }, extra: true })
  expect(read).toMatchObject({
    kind: 'commands',
    commands: [{ kind: 'rpc', id: 1, request: { method: 'a', value: { b: 1 } } }],
  })
  const [command] = read.kind === 'commands' ? read.commands : []
  expect(command?.kind === 'rpc' && command.request.data()).toMatchObject({ value: { b: 1 }, text: '{"b":1}' })
  for (const wrong of [{}, { method: 7 }, { method: 'm'.repeat(256) }, [], 'method', 7])
    expect(rpc(wrong)).toMatchObject({ kind: 'malformed', reason: expect.stringMatching(/^rpc: /) })
})
