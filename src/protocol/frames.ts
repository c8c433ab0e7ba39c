import type { ParsedFrame } from './commands.ts'
import { parseFrame } from './parse-frame.ts'
import { parseBinaryFrame } from './protobuf/frame.ts'

/** What a frame holds: lines of JSON, or Protobuf messages behind their lengths. */
export type FrameFormat = 'json' | 'protobuf'

/** Reads a frame of a connection, by the format it speaks. Text is JSON and bytes are Protobuf, never the other way round. */
export const frameReaders: Readonly<Record<FrameFormat, (frame: string | Uint8Array) => ParsedFrame>> = {
  json: parseFrame,
  protobuf: parseBinaryFrame,
}

/** The framing of an HTTP answer: events of an EventSource, lines of JSON, or messages behind their lengths. */
export const streamKinds = ['sse', 'lines', 'messages'] as const
export type StreamKind = (typeof streamKinds)[number]
