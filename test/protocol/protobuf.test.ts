import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseFrame } from '../../src/protocol/parse-frame.ts'
import { GivenBytes } from '../../src/protocol/publication-data.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { parseBinaryFrame } from '../../src/protocol/protobuf/frame.ts'
import { messageNames, messageType, type Field } from '../../src/protocol/protobuf/schema.ts'
import { writeMessages } from '../../src/protocol/protobuf/write.ts'
import { codec, decodeReplies, encodeCommands } from '../support/worker/sdk-codec.ts'

/** The SDK's own encoder, as text: what it writes is what the protocol is. */
const sdk = readFileSync(fileURLToPath(import.meta.resolve('centrifuge/build/protobuf')), 'utf8')

/** Field number, name and wire form of every field the SDK writes of a message, as `4 data bytes`. */
function fieldsOfSdk(name: string): string[] {
  const encoder = new RegExp(`\\n\\s+${name}\\.encode = function[^]*?return writer;`).exec(sdk)?.[0] ?? ''
  const lines = encoder.split('\n').filter((line) => line.includes('/* id '))
  return lines.flatMap((line) => {
    const number = /\/\* id (\d+)/.exec(line)?.[1]
    const map = /string\(keys\[i\]\)/.test(line)
    const field = /message\.(\w+)/.exec(line)?.[1]
    if (map && field === undefined) return []
    const nested = /(\w+)\.encode\(message/.exec(line)?.[1]
    const scalar = /\.(\w+)\(message\.\w+[^)]*\)/.exec(line)?.[1]
    return [`${map && nested === undefined ? number : (number ?? '')} ${field} ${nested ?? scalar}`]
  })
}

const wordsOf = ({ number, name, type, shape }: Field) => {
  const words = typeof type === 'string' ? type.replace('json', 'bytes') : type.name
  // A map of messages is written in two lines, of which the second holds the value under number 2.
  return `${shape === 'map' && typeof type !== 'string' ? 2 : number} ${name} ${words}`
}

describe('our table of the protocol’s messages', () => {
  test.each(messageNames)('%s has exactly the fields the SDK writes', (name) => {
    const ours = [...messageType(name).byName.values()].map(wordsOf)
    expect(ours.toSorted()).toEqual(fieldsOfSdk(name).toSorted())
  })

  test('a number means one field', () => {
    for (const name of messageNames) expect(messageType(name).byNumber.size).toBe(messageType(name).byName.size)
  })
})

const text = fc.string({ unit: 'grapheme', maxLength: 60 })
const json = fc.jsonValue({ noUnicodeString: false, maxDepth: 3 })
const uint = fc.nat({ max: 0xffff_ffff })
const offset = fc.nat({ max: Number.MAX_SAFE_INTEGER })
/** `record` with any of its fields away, as the JSON format leaves out what is zero. */
const some = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(fields, { requiredKeys: [] })

const info = some({ user: text, client: text, conn_info: json, chan_info: json })
const publication = some({
  data: json,
  info,
  offset,
  tags: fc.dictionary(text, text, { minKeys: 1, maxKeys: 3 }),
  time: fc.integer(),
  key: text,
  removed: fc.constant(true),
  score: fc.integer(),
})
const publications = fc.array(publication, { minLength: 1, maxLength: 4 })
const subscribed = some({
  recoverable: fc.constant(true),
  epoch: text,
  publications,
  offset,
  data: json,
  was_recovering: fc.constant(true),
})
const byName = <T>(value: fc.Arbitrary<T>) => fc.dictionary(text, value, { minKeys: 1, maxKeys: 3 })
const result = fc.oneof(
  fc.record({ connect: some({ client: text, ttl: uint, data: json, subs: byName(subscribed), node: text }) }),
  fc.record({ subscribe: subscribed }),
  fc.record({ publish: fc.constant({}) }),
  fc.record({ presence: fc.record({ presence: byName(info) }) }),
  fc.record({ presence_stats: some({ num_clients: uint, num_users: uint }) }),
  fc.record({ history: fc.record({ publications, epoch: text, offset }) }),
  fc.record({ rpc: fc.record({ data: json }) }),
  fc.record({ error: some({ code: uint, message: text, temporary: fc.constant(true) }) }),
  fc.record({ refresh: some({ client: text, expires: fc.constant(true), ttl: uint }) }),
)
const push = fc.oneof(
  fc.record({ channel: text, pub: publication }),
  fc.record({ channel: text, join: fc.record({ info }) }),
  fc.record({ channel: text, unsubscribe: some({ code: uint, reason: text }) }),
  fc.record({ channel: text, subscribe: some({ recoverable: fc.constant(true), epoch: text, offset, data: json }) }),
  fc.record({ message: fc.record({ data: json }) }),
  fc.record({ disconnect: some({ code: uint, reason: text, reconnect: fc.constant(true) }) }),
)
const reply = fc.oneof(
  fc.tuple(uint, result).map(([id, rest]) => ({ id, ...rest })),
  push.map((pushed) => ({ push: pushed })),
  fc.constant({}),
)

