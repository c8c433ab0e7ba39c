import { closes, type CloseName } from '../../../src/protocol/close-codes.ts'
import { ignoredPush, pingFrame } from '../../../src/protocol/replies.ts'
import {
  fromAttachment,
  attachmentSize,
  fitsSurely,
  newSession,
  jsonFormat,
  toAttachment,
  type SocketAttachment,
  type Session,
  type ConnectionFormat,
} from '../../../src/realtime/session.ts'
import { ResponsiveClock } from './responsive-clock.ts'
import { pongs } from '../../../src/realtime/slow-reader.ts'
import { openConnections } from '../../../src/realtime/open-connections.ts'
import { systemClock } from '../../../src/kernel/clock.ts'
import { randomToken } from '../../../src/kernel/id.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import { BinaryFrames } from './binary-frames.ts'
import { WebSocketTransport, type Transport } from './transport.ts'

/** The platform's bound on the attachment of a hibernating socket. */
const attachmentBytes = 16_384
/** What the time of a ping takes in an attachment at most. */
const pingBytes = 32
/** How much too old a kept time may be, in milliseconds, so that not every frame of a client costs an attachment. */
const receivedWithinMs = 5_000

/** How long the last frame may take to leave for a client that closed the connection itself, in milliseconds. */
const lastFrameMs = 1000

/** Called by the sockets of a gateway. */
export interface SocketHandlers {
  /** A message of a socket that does not hibernate; the runtime delivers those of the others. */
  received(session: Session, message: string | ArrayBuffer): void
  /** A session has ended, on either side; called once. */
  closed(session: Session): void
}

/**
 * The connections of one gateway: the session of each, its attachment while the gateway sleeps, and one frame per
 * connection and event for everything that was written to it.
 */
export class Sockets {
  readonly #ctx: DurableObjectState
  readonly #sessions = new Map<WebSocket, Session>()
  /** The sessions of WebSockets. */
  readonly byWebSocket: ReadonlyMap<WebSocket, Session> = this.#sessions
  readonly #transports = new Map<Session, Transport>()
  readonly #changed = new Set<Session>()
  readonly #dirty = new Set<Session>()
  readonly #events: SocketHandlers
  readonly #hibernates: boolean
  /** For the transports of Protobuf connections, which share the encoded lines of an event. */
  readonly binary = new BinaryFrames()
  /** Sockets that hibernate, with an unanswered probe: meanwhile pongs are counted here. */
  readonly #probing = new Set<Session>()
  #flushing = false
  readonly #answerClock = new ResponsiveClock(systemClock)

  /** With `hibernates` sockets outlast the gateway's sleep; without, it stays awake for them, and each message costs less. */
  constructor(ctx: DurableObjectState, events: SocketHandlers, hibernates: boolean) {
    this.#ctx = ctx
    this.#events = events
    this.#hibernates = hibernates
    this.#answerPongs(true)
  }

