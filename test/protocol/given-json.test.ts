import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { carried, carriedBytes, onOneLine, uncarried } from '../../src/protocol/carried.ts'
import { GivenJson, jsonUpTo, readGiven } from '../../src/protocol/given-json.ts'
import { carry, GivenBytes, givenIn } from '../../src/protocol/publication-data.ts'
import { itemTexts, textAt } from '../../src/protocol/protobuf/json-text.ts'

const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 3 })
const name = fc.oneof(fc.constantFrom('"data"', String.raw`"d\u0061ta"`, '"publish"', '"__proto__"', '"1"', '"a\\"]}"'))

/** JSON text as others write it: with white space anywhere, repeated names, escapes, and numbers that no double holds. */
const jsonText = fc.letrec<{ value: string }>((tie) => ({
  value: fc
    .tuple(
      space,
      fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('12345678901234567890', '1.0', '1e400', '-0', 'null', 'true', '""', String.raw`"\u00e9\/\\"`),
        fc.json(),
        fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(',')}]`),
        fc
          .array(fc.tuple(space, name, space, tie('value')), { maxLength: 5 })
          .map((members) => `{${members.map(([a, key, b, value]) => `${a}${key}${b}:${value}`).join(',')}}`),
      ),
      space,
    )
    .map((parts) => parts.join('')),
})).value

describe('the text of a member', () => {
  test('is the one that JSON.parse reads the value from', () => {
    fc.assert(
      fc.property(jsonText, (data) => {
        const text = `{"publish":{"data":1,"other":${data}},"publish": {"data":2, "d\\u0061ta":${data},"x":[]},"z":1}`
        expect(textAt(text, ['publish', 'data'])).toBe(data.trim())
        const parsed: unknown = JSON.parse(data)
        if (typeof parsed !== 'object' || parsed === null) return
        if (Array.isArray(parsed)) {
          expect(itemTexts(data).map((item): unknown => JSON.parse(item))).toEqual(parsed)
          return
        }
        for (const [key, value] of Object.entries(parsed)) {
          const found = textAt(data, [key])
          expect(found === undefined ? undefined : JSON.parse(found)).toEqual(value)
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('is undefined where the last of repeated names does not have it', () => {
    expect(textAt('{"a":{"b":1},"a":{}}', ['a', 'b'])).toBeUndefined()
    expect(textAt('{"a":{"b":1},"a":7}', ['a', 'b'])).toBeUndefined()
  })
})

describe('carried data', () => {
  test('is the JSON text itself, unless it has line breaks or white space around it', () => {
    for (const text of ['{"a": 1.0}', '[1,\t2]', '"x"', '5', 'null']) expect(carried(text)).toBe(text)
  })

  test('is on one line, means the same to JSON subscribers, and gives Protobuf subscribers what came', () => {
    fc.assert(
      fc.property(jsonText, (text) => {
        const data = carried(text)
        expect(data).not.toMatch(/[\n\r]/)
        expect(JSON.parse(data)).toEqual(JSON.parse(text))
        expect(uncarried(data)).toBe(text)
        expect(JSON.parse(onOneLine(text))).toEqual(JSON.parse(text))
        expect(onOneLine(text)).not.toMatch(/[\t\n\r]/)
      }),
      { numRuns: 2000 },
    )
  })

  test('of bytes that are not JSON is JSON all the same, and comes out as those bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const data = carriedBytes(bytes)
        expect(JSON.parse(data)).toEqual({ b64data: Buffer.from(bytes).toString('base64') })
        expect(uncarried(data)).toEqual(bytes)
      }),
    )
  })

  test('never confuses bytes with JSON that looks like their form', () => {
    const text = JSON.stringify({ b64data: 'Ym9vbQ==' })
    for (const given of [text, ` ${text}`, `\t${text}`, `\n ${text}`, `${text}\n`])
      expect(uncarried(carried(given))).toBe(given)
  })

  test('is refused when it is too long or nested too deep', () => {
    expect(carry(new GivenJson(null, '1234567'), 6)).toEqual({ bad: 'at most 6 bytes of JSON' })
    expect(carry(new GivenBytes(new Uint8Array(7)), 6)).toEqual({ bad: 'at most 6 bytes' })
    const deep = `${'['.repeat(33)}${']'.repeat(33)}`
    expect(carry(givenIn(new TextEncoder().encode(deep)), 100)).toEqual({ bad: 'nested at most 32 levels deep' })
  })
})

describe('a schema with data that is passed on', () => {
  const data = jsonUpTo(20).optional()
  const schema = z.strictObject({ jobs: z.array(z.strictObject({ payload: data })), at: z.record(z.string(), data) })

  test('gives its text, in whichever place', () => {
    const text = '{"at":{"x": 1.0 ,"y":2},"jobs":[{"payload":1e400},{},{"payload": {"2":0,"1":0}}]}'
    expect(readGiven(schema, new GivenJson(JSON.parse(text), text)).data).toEqual({
      at: { x: '1.0', y: '2' },
      jobs: [{ payload: '1e400' }, {}, { payload: '{"2":0,"1":0}' }],
    })
  })

  test('names the place of what is too long', () => {
    const text = '{"at":{},"jobs":[{"payload":"0123456789012345678"}]}'
    const read = readGiven(schema, new GivenJson(JSON.parse(text), text))
    expect(read.error?.issues).toMatchObject([{ path: ['jobs', 0, 'payload'], message: 'at most 20 bytes of JSON' }])
  })

  test('is not used without the text', () => {
    expect(() => schema.safeParse({ jobs: [{ payload: 1 }], at: {} })).toThrow(/readGiven/)
  })
})
