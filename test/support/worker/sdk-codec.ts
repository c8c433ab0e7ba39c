import { Centrifuge } from 'centrifuge/build/protobuf'
import type { Ask, Heard } from './wire.ts'

interface Codec {
  encodeCommands(commands: readonly object[]): Uint8Array<ArrayBuffer>
  decodeReplies(frame: ArrayBuffer | Uint8Array): readonly object[]
  encodeEmulationRequest(request: object): Uint8Array<ArrayBuffer>
}

// workerd's own is stricter than Node's about a length that was left out, and the SDK leaves it out; it knows another way.
Reflect.deleteProperty(Object(Reflect.get(globalThis, 'Buffer')).prototype, 'utf8Write')

/** The Protobuf codec of the official SDK itself, so that no mistake of ours is made twice. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the SDK keeps it to itself; its form is seen by every test
export const codec = Reflect.get(new Centrifuge('ws://nowhere'), '_codec') as Codec

/** Commands as a Protobuf frame; `data` becomes the bytes of its JSON text. */
export const encodeCommands = (commands: readonly Ask[]): Uint8Array<ArrayBuffer> =>
  codec.encodeCommands(commands.map((command) => withBytes(command)))

/** A frame's replies as the JSON format would have said them, but for zero fields: those are always left out. */
export const decodeReplies = (frame: ArrayBuffer | Uint8Array): Heard[] =>
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what was heard is what tests look into
  codec.decodeReplies(frame).map((reply) => withPages(asJson(reply) as Heard))

function withBytes(value: object): object {
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]: [string, unknown]) => {
      if (name === 'data') return [name, inner instanceof Uint8Array ? inner : utf8.encode(JSON.stringify(inner))]
      return [name, isPlain(inner) ? withBytes(inner) : inner]
    }),
  )
}

/** JSON says an empty page as such. */
const withPages = (heard: Heard): Heard =>
  heard.history === undefined
    ? heard
    : { ...heard, history: { ...heard.history, publications: heard.history.publications ?? [] } }

/** The SDK's messages hold what was sent as their own properties, an empty list or map for one that was not, and Longs. */
function asJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return jsonOrBytes(value)
  if (Array.isArray(value)) return value.map(asJson)
  if (typeof value !== 'object' || value === null) return value
  if ('toNumber' in value && typeof value.toNumber === 'function') return value.toNumber()
  const entries = Object.entries(value).filter(([name, inner]) => !isUnset(name, inner))
  return Object.fromEntries(entries.map(([name, inner]) => [name, asJson(inner)]))
}

function jsonOrBytes(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(text.decode(bytes))
  } catch {
    return bytes
  }
}

const utf8 = new TextEncoder()
const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const isPlain = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isUnset = (name: string, value: unknown) =>
  Array.isArray(value)
    ? value.length === 0
    : (name === 'tags' || name === 'subs') && Object.keys(Object(value)).length === 0
