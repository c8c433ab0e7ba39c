import type { CloseName } from '../../../src/protocol/close-codes.ts'
import { decideEnd, isPingDue, lookAgainAt, nextPingAt } from '../../../src/realtime/liveness.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { Sockets } from './sockets.ts'

/** Alarms that are due within this time are one, in milliseconds. */
const togetherMs = 1000

/**
 * One alarm for all connections of a gateway: pings them, and closes those that are silent, expired or never connected. The
 * runtime answers pongs without waking the actor, and its timestamps show which connections are alive. The time of the
 * last ping is stored, since silence is measured from it, also after the gateway slept.
 */
export class Heartbeat {
  readonly #storage: DurableObjectStorage
  readonly #sockets: Sockets
  /** When the alarm rings; undefined until it was read from storage. */
  #next: number | undefined

  constructor(storage: DurableObjectStorage, sockets: Sockets) {
    this.#storage = storage
    this.#sockets = sockets
  }

  /** Makes sure that the alarm rings in time for a session that is new or has something new to watch. */
  async watch(session: Session, now: number): Promise<void> {
    this.#next ??= (await this.#storage.getAlarm()) ?? Infinity
    const due = Math.min(lookAgainAt(session), now + nextPingAt(0))
    if (this.#next > now && this.#next <= due + togetherMs) return
    this.#next = due
    await this.#storage.setAlarm(due)
  }

  /** The alarm rang: ends the connections that must go, pings the rest when it is time, and sets the next alarm while there are connections. True when it pinged. */
  async beat(now: number, end: (session: Session, name: CloseName) => void): Promise<boolean> {
    const pingedAt = this.#storage.kv.get<number>('pingedAt') ?? 0
    const pings = isPingDue(pingedAt, now)
    let due = nextPingAt(pings ? now : pingedAt)
    for (const session of this.#sockets.all()) {
      const aliveAt = now - this.#sockets.silentFor(session, now)
      const reason = decideEnd(session, { aliveAt, pingedAt, now })
      if (reason !== undefined) end(session, reason)
      else if (pings && session.wire.pings) this.#sockets.ping(session)
      due = Math.min(due, reason === undefined ? lookAgainAt(session) : Infinity)
    }
    if (pings) this.#storage.kv.put('pingedAt', now)
    this.#next = Infinity
    if (this.#sockets.count === 0) return pings
    this.#next = Math.max(due, now + togetherMs)
    await this.#storage.setAlarm(this.#next)
    return pings
  }
}
