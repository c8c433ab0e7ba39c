import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { uncarried } from '../carried.ts'
import { JsonText } from './json-text.ts'
import { messageType, type Field, type MessageName, type MessageType, type Scalar } from './schema.ts'

/** Turns lines of the JSON format, as the server writes them, into length-delimited messages. Throws when they are none. */
export function writeMessages(name: MessageName, lines: string): Uint8Array<ArrayBuffer> {
  const type = messageType(name)
  const text = new JsonText(lines)
  try {
    while (text.more) writeDelimited(type, text, shared)
  } catch (thrown) {
    shared.finish()
    throw thrown
  }
  return shared.finish()
}

/** One for all, since it keeps the memory it has grown to; nothing here is asynchronous. */
const shared = new BinaryWriter()

function writeDelimited(type: MessageType, text: JsonText, writer: BinaryWriter): void {
  writer.fork()
  text.members((name) => {
    const field = type.byName.get(name)
    if (field === undefined) text.raw()
    // Data may be null; any other null counts as absent.
    else if (field.type === 'json' || !text.isNull()) writeField(field, text, writer)
  })
  writer.join()
}

function writeField({ number, shape, type }: Field, text: JsonText, writer: BinaryWriter): void {
  if (shape === 'one') writeTagged(number, type, text, writer)
  else if (shape === 'list') text.items(() => writeTagged(number, type, text, writer))
  else text.members((key) => writeEntry(number, key, type, text, writer))
}

/** A map is a list of messages with a key in field 1 and a value in field 2. */
function writeEntry(number: number, key: string, type: Field['type'], text: JsonText, writer: BinaryWriter): void {
  writer.tag(number, WireType.LengthDelimited).fork()
  writer.tag(1, WireType.LengthDelimited).string(key)
  writeTagged(2, type, text, writer)
  writer.join()
}

function writeTagged(number: number, type: Field['type'], text: JsonText, writer: BinaryWriter): void {
  if (typeof type === 'string') return writeScalar(number, type, text, writer)
  writer.tag(number, WireType.LengthDelimited)
  writeDelimited(type, text, writer)
}

function writeScalar(number: number, type: Scalar, text: JsonText, writer: BinaryWriter): void {
  if (type === 'json') return writeData(number, text.padded(), writer)
  if (type === 'string' || type === 'bytes')
    return void writer.tag(number, WireType.LengthDelimited).string(text.string())
  writer.tag(number, WireType.Varint)
  if (type === 'bool') writer.bool(text.raw() === 'true')
  else if (type === 'uint32') writer.uint32(Math.min(text.number(), 0xffff_ffff))
  else writer[type](text.number())
}

function writeData(number: number, carriedText: string, writer: BinaryWriter): void {
  const data = uncarried(carriedText)
  writer.tag(number, WireType.LengthDelimited)
  if (typeof data === 'string') writer.string(data)
  else writer.bytes(data)
}
