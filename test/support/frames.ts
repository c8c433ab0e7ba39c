import * as fc from 'fast-check'
import { encodeCommands } from './worker/sdk-codec.ts'

/** Channel names of every kind: valid ones, those of other users, and invalid ones. */
const channel = fc.oneof(
  fc.constantFrom(
    'conversation:x',
    'user:#alice',
    'user:#bob',
    'jobs:x',
    'orders:1',
    '$private',
    '',
    '_',
    'a'.repeat(256),
  ),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
)
const json = fc.jsonValue({ maxDepth: 4 })
const offset = fc.oneof(fc.nat(5), fc.nat({ max: Number.MAX_SAFE_INTEGER }))
const epoch = fc.oneof(fc.constantFrom('', '_'), fc.string({ maxLength: 70 }))
const payload = fc.oneof(
  json,
  fc.record({ conversation: fc.constantFrom('x', '', '../y'), clientId: fc.string(), text: fc.string(), data: json }),
)
const method = fc.oneof(
  fc.constantFrom('message.send', 'message.edit', 'conversation.typing', 'inbox.list', '__proto__', 'toString'),
  fc.string({ maxLength: 12 }),
)
const some = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(fields, { requiredKeys: [] })

const requests: Readonly<Record<string, fc.Arbitrary<object>>> = {
  connect: some({
    token: fc.string(),
    data: json,
    name: fc.string({ maxLength: 70 }),
    subs: fc.dictionary(channel, some({ recover: fc.boolean(), offset, epoch })),
  }),
  subscribe: some({
    channel,
    recover: fc.boolean(),
    offset,
    epoch,
    flag: fc.nat(7),
    type: fc.integer({ min: -1, max: 5 }),
    data: json,
  }),
  unsubscribe: some({ channel }),
  publish: some({ channel, data: payload, type: fc.nat(2) }),
  presence: some({ channel }),
  presence_stats: some({ channel }),
  history: some({ channel, limit: fc.integer(), since: some({ offset, epoch }), reverse: fc.boolean() }),
  ping: fc.constant({}),
  send: some({ data: payload }),
  rpc: some({ method, data: payload }),
  refresh: some({ token: fc.string() }),
  sub_refresh: some({ channel, token: fc.string() }),
}

/** One command of the protocol, well-formed, sensible or not. */
export const command: fc.Arbitrary<Readonly<Record<string, unknown>>> = fc
  .tuple(
    fc.integer({ min: 1, max: 0xffff_ffff }),
    fc.oneof(...Object.entries(requests).map(([kind, request]) => request.map((body) => ({ [kind]: body })))),
  )
  .map(([id, body]) => ({ id, ...body }))

/** What breaks on the way: bytes change, vanish, come twice, or from elsewhere. Places are parts of the whole, 0 to 1. */
type Damage =
  | { readonly kind: 'flip'; readonly at: number; readonly bit: number }
  | { readonly kind: 'cut'; readonly at: number }
  | { readonly kind: 'drop'; readonly at: number; readonly count: number }
  | { readonly kind: 'repeat'; readonly at: number; readonly count: number }
  | { readonly kind: 'insert'; readonly at: number; readonly bytes: Uint8Array }

const at = fc.double({ min: 0, max: 1, noNaN: true })
const count = fc.nat({ max: 40 })
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('cut' as const), at }),
  fc.record({ kind: fc.constant('drop' as const), at, count }),
  fc.record({ kind: fc.constant('repeat' as const), at, count }),
  fc.record({ kind: fc.constant('insert' as const), at, bytes: fc.uint8Array({ maxLength: 12 }) }),
)

function damaged(bytes: Uint8Array, how: Damage): Uint8Array {
  const place = Math.floor(how.at * bytes.length)
  const [before, after] = [bytes.subarray(0, place), bytes.subarray(place)]
  switch (how.kind) {
    case 'flip':
      return new Uint8Array([...before, ...after.map((byte, index) => (index === 0 ? byte ^ (1 << how.bit) : byte))])
    case 'cut':
      return before
    case 'drop':
      return new Uint8Array([...before, ...after.subarray(how.count)])
    case 'repeat':
      return new Uint8Array([...before, ...after.subarray(0, how.count), ...after])
    case 'insert':
      return new Uint8Array([...before, ...how.bytes, ...after])
  }
}

const withDamage = (whole: fc.Arbitrary<Uint8Array>) =>
  fc.tuple(whole, fc.array(damage, { maxLength: 3 })).map(([bytes, damages]) => damages.reduce(damaged, bytes))

/** Protobuf frames: of commands, whole and damaged, and of anything. */
export const binaryFrame: fc.Arbitrary<Uint8Array<ArrayBuffer>> = fc
  .oneof(
    { weight: 4, arbitrary: withDamage(fc.array(command, { minLength: 1, maxLength: 4 }).map(encodeCommands)) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  )
  .map((bytes) => new Uint8Array(bytes))

const line = fc.oneof(
  { weight: 4, arbitrary: command.map((one) => JSON.stringify(one)) },
  { weight: 1, arbitrary: fc.json() },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 50 }) },
)
const text = new TextDecoder()

/** Text frames: of commands, whole and damaged, and of anything. */
export const textFrame: fc.Arbitrary<string> = fc.oneof(
  fc.array(line, { maxLength: 4 }).map((lines) => lines.join('\n')),
  withDamage(
    fc
      .array(command, { minLength: 1, maxLength: 4 })
      .map((all) => new TextEncoder().encode(all.map((one) => JSON.stringify(one)).join('\n'))),
  ).map((bytes) => text.decode(bytes)),
)
