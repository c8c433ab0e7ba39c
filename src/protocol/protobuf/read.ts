import { BinaryReader, WireType } from '@bufbuild/protobuf/wire'
import { givenIn } from '../publication-data.ts'
import { messageType, type Field, type MessageName, type MessageType, type Scalar } from './schema.ts'

/** A message as the JSON format would have it: only the fields that were sent, by JSON's names. */
export type ReadMessage = Record<string, unknown>

/** Levels of nested messages that are followed; the protocol's own need four, except for tag filters. */
const deepest = 16

/** Reads one message. Throws when the bytes are none, or nested too deep. */
export const readMessage = (name: MessageName, bytes: Uint8Array): ReadMessage =>
  readFields(messageType(name), new BinaryReader(bytes), deepest)

function readFields(type: MessageType, reader: BinaryReader, levels: number): ReadMessage {
  if (levels === 0) throw new RangeError('nested too deep')
  const message: ReadMessage = Object.create(null)
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    const field = type.byNumber.get(number)
    if (field === undefined) reader.skip(wireType, number)
    else readField(message, field, wireType, reader, levels)
  }
  return message
}

function readField(
  message: ReadMessage,
  { name, shape, type }: Field,
  wireType: WireType,
  reader: BinaryReader,
  levels: number,
): void {
  const expected = shape === 'map' || isDelimited(type) ? WireType.LengthDelimited : WireType.Varint
  if (wireType !== expected) throw new TypeError(`${name} is of another type`)
  if (shape === 'map') return readEntry((message[name] ??= Object.create(null)), type, reader.bytes(), levels)
  const value = readValue(type, reader, levels)
  const known = message[name]
  if (shape === 'one') message[name] = value
  else if (Array.isArray(known)) known.push(value)
  else message[name] = [value]
}

/** A map is a list of messages with a key in field 1 and a value in field 2. */
function readEntry(map: unknown, type: Scalar | MessageType, bytes: Uint8Array, levels: number): void {
  const reader = new BinaryReader(bytes)
  let key = ''
  let value: unknown = typeof type === 'string' ? '' : Object.create(null)
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    if (number === 1 && wireType === WireType.LengthDelimited) key = reader.string(true)
    else if (number === 2 && wireType === WireType.LengthDelimited) value = readValue(type, reader, levels)
    else reader.skip(wireType, number)
  }
  if (isRecord(map)) map[key] = value
}

function readValue(type: Scalar | MessageType, reader: BinaryReader, levels: number): unknown {
  if (typeof type !== 'string') return readFields(type, new BinaryReader(reader.bytes()), levels - 1)
  switch (type) {
    case 'string':
      return reader.string(true)
    case 'bytes':
      return reader.bytes()
    case 'json':
      return readData(reader.bytes())
    case 'bool':
      return reader.bool()
    case 'uint32':
      return reader.uint32()
    case 'int32':
      return reader.int32()
    case 'int64':
      return Number(reader.int64())
    case 'uint64':
      return Number(reader.uint64())
    case 'sint64':
      return Number(reader.sint64())
  }
}

/** No bytes are no data, since Protobuf does not distinguish the two. */
const readData = (bytes: Uint8Array) => (bytes.byteLength === 0 ? undefined : givenIn(bytes))

const isDelimited = (type: Scalar | MessageType): boolean =>
  typeof type !== 'string' || type === 'string' || type === 'bytes' || type === 'json'

const isRecord = (value: unknown): value is ReadMessage => typeof value === 'object' && value !== null
