import type { ClientInfo } from '../protocol/replies.ts'

/**
 * The users whose leave is not published yet. A user joins with the first connection and leaves when the last one has
 * been closed for a while: a phone that changes networks, or a page that is reloaded, does neither. Presence itself is
 * not debounced; it reports the present moment.
 */
export class LeaveDebouncer {
  readonly #graceMs: number
  readonly #going = new Map<string, { readonly info: ClientInfo; readonly dueAt: number }>()

  constructor(graceMs: number) {
    this.#graceMs = graceMs
  }

  /** The user's first connection at a gateway. True when the join has to be published; false when the leave was never published. */
  joined({ user }: ClientInfo): boolean {
    return !this.#going.delete(user)
  }

  /** The user's last connection at a gateway has gone. */
  left(info: ClientInfo, now: number): void {
    this.#going.delete(info.user)
    this.#going.set(info.user, { info, dueAt: now + this.#graceMs })
  }

  /** Those whose grace is over, once; whether they are really nowhere has to be asked. */
  due(now: number): readonly ClientInfo[] {
    const due: ClientInfo[] = []
    // In the order of their time, unless the clock was set back: those are late by as much.
    for (const [user, { info, dueAt }] of this.#going) {
      if (dueAt > now) break
      this.#going.delete(user)
      due.push(info)
    }
    return due
  }

  /** Milliseconds until the next leave is due; undefined when none is pending. */
  waitMs(now: number): number | undefined {
    const [first] = this.#going.values()
    return first === undefined ? undefined : Math.max(0, first.dueAt - now)
  }
}