/** JSON as it stays: no negative zero, no undefined. */
const settled = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('replies of the server', () => {
  test('reads in the SDK as it was written, whatever it is', () => {
    fc.assert(
      fc.property(fc.array(reply, { minLength: 1, maxLength: 4 }), (replies) => {
        const lines = replies.map((one) => JSON.stringify(one)).join('\n')
        expect(settled(decodeReplies(writeMessages('Reply', lines)))).toEqual(settled(replies))
      }),
      { numRuns: 500 },
    )
  })

  test('carries data byte by byte as it was, also numbers that JavaScript would round', () => {
    const data = '{"big":12345678901234567890,"text":"\\u0041 \\"}]","space": [ 1 , 2 ] }'
    const [heard] = codec.decodeReplies(writeMessages('Reply', `{"push":{"channel":"c","pub":{"data":${data}}}}`))
    expect(new TextDecoder().decode(dataOf(heard))).toBe(data)
  })

  test('leaves out what Protobuf has no field for', () => {
    const line = '{"id":1,"error":{"code":111,"message":"wait","data":{"retryAfterMs":[1,{"a":"}"}]}}}'
    expect(decodeReplies(writeMessages('Reply', line))).toEqual([{ id: 1, error: { code: 111, message: 'wait' } }])
  })

  test('holds a time to live longer than Protobuf can say as the longest it can', () => {
    const line = '{"id":1,"refresh":{"expires":true,"ttl":99999999999}}'
    expect(decodeReplies(writeMessages('Reply', line))).toMatchObject([{ refresh: { ttl: 0xffff_ffff } }])
  })

  test.each(['{', '{"id":', '{"id":1', '{"push":{"channel":"x', '[]', '{"id":1,"subscribe":{"publications":[{}}'])(
    'is never made of half a line: %s',
    (line) => expect(() => writeMessages('Reply', line)).toThrow(SyntaxError),
  )
})

const dataOf = (heard: unknown): Uint8Array =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a push of a publication, as the SDK decodes it
  (heard as { push: { pub: { data: Uint8Array } } }).push.pub.data

const requests = {
  connect: some({
    token: text,
    data: json,
    name: fc.constant('js'),
    version: fc.constant('1'),
    subs: byName(some({ recover: fc.boolean(), offset, epoch: fc.constant('e') })),
  }),
  subscribe: some({
    channel: text,
    recover: fc.boolean(),
    epoch: fc.constant('e'),
    offset,
    join_leave: fc.boolean(),
    flag: fc.nat(3),
    type: fc.nat(3),
  }),
  unsubscribe: fc.record({ channel: text }),
  publish: fc.record({ channel: text, data: json }),
  presence: fc.record({ channel: text }),
  presence_stats: fc.record({ channel: text }),
  history: some({
    channel: text,
    limit: fc.integer(),
    since: some({ offset, epoch: fc.constant('e') }),
    reverse: fc.boolean(),
  }),
  ping: fc.constant({}),
  send: fc.record({ data: json }),
  rpc: fc.record({ method: text, data: json }),
  refresh: fc.record({ token: text }),
  sub_refresh: fc.record({ channel: text, token: text }),
}
const command = fc
  .tuple(
    fc.integer({ min: 1, max: 0xffff_ffff }),
    fc.oneof(
      ...Object.entries(requests).map(([kind, request]) => request.map((body: object) => [kind, body] as const)),
    ),
  )
  .map(([id, [kind, body]]) => ({ id, [kind]: body }))

