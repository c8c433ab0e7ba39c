import { systemClock } from '../../../src/kernel/clock.ts'
import { randomToken } from '../../../src/kernel/id.ts'
import type { FrameFormat, StreamKind } from '../../../src/protocol/frames.ts'
import { ignoredPush } from '../../../src/protocol/replies.ts'
import { newSession, type Session } from '../../../src/realtime/session.ts'
import { EndedStreams } from './ended-streams.ts'
import type { Sockets } from './sockets.ts'
import { StreamTransport } from './stream-transport.ts'
import type { ReceiveResult } from '../../contracts.ts'

/** How often a stream is written to, in milliseconds: only a write shows that its client has gone, within two of them. */
const probeMs = 1_000
/** Streams written to at a time. With more of them a round takes longer. */
const probedAtOnce = 2_000

/**
 * Connections for networks that let no WebSocket through: the server sends in the body of an HTTP response that does not
 * end, and the client posts its frames, naming the session and the node that holds it. A node is one instance of a gateway:
 * its streams end with it, so a post that names an earlier one is answered with an error, and the client connects again.
 */
export class Emulation {
  readonly #sockets: Sockets
  #probing: number | null = null
  readonly #node: string
  readonly #sessions = new Map<string, Session>()
  /** The rest of the present round of probes; undefined between rounds. */
  #round: IterableIterator<Session> | undefined
  readonly #lingering = new EndedStreams(() => systemClock.now())

  constructor(gateway: string, sockets: Sockets) {
    this.#node = `${gateway}/${randomToken(8)}`
    this.#sockets = sockets
  }

  /** Opens a connection that is sent to in the body of a response. */
  open(kind: StreamKind, now: number): { readonly session: Session; readonly body: ReadableStream<Uint8Array> } {
    const emulation = { session: randomToken(43), node: this.#node }
    const session = newSession(randomToken(12), now, { format: formatOf(kind), pings: true }, emulation)
    const transport = new StreamTransport(kind, this.#sockets.binary, this.#lingering, () => this.#sockets.end(session))
    this.#sessions.set(emulation.session, session)
    this.#probing ??= setInterval(() => this.#probe(), probeMs)
    this.#sockets.admit(session, transport)
    return { session, body: transport.body }
  }

  /** The session of a post, or why there is none. */
  find(node: string, session: string): Session | Exclude<ReceiveResult, 'received'> {
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
   * Writes to streams in turn. The runtime reports a client's close neither by `cancel` nor by the request's signal until
   * something is written to it.
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
