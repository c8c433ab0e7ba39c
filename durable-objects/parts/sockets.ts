import { closes, type CloseName } from '../../src/protocol/close-codes.ts'
import { pongAnswer, pingFrame } from '../../src/protocol/replies.ts'
import { fromKeepsake, newSession, toKeepsake, type Keepsake, type Session } from '../../src/realtime/session.ts'
import { isTooSlow } from '../../src/realtime/slow-reader.ts'
import { randomToken } from '../../src/kernel/id.ts'

/** The platform's own bound on what a hibernating socket can remember. */
const attachmentBytes = 16_384

/**
 * The sockets of one gateway: which session each one is, what it has to remember while the gateway sleeps,
 * and one frame per socket and turn for whatever was said to it.
 */
export class Sockets {
  readonly #ctx: DurableObjectState
  readonly #sessions = new Map<WebSocket, Session>()
  readonly #sockets = new Map<Session, WebSocket>()
  readonly #changed = new Set<Session>()
  readonly #dirty = new Set<Session>()
  readonly #gone: (session: Session) => void
  #flushing = false

  /** `gone` hears of every session that ends, whoever ended it, once. */
  constructor(ctx: DurableObjectState, gone: (session: Session) => void) {
    this.#ctx = ctx
    this.#gone = gone
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(pingFrame, pongAnswer))
  }

  /**
   * The sessions as they were before the gateway slept, one that is just closing among them: its end still has to be
   * told, and it may be the one that remembers how far a channel was delivered.
   */
  restore(): Session[] {
    for (const socket of this.#ctx.getWebSockets()) {
      const kept: Keepsake | null = socket.deserializeAttachment()
      if (kept !== null) this.#know(socket, fromKeepsake(kept))
    }
    return [...this.#sessions.values()]
  }

  accept(socket: WebSocket, now: number): Session {
    const session = newSession(randomToken(12), now)
    this.#ctx.acceptWebSocket(socket)
    this.#know(socket, session)
    this.changed(session)
    return session
  }

  sessionOf(socket: WebSocket): Session | undefined {
    return this.#sessions.get(socket)
  }

  all(): IterableIterator<Session> {
    return this.#sockets.keys()
  }

  get count(): number {
    return this.#sockets.size
  }

  /** The session has something new to remember; written once per turn. */
  changed(session: Session): void {
    this.#changed.add(session)
    this.#flushLater()
  }

  /** The session has something to hear; sent once per turn. */
  written(session: Session): void {
    this.#dirty.add(session)
    this.#flushLater()
  }

  write(session: Session, text: string): void {
    session.outgoing.push(text)
    this.written(session)
  }

  /** Whether the session could still remember another `bytes`. */
  hasRoom(session: Session, bytes: number): boolean {
    return JSON.stringify(toKeepsake(session)).length + bytes < attachmentBytes
  }

  /** Milliseconds since the client last answered a ping, by the runtime's own record. */
  silentFor(session: Session, now: number): number {
    const socket = this.#sockets.get(session)
    const answered = socket === undefined ? null : this.#ctx.getWebSocketAutoResponseTimestamp(socket)
    return now - Math.max(session.openedAt, answered?.getTime() ?? 0)
  }

  /** Says what was still to be said, then closes. */
  close(session: Session, name: CloseName): void {
    const socket = this.#sockets.get(session)
    if (socket === undefined) return
    this.#sendTo(session)
    this.forget(socket)
    try {
      socket.close(closes[name].code, closes[name].reason)
    } catch {
      // Already gone: that is what was wanted.
    }
  }

  /** The socket has ended. */
  forget(socket: WebSocket): void {
    const session = this.#sessions.get(socket)
    if (session === undefined) return
    session.phase = 'closed'
    this.#sessions.delete(socket)
    this.#sockets.delete(session)
    this.#changed.delete(session)
    this.#dirty.delete(session)
    this.#gone(session)
  }

  #know(socket: WebSocket, session: Session): void {
    this.#sessions.set(socket, session)
    this.#sockets.set(session, socket)
  }

  #flushLater(): void {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    this.#flushing = false
    for (const session of this.#changed) this.#sockets.get(session)?.serializeAttachment(toKeepsake(session))
    this.#changed.clear()
    for (const session of this.#dirty) this.#sendTo(session)
    this.#dirty.clear()
  }

  #sendTo(session: Session): void {
    const socket = this.#sockets.get(session)
    const { outgoing } = session
    if (socket === undefined || outgoing.length === 0) return
    const frame = outgoing.length === 1 ? (outgoing[0] ?? '') : outgoing.join('\n')
    outgoing.length = 0
    try {
      if (isTooSlow(session, socket.bufferedAmount, frame.length)) this.close(session, 'slow')
      else socket.send(frame)
    } catch {
      this.forget(socket)
    }
  }
}
