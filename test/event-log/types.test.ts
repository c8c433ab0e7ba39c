import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { gaps, incompatibilities } from '../../src/event-log/types/compatibility.ts'
import { registerVersion, type EventType, type TypeVersion } from '../../src/event-log/types/event-type.ts'
import { parseExpression } from '../../src/kernel/expression.ts'
import { CompiledType } from '../../src/event-log/types/known-types.ts'
import { badSchema, type Schema } from '../../src/kernel/json-schema/schema.ts'
import { compileSchema } from '../../src/kernel/json-schema/validator.ts'

const closed = (properties: Record<string, Schema>, required: readonly string[] = []): Schema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
})

const version = (number: number, schema: Schema, rest: Partial<TypeVersion> = {}): TypeVersion => ({
  version: number,
  schema: JSON.stringify(schema),
  compatibility: 'none',
  upcast: null,
  ...rest,
})

function typeOf(...versions: readonly TypeVersion[]): EventType {
  const type = 'order.placed'
  for (const [index, wanted] of versions.entries()) {
    const before = index === 0 ? undefined : { type, versions: versions.slice(0, index) }
    const registered = registerVersion(type, before, wanted)
    if (registered.kind !== 'registered') throw new Error(registered.detail)
  }
  return { type, versions }
}

describe('a schema of an event type', () => {
  test.each<[unknown, RegExp]>([
    [{ type: 'strin' }, /^schema\.type: one or several of/],
    [
      { properties: { a: { unevaluatedProperties: false } } },
      /^schema\.properties\.a\.unevaluatedProperties: this keyword/,
    ],
    [{ $ref: 'https://example.com/other' }, /^schema\.\$ref: must be/],
    [{ $ref: '#/$defs/a', $defs: { a: { allOf: [{ $ref: '#/$defs/a' }] } } }, /refers to itself/],
    [{ $ref: '#/$defs/b' }, /there is no \$defs\.b/],
    [{ pattern: '^(a+)+$', maxLength: 10 }, /a group cannot be repeated/],
    [{ pattern: '^a*a*a*$', maxLength: 10 }, /at most 2/],
    [{ pattern: 'a' }, /needs maxLength/],
    [{ items: true, uniqueItems: true }, /needs maxItems/],
    [{ $ref: '#/$defs/a', minimum: 2, $defs: { a: true } }, /not beside \$ref/],
    ['text', /an object or a boolean/],
  ])('%j is refused with the place and the rule', (schema, detail) => {
    expect(badSchema(schema)).toMatch(detail)
  })

  test('is held against data without code that is made at run time', () => {
    const check = compileSchema({
      type: 'object',
      properties: {
        id: { type: 'string', pattern: '^[a-z]+$', maxLength: 20 },
        total: { type: 'integer', minimum: 0 },
      },
      required: ['id'],
    })
    expect(check({ id: 'abc', total: 3 })).toBeUndefined()
    expect(check({ id: 'abc', total: -3 })).toMatch(/^data\.total: /)
    expect(check({ total: 3 })).toMatch(/^data: .*id/)
    expect(check({ id: '123' })).toMatch(/^data\.id: /)
    expect(check({ id: 'x'.repeat(50_000) })).toMatch(/^data\.id: /)
  })

  test('ends the check of data that would need too many subschemas', () => {
    const $defs: Record<string, Schema> = { a0: { type: 'object' } }
    for (let n = 1; n < 30; n++)
      $defs[`a${n}`] = { allOf: [{ $ref: `#/$defs/a${n - 1}` }, { $ref: `#/$defs/a${n - 1}` }] }
    const schema: Schema = { allOf: [{ $ref: '#/$defs/a29' }], $defs }
    expect(badSchema(schema)).toBeUndefined()
    expect(compileSchema(schema)({})).toMatch(/more than 20000 subschemas/)
  })
})

