import type { Session } from '../../../src/realtime/session.ts'

interface Asked {
  bytes: number
  /** What waits for the answer. */
  readonly held: (() => void)[]
}

/**
 * Subscriptions that were asked for and are not answered yet. They count against the connection's limit, and what a
 * client says of their channel meanwhile waits, as if its commands were dealt with one after the other.
 */
export class PendingSubscriptions {
  readonly #pending = new WeakMap<Session, Map<string, Asked>>()

  /** How many there are, and how much the connection will have to remember of them. */
  asked(session: Session): { readonly channels: number; readonly bytes: number } {
    const all = [...(this.#pending.get(session)?.values() ?? [])]
    return { channels: all.length, bytes: all.reduce((sum, { bytes }) => sum + bytes, 0) }
  }

  /** Keeps `work` until the channel's subscription is answered; false when none is under way. */
  holds(session: Session, channel: string, work: () => void): boolean {
    const asked = this.#pending.get(session)?.get(channel)
    asked?.held.push(work)
    return asked !== undefined
  }

  begin(session: Session, channel: string, bytes: number): void {
    const asked = this.#pending.get(session) ?? new Map<string, Asked>()
    this.#pending.set(session, asked.set(channel, { bytes, held: [] }))
  }

  /** There is more to remember of it than its name. */
  grow(session: Session, channel: string, bytes: number): void {
    const asked = this.#pending.get(session)?.get(channel)
    if (asked !== undefined) asked.bytes += bytes
  }

  /** The subscription is answered: does what waited, until it asks for the channel again. */
  end(session: Session, channel: string): void {
    const held = this.#pending.get(session)?.get(channel)?.held ?? []
    this.#pending.get(session)?.delete(channel)
    for (const work of held) if (!this.holds(session, channel, work)) work()
  }
}
