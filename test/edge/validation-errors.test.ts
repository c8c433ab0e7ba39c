import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { GivenJson, readGiven } from '../../src/protocol/given-json.ts'
import type { OperationDefinition } from '../../src/protocol/operation.ts'

interface Documented {
  readonly definitions: readonly OperationDefinition[]
}
interface Explained {
  readonly explain: (error: z.ZodError) => string
}
const at = (path: string) => new URL(`../../src/${path}`, import.meta.url).pathname
const { definitions }: Documented = await import(at('edge/openapi/openapi.ts'))
const { explain }: Explained = await import(at('protocol/explain.ts'))

/** Values of other types than a field has, and some that break bounds. */
const wrong: readonly unknown[] = [null, true, -1, 1.5, 1e12, '', 'x'.repeat(70_000), [], [null], {}, { nonsense: 1 }]
/** Words of the validator, which say nothing to a caller. */
const raw =
  /Invalid (?:input|option|string|key|value|discriminator)|expected|received|Too (?:big|small)|Unrecognized|NaN|undefined/

/** What is wrong with a value, or undefined. */
function fault(schema: z.ZodType, value: unknown): string | undefined {
  const read = readGiven(schema, new GivenJson(value, JSON.stringify(value)))
  return read.success ? undefined : explain(read.error)
}

/** The faults of a schema: nothing, another type of value, a field it does not have, and each field with each wrong value. */
function faultsOf(schema: z.ZodType, example: unknown): string[] {
  const base = typeof example === 'object' && example !== null && !Array.isArray(example) ? example : {}
  const fields = new Set([...Object.keys(base), ...('shape' in schema ? Object.keys(Object(schema.shape)) : [])])
  const values = [{}, { ...base, nonsense: 1 }, ...wrong]
  for (const field of fields) for (const value of wrong) values.push({ ...base, [field]: value })
  return values.map((value) => fault(schema, value)).filter((text) => text !== undefined)
}

const schemas = definitions.flatMap(({ id, params, query, headers, body, example }) =>
  Object.entries({ params, query, headers, body }).flatMap(([place, schema]) =>
    schema === undefined ? [] : [{ name: `${place} of ${id}`, schema, example: place === 'body' ? example?.body : {} }],
  ),
)

describe('an error of validation', () => {
  test.each(schemas)('names the field and the rule in words of our own: the $name', ({ schema, example }) => {
    const faults = faultsOf(schema, example)
    expect(faults.filter((text) => raw.test(text))).toEqual([])
    expect(faults.filter((text) => text.length > 1000 || text.trim() === '')).toEqual([])
  })

  test('says what a missing field must be, what was given, which fields there are, and what is wrong inside of a union', async () => {
    const { z } = await import('zod')
    const schema = z.strictObject({
      reason: z.string().max(5),
      state: z.enum(['on', 'off']).optional(),
      count: z.int().min(1).optional(),
      tags: z.array(z.string()).max(2).optional(),
      to: z.union([z.literal('start'), z.object({ offset: z.int() })]).optional(),
    })
    const of = (value: object) => fault(schema, { reason: 'r', ...value })
    expect(fault(schema, {})).toBe('reason: is required, and must be a string')
    expect(of({ reason: 7 })).toBe('reason: must be a string, got 7')
    expect(of({ reason: 'too long' })).toBe('reason: at most 5 characters, got 8')
    expect(of({ state: 'open' })).toBe('state: must be one of "on", "off", got "open"')
    expect(of({ count: 1.5 })).toBe('count: must be a whole number, got 1.5')
    expect(of({ count: 0 })).toBe('count: at least 1, got 0')
    expect(of({ tags: ['a', 'b', 'c'] })).toBe('tags: at most 2 items, got 3')
    expect(of({ to: 5 })).toBe('to: must be "start" or an object, got 5')
    expect(of({ to: { offset: 'x' } })).toBe('to: offset must be a number, got "x"')
    expect(of({ vrsion: 1 })).toBe('unknown field "vrsion"; the fields are reason, state, count, tags, to')
    expect(fault(schema, [])).toBe('must be an object, got a list')
  })

  test('is no obstacle to a request without a body, where no field of the body is required', () => {
    const closed = definitions.filter(
      ({ method, body, optionalBody, rawBody }) =>
        method === 'post' &&
        body !== undefined &&
        rawBody === undefined &&
        optionalBody !== true &&
        fault(body, {}) === undefined,
    )
    expect(closed.map(({ id }) => id)).toEqual([])
  })
})
