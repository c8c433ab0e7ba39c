import type { ParsedFrame } from './commands.ts'
import { malformed, parseFrame } from './parse-frame.ts'
import { parseBinaryFrame } from './protobuf/frame.ts'

/** What a frame holds: lines of JSON, or Protobuf messages behind their lengths. */
export type FrameFormat = 'json' | 'protobuf'

/** Reads a frame of a connection that speaks `format`. Text is JSON and bytes are Protobuf, never the other way round. */
export function readFrame(format: FrameFormat, frame: string | Uint8Array): ParsedFrame {
  if (typeof frame === 'string')
    return format === 'json' ? parseFrame(frame) : malformed('text frame on a Protobuf connection')
  return format === 'protobuf' ? parseBinaryFrame(frame) : malformed('binary frame on a JSON connection')
}

/** The framing of an HTTP answer: events of an EventSource, lines of JSON, or messages behind their lengths. */
export const streamKinds = ['sse', 'lines', 'messages'] as const
export type StreamKind = (typeof streamKinds)[number]
