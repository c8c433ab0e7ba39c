import type { Env } from '../../src/env.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { within } from '../../src/kernel/retry.ts'
import { notesNumberOf } from '../../src/inbox/notes.ts'
import { inboxNotesNumbered, inboxOf } from '../address.ts'

/** How long an event may take to a gateway; then it is given up. The feed has what it was about. */
const deliverMs = 10_000

/** An event for the connections of a user; `data` makes its JSON text, for users that have a connection. */
export interface LiveEvent {
  readonly user: string
  readonly data: () => string
}

/** Ephemeral events on the channels of users. Users without a connection cost one call for many of them, and no actor is opened for them. */
export class LiveEvents {
  readonly #env: Env
  readonly #tenant: string

  constructor(env: Env, tenant: string) {
    this.#env = env
    this.#tenant = tenant
  }

  /** Sends events behind the answer. A lost one does no harm: clients read the feed again after a reconnect. */
  send(events: readonly LiveEvent[]): void {
    const byNotes = Map.groupBy(events, ({ user }) => notesNumberOf(user))
    for (const [number, some] of byNotes) void this.#sendSome(number, some)
  }

  async #sendSome(number: number, events: readonly LiveEvent[]): Promise<void> {
    try {
      const users = [...new Set(events.map(({ user }) => user))]
      const notes = inboxNotesNumbered(this.#env, this.#tenant, number)
      const open = await within(deliverMs, 'users with a connection', notes.openAmong(users))
      for (const user of open) {
        const data = events.flatMap((event) => (event.user === user ? [event.data()] : []))
        await within(deliverMs, 'events of a user', inboxOf(this.#env, this.#tenant, user).notify(data))
      }
    } catch (thrown) {
      log.warn('notifications.live-failed', { tenant: this.#tenant, reason: reasonOf(thrown) })
    }
  }
}
