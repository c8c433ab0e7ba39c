import { systemClock } from '../../../src/kernel/clock.ts'
import { randomToken } from '../../../src/kernel/id.ts'
import type { FrameFormat, StreamKind } from '../../../src/protocol/frames.ts'
import { ignoredPush } from '../../../src/protocol/replies.ts'
import { newSession, type Session } from '../../../src/realtime/session.ts'
import { EndedStreams } from './ended-streams.ts'
import type { Sockets } from './sockets.ts'
import { StreamTransport } from './stream-transport.ts'

/** How often a stream is written to, since only a write tells that its client has left: it is noticed within two of them. */
const probeMs = 1_000
/** Streams written to at a time. With more than that a round takes longer, and so does noticing. */
const probedAtOnce = 2_000

/** What became of a frame that was posted: it reached its session, that has ended, or it is of another gateway's. */
export type ReceiveResult = 'heard' | 'ended' | 'elsewhere'

/**
 * Connections for networks that let no WebSocket through: the client hears by an HTTP answer that does not end, and
 * says what it has to say by posts, which name the session and the node that holds it. A node is one waking of a
 * gateway: its streams end with it, so whoever names an earlier one has to come again.
 */
export class Emulation {
  readonly #sockets: Sockets
  #probing: number | null = null
  readonly #node: string
  readonly #sessions = new Map<string, Session>()
  /** Where the round of probes is; undefined between rounds. */
  #round: IterableIterator<Session> | undefined
  readonly #lingering = new EndedStreams(() => systemClock.now())

  constructor(gateway: string, sockets: Sockets) {
    this.#node = `${gateway}/${randomToken(8)}`
    this.#sockets = sockets
  }

  /** A connection whose words go into the body of an answer. */
  open(kind: StreamKind, now: number): { readonly session: Session; readonly body: ReadableStream<Uint8Array> } {
    const emulation = { session: randomToken(43), node: this.#node }
    const session = newSession(randomToken(12), now, { format: formatOf(kind), pings: true }, emulation)
    const sink = new StreamTransport(kind, this.#sockets.binary, this.#lingering, () => this.#sockets.end(session))
    this.#sessions.set(emulation.session, session)
    this.#probing ??= setInterval(() => this.#probe(), probeMs)
    this.#sockets.admit(session, sink)
    return { session, body: sink.body }
  }

  /** Whose a post is, or why it is nobody's. */
  find(node: string, session: string): Session | Exclude<ReceiveResult, 'heard'> {
    return node === this.#node ? (this.#sessions.get(session) ?? 'ended') : 'elsewhere'
  }

  /** The session has ended. */
  forget({ emulation }: Session): void {
    if (emulation !== undefined) this.#sessions.delete(emulation.session)
    if (this.#sessions.size > 0) return
    clearInterval(this.#probing)
    this.#probing = null
  }

  /**
   * Writes to streams in turn. The runtime tells neither by `cancel` nor by the request's signal that a client has closed
   * its connection until something is written to it.
   */
  #probe(): void {
    this.#round ??= this.#sessions.values()
    for (let probed = 0; probed < probedAtOnce; probed++) {
      const next = this.#round.next()
      if (next.done === true) return void (this.#round = undefined)
      this.#sockets.write(next.value, ignoredPush)
    }
  }
}

const formatOf = (kind: StreamKind): FrameFormat => (kind === 'messages' ? 'protobuf' : 'json')
