import type { CloseName } from '../../../src/protocol/close-codes.ts'
import { decideEnd, isPingDue, lookAgainAt, nextPingAt } from '../../../src/realtime/liveness.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { Sockets } from './sockets.ts'

/** Looks that are due within this time are one. */
const togetherMs = 1000

/**
 * One alarm for all sockets of a gateway: pings them, and ends those that are silent, expired or never said who they are.
 * Pongs are answered by the runtime without waking us; its timestamps tell who is alive. When it pinged last outlives
 * the gateway's sleep, which is what silence is measured by.
 */
export class Heartbeat {
  readonly #storage: DurableObjectStorage
  readonly #sockets: Sockets
  /** When the alarm rings; undefined when nobody remembers. */
  #next: number | undefined

  constructor(storage: DurableObjectStorage, sockets: Sockets) {
    this.#storage = storage
    this.#sockets = sockets
  }

  /** Makes sure the alarm rings in time for a session that has come or has something new to be watched for. */
  async watch(session: Session, now: number): Promise<void> {
    this.#next ??= (await this.#storage.getAlarm()) ?? Infinity
    const due = Math.min(lookAgainAt(session), now + nextPingAt(0))
    if (this.#next > now && this.#next <= due + togetherMs) return
    this.#next = due
    await this.#storage.setAlarm(due)
  }

  /** The alarm rang: says who must go, pings the rest when it is time, and rings again while anybody is here. True when it pinged. */
  async beat(now: number, end: (session: Session, name: CloseName) => void): Promise<boolean> {
    const pingedAt = this.#storage.kv.get<number>('pingedAt') ?? 0
    const pings = isPingDue(pingedAt, now)
    let due = nextPingAt(pings ? now : pingedAt)
    for (const session of this.#sockets.all()) {
      const aliveAt = now - this.#sockets.silentFor(session, now)
      const why = decideEnd(session, { aliveAt, pingedAt, now })
      if (why !== undefined) end(session, why)
      else if (pings && session.wire.pings) this.#sockets.ping(session)
      due = Math.min(due, why === undefined ? lookAgainAt(session) : Infinity)
    }
    if (pings) this.#storage.kv.put('pingedAt', now)
    this.#next = Infinity
    if (this.#sockets.count === 0) return pings
    this.#next = Math.max(due, now + togetherMs)
    await this.#storage.setAlarm(this.#next)
    return pings
  }
}
