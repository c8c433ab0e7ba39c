import { plainWire, type Keepsake, type Wire } from '../../src/realtime/session.ts'
import { isTooSlow, type Reader } from '../../src/realtime/slow-reader.ts'
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

/** A hibernating WebSocket. */
export class SocketSink implements Sink {
  readonly socket: WebSocket
  readonly #binary: BinaryFrames | undefined

  constructor(socket: WebSocket, wire: Wire, binary: BinaryFrames) {
    this.socket = socket
    this.#binary = wire.format === plainWire.format ? undefined : binary
  }

  send(lines: readonly string[], reader: Reader): boolean {
    const frame = this.#binary?.of(lines) ?? (lines.length === 1 ? (lines[0] ?? '') : lines.join('\n'))
    if (isTooSlow(reader, this.socket.bufferedAmount, frame.length)) return false
    this.socket.send(frame)
    return true
  }

  close(code: number, reason: string): void {
    try {
      this.socket.close(code, reason)
    } catch {
      // Already gone: that is what was wanted.
    }
  }

  remember(keepsake: Keepsake): void {
    this.socket.serializeAttachment(keepsake)
  }
}
