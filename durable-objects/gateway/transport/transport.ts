import type { Clock } from '../../../src/kernel/clock.ts'
import type { FrameFormat } from '../../../src/protocol/frames.ts'
import { pingFrame } from '../../../src/protocol/replies.ts'
import {
  jsonFormat,
  type ConnectionFormat,
  type SocketAttachment,
  type Session,
} from '../../../src/realtime/session.ts'
import { isTooSlow, pace, paceUnanswered, type Line, type Reader } from '../../../src/realtime/slow-reader.ts'
import type { BinaryFrames } from './binary-frames.ts'

/** Sends frames to a connection: over a WebSocket, or in the body of an HTTP response. */
export interface Transport {
  /** The WebSocket, if it is one. */
  readonly socket?: WebSocket
  /** Sends lines as one frame; false when the client reads too slowly for more. Throws when the connection is gone. */
  send(lines: readonly string[], reader: Reader): boolean
  /** Closes the connection. Never throws. */
  close(code: number, reason: string): void
  /** Keeps the attachment through the gateway's sleep, where the connection outlasts it. */
  remember(attachment: SocketAttachment): void
}

/** A WebSocket; with `hibernates` it outlasts its gateway's sleep. */
export class WebSocketTransport implements Transport, Line {
  readonly socket: WebSocket
  readonly #binary: BinaryFrames | undefined
  readonly #session: Session
  readonly #hibernates: boolean
  readonly #clock: Clock

  /** With `clock` the client's answers are timed. */
  constructor(socket: WebSocket, session: Session, binary: BinaryFrames, hibernates: boolean, clock: Clock) {
    this.socket = socket
    this.#clock = clock
    this.#hibernates = hibernates
    this.#binary = session.wire.format === jsonFormat.format ? undefined : binary
    this.#session = session
  }

  send(lines: readonly string[], reader: Reader): boolean {
    const frame = this.#encode(lines)
    if (isTooSlow(reader, waitingIn(this.socket), frame.length)) return false
    const pings = this.#session.wire.pings ? pace(reader, frame.length, this) : paceUnanswered(reader, frame.length)
    if (pings === 'slow') return false
    this.socket.send(pings === 0 ? frame : this.#encode([...lines, ...Array.from({ length: pings }, () => pingFrame)]))
    return true
  }

  now(): number {
    return this.#clock.now()
  }

  random(): number {
    return Math.random()
  }

  /** The runtime answers pongs of JSON sockets that hibernate, except while a probe is unanswered. */
  get countsAll(): boolean {
    return !this.#hibernates || this.#session.wire !== jsonFormat
  }

  #encode(lines: readonly string[]): string | Uint8Array<ArrayBuffer> {
    return this.#binary?.of(lines) ?? (lines.length === 1 ? (lines[0] ?? '') : lines.join('\n'))
  }

  close(code: number, reason: string): void {
    try {
      this.socket.close(code, reason)
    } catch {
      // It is closed already.
    }
  }

  remember(attachment: SocketAttachment): void {
    if (this.#hibernates) this.socket.serializeAttachment(attachment)
  }
}

/** Bytes that have not left the runtime; 0 where the runtime does not report them, as the present one. */
function waitingIn(socket: { readonly bufferedAmount?: number }): number {
  return socket.bufferedAmount ?? 0
}

/** The format a client asked for when it opened its WebSocket, and the subprotocol to echo. */
export interface NegotiatedFormat {
  readonly wire: ConnectionFormat
  readonly subprotocol: string | undefined
}

const binary = 'centrifuge-protobuf'
const known = [binary, 'centrifuge-json']

/**
 * Chooses the format of a WebSocket: Protobuf by subprotocol or by either query parameter, JSON otherwise; and whether the
 * client pings by itself. An offered subprotocol is echoed, as RFC 6455 requires, a known one before others.
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
