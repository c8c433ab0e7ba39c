import { pingFrame } from '../../src/protocol/replies.ts'
import type { Session } from '../../src/realtime/session.ts'
import type { Sockets } from './sockets.ts'
import type { CloseName } from '../../src/protocol/close-codes.ts'

/** Seconds between pings, as told to clients. */
export const pingSeconds = 25
/** How long a connection may stay without saying who it is. */
const connectMs = 10_000
/** How long an expired token is still good, so that its renewal may be on the way. */
const graceMs = 25_000

/**
 * One alarm for all sockets of a gateway: pings them, and ends those that are silent, expired or never said who they are.
 * Pongs are answered by the runtime without waking us; its timestamps tell who is alive.
 */
export class Heartbeat {
  readonly #storage: DurableObjectStorage
  readonly #sockets: Sockets
  #next = 0

  constructor(storage: DurableObjectStorage, sockets: Sockets) {
    this.#storage = storage
    this.#sockets = sockets
  }

  /** Makes sure the alarm rings at the latest when a socket opened `now` must have connected. */
  async keep(now: number): Promise<void> {
    const due = now + connectMs
    if (this.#next > now && this.#next <= due) return
    this.#next = due
    await this.#storage.setAlarm(due)
  }

  /** The alarm rang: says who must go, pings the rest, and rings again while anybody is here. */
  async beat(now: number, end: (session: Session, name: CloseName) => void): Promise<void> {
    this.#next = 0
    for (const session of this.#sockets.all()) {
      const verdict = this.#verdict(session, now)
      if (verdict === undefined) this.#sockets.write(session, pingFrame)
      else end(session, verdict)
    }
    if (this.#sockets.count === 0) return
    this.#next = now + pingSeconds * 1000
    await this.#storage.setAlarm(this.#next)
  }

  #verdict(session: Session, now: number): CloseName | undefined {
    if (session.phase !== 'open') return now - session.openedAt >= connectMs ? 'stale' : undefined
    if (session.expiresAt > 0 && session.expiresAt + graceMs < now) return 'expired'
    return this.#sockets.silentFor(session, now) > 2.5 * pingSeconds * 1000 ? 'noPong' : undefined
  }
}
