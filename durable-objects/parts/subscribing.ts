import type { Session } from '../../src/realtime/session.ts'

/**
 * Subscriptions that were asked for and are not answered yet. They count against the connection's limit, and what a
 * client says of their channel meanwhile waits, as if its commands were dealt with one after the other.
 */
export class Subscribing {
  readonly #asked = new WeakMap<Session, Map<string, (() => void)[]>>()

  channels(session: Session): string[] {
    return [...(this.#asked.get(session)?.keys() ?? [])]
  }

  /** Keeps `work` until the channel's subscription is answered; false when none is under way. */
  holds(session: Session, channel: string, work: () => void): boolean {
    const held = this.#asked.get(session)?.get(channel)
    held?.push(work)
    return held !== undefined
  }

  begin(session: Session, channel: string): void {
    const asked = this.#asked.get(session) ?? new Map<string, (() => void)[]>()
    this.#asked.set(session, asked.set(channel, []))
  }

  /** The subscription is answered: does what waited, until it asks for the channel again. */
  end(session: Session, channel: string): void {
    const held = this.#asked.get(session)?.get(channel) ?? []
    this.#asked.get(session)?.delete(channel)
    for (const work of held) if (!this.holds(session, channel, work)) work()
  }
}
