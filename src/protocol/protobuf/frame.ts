import { BinaryReader } from '@bufbuild/protobuf/wire'
import type { Command, ParsedFrame } from '../commands.ts'
import { malformed, parseEnvelope, pong } from '../parse-frame.ts'
import { sizes } from '../limits.ts'
import { readMessage } from './read.ts'

/**
 * Reads a Protobuf frame: one or more commands, each behind its length. The result is that of the JSON format, except
 * that data may be bytes that are not JSON. An empty command is a pong, as an empty object is there; several of them
 * are one command.
 */
export function parseBinaryFrame(frame: string | Uint8Array): ParsedFrame {
  if (typeof frame === 'string') return malformed('text frame on a Protobuf connection')
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
  let pongs = 0
  while (reader.pos < reader.len) {
    const bytes = reader.bytes()
    if (bytes.byteLength === 0) pongs++
    else {
      const command = parseEnvelope(readMessage('Command', bytes))
      if (typeof command === 'string') return malformed(command)
      commands.push(command)
    }
  }
  if (pongs > 0) commands.push(pong(pongs))
  return { kind: 'commands', commands }
}
