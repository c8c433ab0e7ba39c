import type { FrameFormat } from '../../../src/protocol/frames.ts'
import { jsonFormat, type ConnectionFormat } from '../../../src/realtime/session.ts'

/** What a client asked for when it opened its WebSocket, and the subprotocol to echo. */
export interface NegotiatedFormat {
  readonly wire: ConnectionFormat
  readonly subprotocol: string | undefined
}

const binary = 'centrifuge-protobuf'
const known = [binary, 'centrifuge-json']

/**
 * Reads how a WebSocket is to be spoken to: Protobuf by subprotocol or by either query form, JSON otherwise; and whether
 * the client pings by itself. A subprotocol that was offered is echoed, as RFC 6455 has it, one of ours before others.
 */
export function negotiate(request: Request): NegotiatedFormat {
  const offered = (request.headers.get('sec-websocket-protocol') ?? '').split(',').map((name) => name.trim())
  const subprotocol = offered.find((name) => known.includes(name)) ?? offered[0]
  const { searchParams } = new URL(request.url)
  const asksBinary = searchParams.get('format') === 'protobuf' || searchParams.get('cf_protocol') === 'protobuf'
  const format: FrameFormat = subprotocol === binary || asksBinary ? 'protobuf' : 'json'
  const pings = searchParams.get('cf_ws_frame_ping_pong') !== 'true'
  return {
    wire: format === jsonFormat.format && pings ? jsonFormat : { format, pings },
    subprotocol: subprotocol === '' ? undefined : subprotocol,
  }
}