describe('compatibility', () => {
  test('backward allows an optional property in a closed object, and not a required one', () => {
    const before = closed({ id: { type: 'string' } }, ['id'])
    const optional = closed({ id: { type: 'string' }, note: { type: 'string' } }, ['id'])
    const required = closed({ id: { type: 'string' }, note: { type: 'string' } }, ['id', 'note'])
    expect(incompatibilities(before, optional, 'backward')).toEqual([])
    expect(incompatibilities(before, required, 'backward')[0]).toMatch(/required: note/)
    expect(incompatibilities(before, optional, 'forward')[0]).toMatch(/properties\/note/)
    expect(incompatibilities(before, required, 'none')).toEqual([])
    expect(incompatibilities(before, before, 'full')).toEqual([])
  })

  test('names the property that an open object accepted with any value', () => {
    const [before, next]: Schema[] = [{ type: 'object' }, { type: 'object', properties: { note: { type: 'string' } } }]
    expect(incompatibilities(before ?? true, next ?? true, 'backward')[0]).toMatch(/additionalProperties: false/)
  })

  test('compares recursive schemas', () => {
    const tree = (value: Schema): Schema => ({
      $ref: '#/$defs/node',
      $defs: { node: closed({ value, children: { type: 'array', items: { $ref: '#/$defs/node' } } }) },
    })
    expect(gaps(tree({ type: ['string', 'null'] }), tree({ type: 'string' }))).toEqual([])
    expect(gaps(tree({ type: 'string' }), tree({ type: ['string', 'null'] }))[0]).toMatch(/value\/type: null/)
  })

  const leaf: fc.Arbitrary<Schema> = fc.oneof(
    fc.constant<Schema>(true),
    fc.constantFrom('null', 'boolean', 'integer', 'number', 'string').map((type): Schema => ({ type })),
    fc
      .array(fc.constantFrom('null', 'integer', 'string'), { minLength: 1, maxLength: 3 })
      .map((type): Schema => ({ type })),
    fc
      .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 2, max: 5 }))
      .map(([minimum, maximum]): Schema => ({ type: 'number', minimum, maximum })),
    fc.integer({ min: 0, max: 3 }).map((exclusiveMinimum): Schema => ({ exclusiveMinimum })),
    fc.constantFrom(1, 2, 3).map((multipleOf): Schema => ({ type: 'integer', multipleOf })),
    fc.integer({ min: 0, max: 3 }).map((maxLength): Schema => ({ type: 'string', maxLength })),
    fc
      .uniqueArray(fc.constantFrom<unknown>(null, 1, 2, 'a', 'b'), { minLength: 1 })
      .map((values): Schema => ({ enum: values })),
  )
  const { schema: anySchema } = fc.letrec<{ schema: Schema }>((tie) => ({
    schema: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc
        .record({ items: tie('schema'), minItems: fc.integer({ min: 0, max: 2 }) })
        .map((rest): Schema => ({ type: 'array', ...rest })),
      fc
        .record({
          properties: fc.dictionary(fc.constantFrom('a', 'b', 'c'), tie('schema'), { maxKeys: 2 }),
          required: fc.uniqueArray(fc.constantFrom('a', 'b')),
          additionalProperties: fc.oneof(fc.boolean(), tie('schema')),
        })
        .map((rest): Schema => ({ type: 'object', ...rest })),
      fc.array(tie('schema'), { minLength: 1, maxLength: 2 }).map((anyOf): Schema => ({ anyOf })),
      fc.array(tie('schema'), { minLength: 1, maxLength: 2 }).map((oneOf): Schema => ({ oneOf })),
      fc.array(tie('schema'), { minLength: 1, maxLength: 2 }).map((allOf): Schema => ({ allOf })),
      tie('schema').map((not): Schema => ({ not })),
    ),
  }))
  const { data: anyData } = fc.letrec((tie) => ({
    data: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, 0, 1, 2, 3, 4, 2.5, '', 'a', 'b', 'abc'),
      fc.array(tie('data'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), tie('data'), { maxKeys: 3 }),
    ),
  }))

  test('that is found means that no data of the one is refused by the other', () => {
    fc.assert(
      fc.property(
        anySchema,
        anySchema,
        fc.array(anyData, { minLength: 5, maxLength: 20 }),
        (wanted, given, samples) => {
          fc.pre(gaps(wanted, given).length === 0)
          const [accepts, gives] = [compileSchema(wanted), compileSchema(given)]
          for (const data of samples)
            if (gives(data) === undefined) expect([data, accepts(data)]).toEqual([data, undefined])
        },
      ),
      { numRuns: 500 },
    )
  })

  test('of a schema with itself is always found', () => {
    fc.assert(
      fc.property(anySchema, (schema) => {
        expect(gaps(schema, structuredClone(schema))).toEqual([])
      }),
    )
  })
})

