import { closes, type CloseName } from '../../../src/protocol/close-codes.ts'
import { ignoredPush, pingFrame } from '../../../src/protocol/replies.ts'
import {
  fromAttachment,
  attachmentSize,
  newSession,
  jsonFormat,
  toAttachment,
  type SocketAttachment,
  type Session,
  type ConnectionFormat,
} from '../../../src/realtime/session.ts'
import { pongs } from '../../../src/realtime/slow-reader.ts'
import { openConnections } from '../../../src/realtime/open-connections.ts'
import { randomToken } from '../../../src/kernel/id.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { BinaryFrames } from './binary-frames.ts'
import { WebSocketTransport, type Transport } from './transport.ts'

/** The platform's own bound on what a hibernating socket can remember. */
const attachmentBytes = 16_384
/** How much older than the truth a kept time may be: so that not every frame from a client costs an attachment. */
const heardWithinMs = 5_000

/** How long the last frame may take to leave for a client that closed the connection itself. */
const lastFrameMs = 1000

/** What a gateway hears of its sockets. */
export interface SocketHandlers {
  /** A message of a socket that does not hibernate; the runtime hands over those of the others. */
  received(session: Session, message: string | ArrayBuffer): void
  /** A session has ended, whoever ended it; told once. */
  closed(session: Session): void
}

/**
 * The connections of one gateway: which session each one is, what it has to remember while the gateway sleeps,
 * and one frame per connection and turn for whatever was said to it.
 */
export class Sockets {
  readonly #ctx: DurableObjectState
  readonly #sessions = new Map<WebSocket, Session>()
  /** The sessions of WebSockets. */
  readonly byWebSocket: ReadonlyMap<WebSocket, Session> = this.#sessions
  readonly #sinks = new Map<Session, Transport>()
  readonly #changed = new Set<Session>()
  readonly #dirty = new Set<Session>()
  readonly #events: SocketHandlers
  readonly #hibernates: boolean
  /** For the sinks of Protobuf connections, which share what a turn's words are encoded to. */
  readonly binary = new BinaryFrames()
  /** Sockets that hibernate, with an unanswered probe: meanwhile pongs are counted here. */
  readonly #probing = new Set<Session>()
  #flushing = false

  /** With `hibernates` sockets stay while the gateway sleeps; without, it stays awake for them, and each message costs less. */
  constructor(ctx: DurableObjectState, events: SocketHandlers, hibernates: boolean) {
    this.#ctx = ctx
    this.#events = events
    this.#hibernates = hibernates
    this.#answerPongs(true)
  }