describe('commands of a client', () => {
  test('is the same command in both formats', () => {
    fc.assert(
      fc.property(fc.array(command, { minLength: 1, maxLength: 4 }), (commands) => {
        const inJson = parseFrame(commands.map((one) => JSON.stringify(one)).join('\n'))
        const inProtobuf = parseBinaryFrame(encodeCommands(commands))
        expect(settled(inProtobuf)).toEqual(settled(inJson))
      }),
      { numRuns: 500 },
    )
  })

  test('an empty command is a pong, and several of them are one command', () => {
    expect(parseBinaryFrame(new Uint8Array([0, 0]))).toEqual({
      kind: 'commands',
      commands: [{ kind: 'pong', id: 0, count: 2 }],
    })
  })

  test('data that is not JSON comes as the bytes it is', () => {
    const broken = [new Uint8Array([0xff]), new TextEncoder().encode('{"a":'), new TextEncoder().encode('hello')]
    for (const data of broken) {
      const frame = codec.encodeCommands([
        { id: 1, rpc: { method: 'x', data } },
        { id: 2, ping: {} },
        { send: { data } },
      ])
      const read = parseBinaryFrame(new Uint8Array(frame))
      const [rpc] = read.kind === 'commands' ? read.commands : []
      expect(rpc?.kind === 'rpc' && rpc.request.data()).toEqual(new GivenBytes(data))
      expect(read).toMatchObject({
        kind: 'commands',
        commands: [
          { kind: 'rpc', id: 1, request: { method: 'x' } },
          { kind: 'ping', id: 2 },
          { kind: 'send', id: 0, request: { data: new GivenBytes(data) } },
        ],
      })
    }
  })

  const whole = encodeCommands([{ id: 7, subscribe: { channel: 'conversation:x', offset: 5, recover: true } }])
  test('cut off anywhere is malformed, and so is a length that lies', () => {
    for (let end = 1; end < whole.length; end++)
      expect(parseBinaryFrame(whole.subarray(0, end))).toMatchObject({ kind: 'malformed' })
    for (const length of [whole.length - 2, whole.length, 0x7f])
      expect(parseBinaryFrame(new Uint8Array([length, ...whole.subarray(1)]))).toMatchObject({ kind: 'malformed' })
  })

  const frameOf = (...body: readonly number[]) => new Uint8Array([body.length, ...body])
  test.each<readonly [string, Uint8Array, RegExp]>([
    ['an empty frame', new Uint8Array(0), /empty/],
    ['more than 64 KiB', new Uint8Array(sizes.frameBytes + 1), /too large/],
    ['a length without end', new Uint8Array(12).fill(0x80), /invalid varint/],
    ['a field of another wire type', frameOf(0x0a, 0x01, 0x31), /id is of another type/],
    ['a field number that is none', frameOf(0x00, 0x00), /illegal tag/],
    ['a group that never ends', frameOf(0xfb, 0x01, 0x08, 0x01), /not Protobuf/],
    ['a channel that is no UTF-8', frameOf(0x08, 1, 0x3a + 0x10, 3, 0x0a, 1, 0xff), /not Protobuf/],
    ['a command without an id', frameOf(0x5a, 0x00), /ping without an id/],
    ['an unknown command', frameOf(0x08, 0x01, 0xfa, 0x01, 0x00), /unknown command/],
    ['messages nested without need', nested(40), /nested too deep/],
  ])('%s is refused', (_, frame, reason) => {
    expect(parseBinaryFrame(frame)).toEqual({ kind: 'malformed', reason: expect.stringMatching(reason) })
  })

  test('unknown fields are ignored, as SDKs of later versions send them', () => {
    const frame = frameOf(0x08, 0x01, 0xf8, 0x07, 0x05, 0x5a, 0x02, 0x9a, 0x01)
    expect(parseBinaryFrame(frame)).toMatchObject({ kind: 'malformed' })
    expect(parseBinaryFrame(frameOf(0x08, 0x01, 0xf8, 0x07, 0x05, 0x5a, 0x00))).toMatchObject({
      commands: [{ kind: 'ping', id: 1 }],
    })
  })

  test('an offset beyond what a number holds is malformed, not another offset', () => {
    const frame = frameOf(
      0x08,
      0x01,
      0x2a,
      0x0e,
      0x0a,
      0x01,
      0x78,
      0x38,
      ...Array.from({ length: 9 }, () => 0xff),
      0x01,
    )
    expect(parseBinaryFrame(frame)).toEqual({ kind: 'malformed', reason: expect.stringContaining('offset') })
  })
})

/** A subscribe with tag filters in tag filters. */
function nested(depth: number): Uint8Array {
  let filter: readonly number[] = []
  for (let level = 0; level < depth; level++) filter = [0x32, filter.length, ...filter]
  const subscribe = [0x6a, filter.length, ...filter]
  const body = [0x08, 0x01, 0x2a, subscribe.length, ...subscribe]
  return new Uint8Array([body.length, ...body])
}
