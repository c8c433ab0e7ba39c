import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { requests } from '../../src/protocol/commands.ts'
import { withoutNulls } from '../../src/protocol/given-json.ts'
import { parseFrame } from '../../src/protocol/parse-frame.ts'
import { sizes } from '../../src/protocol/limits.ts'

const kindsIn = (frame: string) => {
  const parsed = parseFrame(frame)
  return parsed.kind === 'commands' ? parsed.commands.map(({ kind }) => kind) : parsed.reason
}

describe('a connect and a subscribe', () => {
  const given = (fields: Record<string, fc.Arbitrary<unknown>>) =>
    fc.record({ ...fields, mood: fc.constant(1) }, { requiredKeys: [] })
  const odd = fc.constantFrom<unknown>(null, -1, 1.5, 2 ** 53, '', [], {}, true, 'x'.repeat(300))
  const or = (usual: fc.Arbitrary<unknown>) => fc.oneof({ weight: 8, arbitrary: usual }, { weight: 1, arbitrary: odd })
  const position = { recover: or(fc.boolean()), offset: or(fc.nat()), epoch: or(fc.string({ maxLength: 70 })) }
  const connect = given({
    token: or(fc.string()),
    name: or(fc.string({ maxLength: 70 })),
    version: or(fc.string()),
    subs: or(
      fc.dictionary(fc.constantFrom('user:#a', 'b', '__proto__', 'constructor', 'x'.repeat(256)), or(given(position))),
    ),
  })
  const subscribe = given({
    channel: or(fc.string()),
    token: or(fc.string()),
    ...position,
    join_leave: or(fc.boolean()),
    flag: or(fc.nat(4)),
    type: or(fc.constantFrom(0, 1)),
    tf: odd,
  })

  test.each([
    ['connect', connect],
    ['subscribe', subscribe],
  ] as const)('read without its schema, a %s is what the schema makes of it', (kind, all) => {
    fc.assert(
      fc.property(all, (request) => {
        const text = JSON.stringify({ id: 1, [kind]: request })
        const sent: Record<string, unknown> = JSON.parse(text)
        const schema = requests[kind]
        const wanted = schema.safeParse(withoutNulls(schema, sent[kind]))
        const parsed = parseFrame(text)
        if (!wanted.success) expect(parsed.kind).toBe('malformed')
        else expect(parsed).toMatchObject({ kind: 'commands', commands: [{ kind, id: 1, request: wanted.data }] })
      }),
      { numRuns: 2000 },
    )
  })
})

describe('a frame', () => {
  test('holds one command a line, pongs among them, and empty lines mean nothing', () => {
    expect(kindsIn('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"x"}}\n\n{}\n')).toEqual([
      'connect',
      'subscribe',
      'pong',
    ])
  })

  test('of an SDK carries unknown fields, and they do no harm', () => {
    const frame = '{"id":1,"connect":{"name":"js","flag":3,"dict":"x","headers":{"a":"b"}},"mood":1}'
    expect(kindsIn(frame)).toEqual(['connect'])
  })

  test('holds as many commands as its bytes do', () => {
    const frame = Array.from({ length: 3000 }, (_, n) => `{"id":${n + 1},"ping":{}}`).join('\n')
    expect(kindsIn(frame)).toHaveLength(3000)
  })

  test('with null for what is not there means the other', () => {
    expect(kindsIn('{"id":1,"connect":null,"ping":{}}')).toEqual(['ping'])
  })

  test.each([
    ['frame too large', 'x'.repeat(sizes.frameBytes + 1)],
    ['empty frame', ''],
    ['not a JSON object', 'null'],
    ['not a JSON object', '[]'],
    ['not a JSON object', '{"id":1}x'],
    ['id is not an unsigned integer', '{"id":1.5,"ping":{}}'],
    ['id is not an unsigned integer', '{"id":"1","ping":{}}'],
    ['id is not an unsigned integer', '{"id":4294967296,"ping":{}}'],
    ['ping without an id', '{"ping":{}}'],
    ['unknown command', '{"id":1}'],
    ['unknown command', '{"id":1,"__proto__":{"ping":{}}}'],
  ])('is refused as: %s', (reason, frame) => expect(kindsIn(frame)).toBe(reason))

  test.each([
    ['{"id":1,"subscribe":{}}', 'channel'],
    ['{"id":1,"subscribe":{"channel":"x","offset":-1}}', 'offset'],
    ['{"id":1,"subscribe":{"channel":"x","offset":1e300}}', 'offset'],
    ['{"id":1,"history":{"channel":"x","since":7}}', 'since'],
    ['{"id":1,"rpc":{}}', 'method'],
    ['{"id":1,"connect":{"subs":[]}}', 'subs'],
  ])('%s is refused by the name of the field', (frame, field) => expect(kindsIn(frame)).toContain(field))

  test('whatever comes is either commands or a sentence, never an error', () => {
    const key = fc.constantFrom(
      'id',
      'connect',
      'subscribe',
      'publish',
      'rpc',
      'send',
      'history',
      'channel',
      'data',
      'since',
      'offset',
      '__proto__',
      'constructor',
    )
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        fc.jsonValue(),
        fc.integer(),
        fc.dictionary(key, tie('any'), { maxKeys: 5 }),
      ),
    })).any
    const line = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.json(),
      value.map((found) => JSON.stringify(found)),
    )
    fc.assert(
      fc.property(fc.array(line, { maxLength: 5 }), (lines) => {
        const parsed = parseFrame(lines.join('\n'))
        if (parsed.kind === 'malformed') expect(parsed.reason).not.toBe('')
        else for (const { kind, id } of parsed.commands) expect(kind === 'pong' || kind === 'send' || id > 0).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  test('nested as deep as a frame can be is read without falling over', () => {
    const depth = 20_000
    const deep = `{"id":1,"rpc":{"method":"x","data":${'['.repeat(depth)}${']'.repeat(depth)}}}`
    expect(kindsIn(deep)).toEqual(['rpc'])
  })
})