  /** Whether the runtime answers the pongs of sockets that hibernate, which wakes nobody, or hands them over to be counted. */
  #answerPongs(itself: boolean): void {
    if (itself) this.#ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(pingFrame, ignoredPush))
    else this.#ctx.setWebSocketAutoResponse()
  }

  /**
   * The sessions as they were before the gateway slept, one that is just closing among them: its end still has to be
   * told, and it may be the one that remembers how far a channel was delivered.
   */
  restore(): Session[] {
    for (const socket of this.#ctx.getWebSockets()) {
      const kept = keptOf(socket)
      if (kept !== null) this.#know(socket, fromAttachment(kept))
    }
    return [...this.#sessions.values()]
  }

  /** A WebSocket has come. */
  accept(socket: WebSocket, now: number, wire: ConnectionFormat = jsonFormat): Session {
    const session = newSession(randomToken(12), now, wire)
    if (this.#hibernates) this.#ctx.acceptWebSocket(socket)
    else this.#listen(socket, session)
    this.#know(socket, session)
    this.changed(session)
    return session
  }

  /** A connection that is no WebSocket has come. It ends by `close` or `end`. */
  admit(session: Session, sink: Transport): void {
    this.#sinks.set(session, sink)
  }

  all(): IterableIterator<Session> {
    return this.#sinks.keys()
  }

  get count(): number {
    return this.#sinks.size
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
    return attachmentSize(toAttachment(session)) + bytes < attachmentBytes
  }

  /** Pings a connection, and remembers that an answer is due. */
  ping(session: Session): void {
    // An open probe is a ping, and its answer must not be mistaken.
    if (session.reader.asked > 0) return
    const isTaken = this.#hibernates && session.wire === jsonFormat && this.#probing.size === 0
    if (!isTaken) session.reader.owed = 1
    this.write(session, pingFrame)
  }

  /** So many pongs have come; one that sends more than it was asked for does not read, and goes. */
  answered(session: Session, count: number, now: number): void {
    if (!pongs(session.reader, count, now)) return this.close(session, 'slow')
    if (session.reader.asked === 0) this.#unprobed(session)
  }

  #probed(session: Session): void {
    if (!this.#hibernates || session.wire !== jsonFormat) return
    if (this.#probing.size === 0) this.#answerPongs(false)
    this.#probing.add(session)
  }

  #unprobed(session: Session): void {
    if (this.#probing.delete(session) && this.#probing.size === 0) this.#answerPongs(true)
  }

  /** Something came from the client: noted where the runtime does not answer its pongs, and so knows nothing of it. */
  noteReceived(session: Session, now: number): void {
    if (!session.wire.pings || now - session.heardAt < heardWithinMs) return
    session.heardAt = now
    this.changed(session)
  }

  /** Milliseconds since the client last answered a ping; 0 for one that is not pinged. */
  silentFor(session: Session, now: number): number {
    if (!session.wire.pings) return 0
    const socket = this.#sinks.get(session)?.socket
    return (
      now - Math.max(session.heardAt, session.reader.answeredAt, socket === undefined ? 0 : this.#answeredAt(socket))
    )
  }

  /** Says what was still to be said, then closes. */
  close(session: Session, name: CloseName): void {
    this.closeWith(session, closes[name])
  }

  /** The same with a code and words of a tenant's own. */
  closeWith(session: Session, { code, reason }: { readonly code: number; readonly reason: string }): void {
    this.#sendTo(session)
    const sink = this.#sinks.get(session)
    this.end(session)
    sink?.close(code, reason)
  }

  /** The socket has ended, by close frames of both sides when `wasClean`. */
  forget(socket: WebSocket, wasClean = false): void {
    const session = this.#sessions.get(socket)
    const connection = session?.connection ?? (this.#hibernates ? keptOf(socket)?.connection : undefined)
    if (session !== undefined) this.end(session)
    if (connection !== undefined) endSoon(connection, wasClean)
  }

  /** The connection has ended. */
  end(session: Session): void {
    const sink = this.#sinks.get(session)
    if (sink === undefined) return
    session.phase = 'closed'
    this.#sinks.delete(session)
    if (sink.socket !== undefined) this.#sessions.delete(sink.socket)
    this.#changed.delete(session)
    this.#dirty.delete(session)
    this.#unprobed(session)
    this.#events.closed(session)
  }

  /** When the runtime last answered the client's pong, 0 for never. */
  readonly #answeredAt = (socket: WebSocket): number =>
    this.#hibernates ? (this.#ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0) : 0

  #listen(socket: WebSocket, session: Session): void {
    socket.binaryType = 'arraybuffer'
    socket.accept()
    socket.addEventListener('message', ({ data }) => this.#events.received(session, data))
    const gone = (wasClean: boolean) => {
      this.forget(socket)
      if (session.connection !== undefined) endSoon(session.connection, wasClean)
    }
    socket.addEventListener('close', ({ wasClean }) => gone(wasClean))
    socket.addEventListener('error', () => gone(false))
  }

  #know(socket: WebSocket, session: Session): void {
    this.#sessions.set(socket, session)
    session.isTimedByRuntime = this.#hibernates && session.wire === jsonFormat
    this.#sinks.set(session, new WebSocketTransport(socket, session, this.binary, this.#hibernates))
  }

  #flushLater(): void {
    if (this.#flushing) return
    this.#flushing = true
    queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    this.#flushing = false
    for (const session of this.#changed) this.#keep(session)
    this.#changed.clear()
    for (const session of this.#dirty) this.#sendTo(session)
    this.#dirty.clear()
    this.binary.forget()
  }

  /** Who is not in yet is not remembered as if she were. One whose socket cannot remember her ends, and nobody else does. */
  #keep(session: Session): void {
    if (session.phase === 'connecting') return
    try {
      this.#sinks.get(session)?.remember(toAttachment(session))
    } catch (thrown) {
      log.warn('gateway.keep-failed', { client: session.client, reason: reasonOf(thrown) })
      this.close(session, 'internal')
    }
  }

  #sendTo(session: Session): void {
    const sink = this.#sinks.get(session)
    const { outgoing, phase } = session
    // Before the connect's reply nothing is heard; it goes to the front of what waits.
    if (sink === undefined || outgoing.length === 0 || phase === 'connecting') return
    try {
      const given = sink.send(outgoing, session.reader)
      outgoing.length = 0
      if (!given) this.close(session, 'slow')
      else if (session.reader.asked > 0) this.#probed(session)
    } catch (thrown) {
      outgoing.length = 0
      log.warn('gateway.send-failed', { client: session.client, reason: reasonOf(thrown) })
      this.close(session, 'internal')
    }
  }
}

const keptOf = (socket: WebSocket): SocketAttachment | null => socket.deserializeAttachment()

/** The close frame that answers the client's may still be on its way; without one there is nothing to wait for. */
function endSoon(connection: string, wasClean: boolean): void {
  if (wasClean) setTimeout(() => openConnections.end(connection), lastFrameMs)
  else openConnections.end(connection)
}
