import { BinaryReader } from '@bufbuild/protobuf/wire'
import { malformed, parseEnvelope, pong, type Command, type ParsedFrame } from '../commands.ts'
import { sizes } from '../limits.ts'
import { notJson, readMessage, type ReadMessage } from './read.ts'

/**
 * Reads a Protobuf frame: one or more commands, each behind its length. They come out as the JSON format's do.
 * An empty command is a pong, as an empty object is there; several of them are one.
 */
export function parseBinaryFrame(frame: Uint8Array): ParsedFrame {
  if (frame.byteLength > sizes.frameBytes) return malformed('frame too large')
  if (frame.byteLength === 0) return malformed('empty frame')
  try {
    return readCommands(new BinaryReader(frame))
  } catch (thrown) {
    return malformed(`not Protobuf: ${thrown instanceof Error ? thrown.message : 'unreadable'}`)
  }
}

function readCommands(reader: BinaryReader): ParsedFrame {
  const commands: Command[] = []
  let isAlive = false
  while (reader.pos < reader.len) {
    const bytes = reader.bytes()
    if (bytes.byteLength === 0) isAlive = true
    else {
      const command = readCommand(readMessage('Command', bytes))
      if (typeof command === 'string') return malformed(command)
      commands.push(command)
    }
  }
  if (isAlive) commands.push(pong)
  return { kind: 'commands', commands }
}

/** Here data is bytes, which may be anything; what it is for, on this server, is JSON. */
function readCommand(envelope: ReadMessage): Command | string {
  const field = Object.keys(envelope).find((name) => dataOf(envelope[name]) === notJson)
  const id = typeof envelope['id'] === 'number' ? envelope['id'] : 0
  if (field !== undefined) return { kind: 'unreadable', id, why: `${field}: data must be JSON text in UTF-8` }
  return parseEnvelope(envelope)
}

const dataOf = (request: unknown): unknown =>
  typeof request === 'object' && request !== null && 'data' in request ? request.data : undefined