  /** Lets the runtime answer the pongs of sockets that hibernate, which does not wake the actor, or deliver them to be counted. */
  #answerPongs(byRuntime: boolean): void {
    if (byRuntime) this.#ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(pingFrame, ignoredPush))
    else this.#ctx.setWebSocketAutoResponse()
  }

  /**
   * The sessions of before the gateway slept, including one that is just closing: its end has not been handled yet, and
   * its attachment may be the one that keeps the position of a channel.
   */
  restore(): Session[] {
    for (const socket of this.#ctx.getWebSockets()) {
      const attachment = attachmentOf(socket)
      if (attachment !== null) this.#know(socket, fromAttachment(attachment))
    }
    return [...this.#sessions.values()]
  }

  /** Accepts a WebSocket. */
  accept(socket: WebSocket, now: number, wire: ConnectionFormat = jsonFormat): Session {
    const session = newSession(randomToken(12), now, wire)
    if (this.#hibernates) this.#ctx.acceptWebSocket(socket)
    else this.#listen(socket, session)
    this.#know(socket, session)
    this.changed(session)
    return session
  }

  /** Adds a connection that is no WebSocket. It ends by `close` or `end`. */
  admit(session: Session, transport: Transport): void {
    this.#transports.set(session, transport)
  }

  all(): IterableIterator<Session> {
    return this.#transports.keys()
  }

  get count(): number {
    return this.#transports.size
  }

  /** The session's attachment changed; it is written once per event. */
  changed(session: Session): void {
    this.#changed.add(session)
    this.#flushLater()
  }

  /** The session has lines to send; they are sent once per event. */
  written(session: Session): void {
    this.#dirty.add(session)
    this.#flushLater()
  }

  write(session: Session, text: string): void {
    session.outgoing.push(text)
    this.written(session)
  }

  /** Whether the session's attachment has room for another `bytes`. */
  canRemember(session: Session, bytes: number): boolean {
    return (
      fitsSurely(session, attachmentBytes - bytes) || attachmentSize(toAttachment(session)) + bytes < attachmentBytes
    )
  }

  /** Keeps the time of a ping in the attachments of the first `count` sockets that have room for it. Returns how many have. */
  keepPing(now: number, count: number): number {
    let kept = 0
    for (const session of this.#sessions.values()) {
      if (kept === count) break
      if (session.phase === 'connecting' || !this.canRemember(session, pingBytes)) continue
      session.pingedAt = now
      this.changed(session)
      kept++
    }
    return kept
  }

  /** Pings a connection, and notes that an answer is due. */
  ping(session: Session): void {
    // An open probe is a ping already, and its answer must not be mistaken for another.
    if (session.reader.asked > 0) return
    const isAnsweredByRuntime = this.#hibernates && session.wire === jsonFormat && this.#probing.size === 0
    if (!isAnsweredByRuntime) session.reader.expected = 1
    this.write(session, pingFrame)
  }

  /** `count` pongs arrived. A client that sends more than it was asked for does not read, and its connection is closed. */
  answered(session: Session, count: number): void {
    if (!pongs(session.reader, count, this.#answerClock.now(), systemClock.now())) return this.close(session, 'slow')
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

  /** Notes that the client sent something, where the runtime does not answer its pongs and keep that time itself. */
  noteReceived(session: Session, now: number): void {
    if (!session.wire.pings || now - session.receivedAt < receivedWithinMs) return
    session.receivedAt = now
    this.changed(session)
  }

  /** Milliseconds since the client last answered a ping; 0 for one that is not pinged. */
  silentFor(session: Session, now: number): number {
    if (!session.wire.pings) return 0
    const socket = this.#transports.get(session)?.socket
    return (
      now - Math.max(session.receivedAt, session.reader.answeredAt, socket === undefined ? 0 : this.#answeredAt(socket))
    )
  }

  /** Sends the lines that wait, then closes. */
  close(session: Session, name: CloseName): void {
    this.closeWith(session, closes[name])
  }

  /** The same with a code and a reason given by the tenant. */
  closeWith(session: Session, { code, reason }: { readonly code: number; readonly reason: string }): void {
    this.#sendTo(session)
    const transport = this.#transports.get(session)
    this.end(session)
    transport?.close(code, reason)
  }

  /** The socket has ended, by close frames of both sides when `wasClean`. */
  forget(socket: WebSocket, wasClean = false): void {
    const session = this.#sessions.get(socket)
    const connection = session?.connection ?? (this.#hibernates ? attachmentOf(socket)?.connection : undefined)
    if (session !== undefined) this.end(session)
    if (connection !== undefined) endSoon(connection, wasClean)
  }

  /** The connection has ended. */
  end(session: Session): void {
    const transport = this.#transports.get(session)
    if (transport === undefined) return
    session.phase = 'closed'
    this.#transports.delete(session)
    if (transport.socket !== undefined) this.#sessions.delete(transport.socket)
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
    this.#transports.set(
      session,
      new WebSocketTransport(socket, session, this.binary, this.#hibernates, this.#answerClock),
    )
  }

  #flushLater(): void {
    if (this.#flushing) return
    this.#flushing = true
    // queueMicrotask wraps its function in an object of the runtime, at three times the price.
    void Promise.resolve().then(this.#flush)
  }

  readonly #flush = (): void => {
    this.#flushing = false
    for (const session of this.#changed) this.#writeAttachment(session)
    this.#changed.clear()
    for (const session of this.#dirty) this.#sendTo(session)
    this.#dirty.clear()
    this.binary.forget()
  }

  /** Writes the attachment of a session where sockets hibernate, except before the reply to its connect. A session whose attachment cannot be written is closed. */
  #writeAttachment(session: Session): void {
    if (!this.#hibernates || session.phase === 'connecting') return
    const transport = this.#transports.get(session)
    const kept = toAttachment(session)
    try {
      if (session.buckets === undefined) transport?.remember(kept)
      else rememberWithBuckets(transport, session, kept)
    } catch (thrown) {
      log.warn('gateway.keep-failed', { client: session.client, reason: reasonOf(thrown) })
      this.close(session, 'internal')
    }
  }

  #sendTo(session: Session): void {
    const transport = this.#transports.get(session)
    const { outgoing, phase } = session
    // Before the connect's reply nothing is sent; the reply goes to the front of the lines that wait.
    if (transport === undefined || outgoing.length === 0 || phase === 'connecting') return
    try {
      const isSent = transport.send(outgoing, session.reader)
      outgoing.length = 0
      if (!isSent) this.close(session, 'slow')
      else if (session.reader.asked > 0) this.#probed(session)
    } catch (thrown) {
      outgoing.length = 0
      log.warn('gateway.send-failed', { client: session.client, reason: reasonOf(thrown) })
      this.close(session, 'internal')
    }
  }
}

/** Without its buckets where these have no room. Trying costs nothing where they have, which is nearly always. */
function rememberWithBuckets(transport: Transport | undefined, session: Session, kept: SocketAttachment): void {
  if (session.buckets === undefined) return
  try {
    transport?.remember({ ...kept, buckets: session.buckets })
  } catch (thrown) {
    if (session.buckets === null) throw thrown
    session.buckets = null
    transport?.remember({ ...kept, buckets: null })
  }
}

const attachmentOf = (socket: WebSocket): SocketAttachment | null => socket.deserializeAttachment()

/** The close frame that answers the client's may still be on its way; without one there is nothing to wait for. */
function endSoon(connection: string, wasClean: boolean): void {
  if (wasClean) setTimeout(() => openConnections.end(connection), lastFrameMs)
  else openConnections.end(connection)
}
