import type { Session } from '../../../src/realtime/session.ts'

interface Pending {
  bytes: number
  /** Commands that wait for the answer. */
  readonly held: (() => void)[]
}

/**
 * Subscriptions without an answer yet. They count against the connection's limits, and further commands for their channel
 * wait, as if commands were handled one after the other.
 */
export class PendingSubscriptions {
  readonly #pending = new WeakMap<Session, Map<string, Pending>>()

  /** How many there are, and the bytes they will take in the connection's attachment. */
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
    const asked = this.#pending.get(session) ?? new Map<string, Pending>()
    this.#pending.set(session, asked.set(channel, { bytes, held: [] }))
  }

  /** The attachment will hold more of it than its name. */
  grow(session: Session, channel: string, bytes: number): void {
    const asked = this.#pending.get(session)?.get(channel)
    if (asked !== undefined) asked.bytes += bytes
  }

  /** The subscription is answered: runs what waited, up to the next subscribe to the channel. */
  end(session: Session, channel: string): void {
    const held = this.#pending.get(session)?.get(channel)?.held ?? []
    this.#pending.get(session)?.delete(channel)
    for (const work of held) if (!this.holds(session, channel, work)) work()
  }
}
