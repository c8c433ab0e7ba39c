import { refuse, type Refusal } from '../protocol/errors.ts'
import type { Log, Members } from './ports.ts'
import { hasRight } from './rights.ts'
import type { Actor, Conversation } from './types.ts'

/** Seconds between two messages at most. */
export const maxSlowModeSeconds = 21_600
/** Entries that are read when the first message comes in slow mode, and members whose times are remembered. */
const maxRead = 1000

/** When members wrote last, read off the log: only the entries that were not read before, and none where it is not asked. */
export class SentTimes {
  readonly #log: Log
  readonly #times = new Map<string, number>()
  #readUpTo = 0

  constructor(log: Log) {
    this.#log = log
  }

  /** When the user wrote last, in milliseconds since the epoch; undefined where it was before the newest entries. */
  of(user: string): number | undefined {
    const top = this.#log.top()
    const after = Math.max(this.#readUpTo, top - maxRead)
    const rows = top === after ? [] : this.#log.range(after, top, maxRead)
    for (const { user: author, at, clientId } of rows) {
      if (clientId === null) continue
      this.#times.delete(author)
      this.#times.set(author, at)
    }
    for (const oldest of this.#times.keys()) {
      if (this.#times.size <= maxRead) break
      this.#times.delete(oldest)
    }
    this.#readUpTo = top
    return this.#times.get(user)
  }
}

interface SlowConversation {
  readonly conversation: Conversation
  readonly members: Members
  readonly sentTimes: SentTimes
  readonly now: number
}

/** Refuses a message that follows the author's last one too soon. Asked in slow mode only, after `mayWrite`. */
export function refuseTooSoon(state: SlowConversation, { user, server }: Actor): Refusal | undefined {
  const { conversation, members, sentTimes, now } = state
  if (server || hasRight(conversation, members, user, 'ignoreSlowMode')) return undefined
  const last = sentTimes.of(user)
  const seconds = conversation.slowModeSeconds ?? 0
  // A message of the future was sent before the clock was set back, which is no reason to wait.
  const wait = last === undefined || last > now ? 0 : last + seconds * 1000 - now
  return wait > 0
    ? refuse('slowMode', `slow mode: one message each ${seconds} seconds; wait ${wait} ms`, wait)
    : undefined
}
