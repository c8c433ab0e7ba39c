import type { Deadlines } from '../../../src/kernel/deadlines.ts'
import type { CloseName } from '../../../src/protocol/close-codes.ts'
import { decideEnd, isPingDue, lookAgainAt, nextPingAt } from '../../../src/realtime/liveness.ts'
import type { Session } from '../../../src/realtime/session.ts'
import type { Sockets } from './sockets.ts'

/** Alarms that are due within this time are one, in milliseconds. */
const togetherMs = 1000
/** Sockets that keep the time of the last ping in their attachments. */
const keepers = 2
/** Under this name the version before stored the time of the last ping, and so does a gateway whose attachments have no room. */
const pingedAtKey = 'pingedAt'

/**
 * One alarm for all connections of a gateway: pings them, and closes those that are silent, expired or never connected. The
 * runtime answers pongs without waking the actor, and its timestamps show which connections are alive. Silence is measured
 * from the last ping, also after the gateway slept: its time is kept in the attachments of two sockets, since a row for
 * each ping would cost as much as the alarm. Should both have closed meanwhile, silence counts from the next ping on.
 */
export class Heartbeat {
  readonly #storage: DurableObjectStorage
  readonly #sockets: Sockets
  readonly #deadlines: Deadlines
  /** When the alarm rings; undefined until it was read from storage. */
  #next: number | undefined
  /** When the last ping was sent, 0 for none; undefined until it was looked up. */
  #pingedAt: number | undefined

  constructor(storage: DurableObjectStorage, sockets: Sockets, deadlines: Deadlines) {
    this.#deadlines = deadlines
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
    this.#deadlines.expire(now)
    const pingedAt = (this.#pingedAt ??= this.#keptPing())
    const pings = isPingDue(pingedAt, now)
    let due = nextPingAt(pings ? now : pingedAt)
    for (const session of this.#sockets.all()) {
      const aliveAt = now - this.#sockets.silentFor(session, now)
      const reason = decideEnd(session, { aliveAt, pingedAt, now })
      if (reason !== undefined) end(session, reason)
      else if (pings && session.wire.pings) this.#sockets.ping(session)
      due = Math.min(due, reason === undefined ? lookAgainAt(session) : Infinity)
    }
    if (pings) this.#keepPing(now)
    this.#next = Infinity
    if (this.#sockets.count === 0) return pings
    this.#next = Math.max(due, now + togetherMs)
    await this.#storage.setAlarm(this.#next)
    return pings
  }

  #keptPing(): number {
    let latest = this.#storage.kv.get<number>(pingedAtKey) ?? 0
    for (const { pingedAt } of this.#sockets.all()) latest = Math.max(latest, pingedAt)
    return latest
  }

  #keepPing(now: number): void {
    this.#pingedAt = now
    if (this.#sockets.count > 0 && this.#sockets.keepPing(now, keepers) === 0) this.#storage.kv.put(pingedAtKey, now)
  }
}
