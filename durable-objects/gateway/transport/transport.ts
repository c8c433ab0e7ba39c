import { systemClock } from '../../../src/kernel/clock.ts'
import { pingFrame } from '../../../src/protocol/replies.ts'
import { jsonFormat, type SocketAttachment, type Session } from '../../../src/realtime/session.ts'
import { isTooSlow, pace, paceUnanswered, type Line, type Reader } from '../../../src/realtime/slow-reader.ts'
import type { BinaryFrames } from './binary-frames.ts'

/** Where what is said to a connection goes: a WebSocket or the body of an HTTP answer. */
export interface Transport {
  /** The WebSocket it is, if it is one. */
  readonly socket?: WebSocket
  /** Sends lines as one frame; false when the reader is too slow to be given more. Throws when there is nobody any more. */
  send(lines: readonly string[], reader: Reader): boolean
  /** Ends the connection with a code and its words. Never throws. */
  close(code: number, reason: string): void
  /** Keeps what must outlast the gateway's sleep, where a connection can outlast it. */
  remember(keepsake: SocketAttachment): void
}

/** A WebSocket. `remembers` when it outlasts its gateway's sleep. */
export class WebSocketTransport implements Transport, Line {
  readonly socket: WebSocket
  readonly #binary: BinaryFrames | undefined
  readonly #session: Session
  readonly #remembers: boolean

  constructor(socket: WebSocket, session: Session, binary: BinaryFrames, remembers: boolean) {
    this.socket = socket
    this.#remembers = remembers
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
    return systemClock.now()
  }

  random(): number {
    return Math.random()
  }

  /** The runtime answers pongs of plain sockets that hibernate, but while a probe is unanswered. */
  get countsAll(): boolean {
    return !this.#remembers || this.#session.wire !== jsonFormat
  }

  #encode(lines: readonly string[]): string | Uint8Array<ArrayBuffer> {
    return this.#binary?.of(lines) ?? (lines.length === 1 ? (lines[0] ?? '') : lines.join('\n'))
  }

  close(code: number, reason: string): void {
    try {
      this.socket.close(code, reason)
    } catch {
      // Already gone: that is what was wanted.
    }
  }

  remember(keepsake: SocketAttachment): void {
    if (this.#remembers) this.socket.serializeAttachment(keepsake)
  }
}

/** Bytes that have not left the runtime; 0 where it does not tell, as the one we are built with. */
function waitingIn(socket: { readonly bufferedAmount?: number }): number {
  return socket.bufferedAmount ?? 0
}