describe('an upcaster', () => {
  test.each([
    ['[@,@]|[@,@]|[@,@]|[@,@]|[@,@]', /more than 16 times/],
    ['[@,@,@,@]|([@,@,@,@]|([@,@,@,@]|length(to_string(@))))', /more than 16 times/],
    ['pad_left(@, `1000000000`)', /pad_left: this function is not supported/],
    ['{a: $}', /Root: not supported/],
    ['constructor', /constructor: this name cannot be used/],
    ['merge(@, {', /./],
    [`a${'.a'.repeat(600)}`, /at most 500 parts/],
  ])('%s is refused', (text, message) => {
    expect(() => parseExpression(text)).toThrow(message)
  })

  test.each<[string, unknown, unknown]>([
    ['merge(@, {currency: `"EUR"`})', { total: 0 }, { total: 0, currency: 'EUR' }],
    [
      '{id: orderId, lines: items[*].{sku: sku, count: quantity}}',
      { orderId: 7, items: [{ sku: 'a', quantity: 0 }] },
      { id: 7, lines: [{ sku: 'a', count: 0 }] },
    ],
    ['{cents: total * `100`, paid: state == `"paid"`}', { total: 2, state: 'paid' }, { cents: 200, paid: true }],
  ])('%s maps data', (text, data, result) => {
    expect(parseExpression(text).evaluate(data)).toEqual(result)
  })

  const type = new CompiledType(
    typeOf(
      version(1, closed({ total: { type: 'number' } }, ['total'])),
      version(2, closed({ cents: { type: 'number' } }, ['cents']), { upcast: '{cents: total * `100`}' }),
      version(3, closed({ cents: { type: 'number' }, currency: { type: 'string' } }, ['cents', 'currency']), {
        upcast: 'merge(@, {currency: `"EUR"`})',
      }),
      version(4, closed({ cents: { type: 'number' }, currency: { type: 'string' } }, ['cents']), {
        compatibility: 'backward',
      }),
    ),
  )

  test('of each version is applied once, so that data of any version becomes that of the version asked for', () => {
    expect(type.upcast('{"total":2}', 1, 3)).toEqual({
      kind: 'data',
      version: 3,
      data: '{"cents":200,"currency":"EUR"}',
    })
    expect(type.upcast('{"cents":200}', 2, 3)).toEqual({
      kind: 'data',
      version: 3,
      data: '{"cents":200,"currency":"EUR"}',
    })
    expect(type.upcast('{"total":  2}', 1, 1)).toEqual({ kind: 'data', version: 1, data: '{"total":  2}' })
    expect(type.upcast('{"cents":1}', 4, 2)).toEqual({ kind: 'data', version: 4, data: '{"cents":1}' })
  })

  test('applied step by step gives what the whole chain gives', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1000, max: 1000 }), fc.constantFrom(2, 3), (total, middle) => {
        const first = type.upcast(JSON.stringify({ total }), 1, middle)
        if (first.kind !== 'data') throw new Error(first.reason)
        expect(type.upcast(first.data, middle, 4)).toEqual(type.upcast(JSON.stringify({ total }), 1, 4))
      }),
    )
  })

  test('that fails says at which version and why', () => {
    expect(type.upcast('{"total":"two"}', 1, 3)).toMatchObject({
      kind: 'failed',
      reason: expect.stringMatching(/^upcast to version 2: /),
    })
    expect(type.upcast('{"other":1}', 1, 9)).toMatchObject({ kind: 'failed' })
    expect(type.upcast('{"cents":"x"}', 2, 3)).toMatchObject({
      kind: 'failed',
      reason: expect.stringMatching(/^upcast to version 3: data\.cents/),
    })
  })
})

describe('a registration', () => {
  const one = version(1, closed({ a: { type: 'string' } }))

  test('takes versions in order, each once, and the same again changes nothing', () => {
    const type = typeOf(one)
    expect(registerVersion('t', type, structuredClone(one))).toMatchObject({ kind: 'registered', isNew: false })
    expect(registerVersion('t', type, version(1, true))).toMatchObject({
      kind: 'conflict',
      detail: expect.stringMatching(/register version 2/),
    })
    expect(registerVersion('t', type, version(3, true))).toMatchObject({
      kind: 'conflict',
      detail: expect.stringMatching(/next version of t is 2/),
    })
  })

  test('of an incompatible schema names the place', () => {
    const next = version(2, closed({ a: { type: 'number' } }), { compatibility: 'full' })
    expect(registerVersion('t', typeOf(one), next)).toMatchObject({
      kind: 'bad',
      detail: expect.stringMatching(/^schema: not compatible with version 1; backward: \/properties\/a\/type/),
    })
  })

  test('of an incompatible schema with an upcaster says which compatibility to give', () => {
    const next = version(2, closed({ a: { type: 'number' } }), { compatibility: 'backward', upcast: '@' })
    expect(registerVersion('t', typeOf(one), next)).toMatchObject({
      detail: expect.stringMatching(/; with this upcaster give compatibility "none"$/),
    })
  })

  test('of an upcaster that is not an expression is refused', () => {
    const next = version(2, true, { upcast: 'a[' })
    expect(registerVersion('t', typeOf(one), next)).toMatchObject({
      kind: 'bad',
      detail: expect.stringMatching(/^upcast: /),
    })
    expect(registerVersion('t', undefined, version(1, true, { upcast: '@' }))).toMatchObject({ kind: 'bad' })
  })
})
