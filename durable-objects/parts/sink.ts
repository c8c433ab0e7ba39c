import { systemClock } from '../../src/kernel/clock.ts'
import { pingFrame } from '../../src/protocol/replies.ts'
import { plainWire, type Keepsake, type Session } from '../../src/realtime/session.ts'
import { isTooSlow, pace, type Line, type Reader } from '../../src/realtime/slow-reader.ts'
import type { BinaryFrames } from './binary-frames.ts'

/** Where what is said to a connection goes: a WebSocket or the body of an HTTP answer. */
export interface Sink {
  /** The WebSocket it is, if it is one. */
  readonly socket?: WebSocket
  /** Sends lines as one frame; false when the reader is too slow to be given more. Throws when there is nobody any more. */
  send(lines: readonly string[], reader: Reader): boolean
  /** Ends the connection with a code and its words. Never throws. */
  close(code: number, reason: string): void
  /** Keeps what must outlast the gateway's sleep, where a connection can outlast it. */
  remember(keepsake: Keepsake): void
}

/** A WebSocket. `remembers` when it outlasts its gateway's sleep. */
export class SocketSink implements Sink, Line {
  readonly socket: WebSocket
  readonly #binary: BinaryFrames | undefined
  readonly #session: Session
  readonly #pongAt: (socket: WebSocket) => number
  readonly #remembers: boolean

  /** `pongAt` is when the runtime itself last took a pong from the socket. */
  constructor(
    socket: WebSocket,
    session: Session,
    binary: BinaryFrames,
    pongAt: (socket: WebSocket) => number,
    remembers: boolean,
  ) {
    this.socket = socket
    this.#remembers = remembers
    this.#binary = session.wire.format === plainWire.format ? undefined : binary
    this.#session = session
    this.#pongAt = pongAt
  }

  send(lines: readonly string[], reader: Reader): boolean {
    const frame = this.#encode(lines)
    if (isTooSlow(reader, waitingIn(this.socket), frame.length)) return false
    const what = this.#session.wire.pings ? pace(reader, frame.length, this) : 'send'
    if (what === 'slow') return false
    this.socket.send(what === 'probe' ? this.#encode([...lines, pingFrame]) : frame)
    return true
  }

  now(): number {
    return systemClock.now()
  }

  answeredAt(): number {
    return Math.max(this.#session.reader.answeredAt, this.#pongAt(this.socket))
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

  remember(keepsake: Keepsake): void {
    if (this.#remembers) this.socket.serializeAttachment(keepsake)
  }
}

/** Bytes that have not left the runtime; 0 where it does not tell, as the one we are built with. */
function waitingIn(socket: { readonly bufferedAmount?: number }): number {
  return socket.bufferedAmount ?? 0
}
