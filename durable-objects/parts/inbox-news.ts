import type { Conversation, LogRow } from '../../src/conversations/types.ts'
import type { Env } from '../../src/env.ts'
import type { InboxNews, Preview } from '../../src/inbox/entry.ts'
import { inboxOf } from '../address.ts'
import type { Facts } from './facts.ts'
import type { MemberTable } from './member-table.ts'
import type { MessageLog } from './message-log.ts'

/** Inboxes told at the same time. */
const parallel = 32

/**
 * Tells each member's inbox where the conversation stands: always the whole state, so that repeats do no harm.
 * A watermark says how far all inboxes know the log; a burst of messages is one call per member.
 */
export class InboxNewsletter {
  readonly #env: Env
  readonly #sql: SqlStorage
  readonly #facts: Facts
  readonly #log: MessageLog
  readonly #members: MemberTable

  constructor(env: Env, sql: SqlStorage, facts: Facts, messages: MessageLog, members: MemberTable) {
    this.#env = env
    this.#sql = sql
    this.#facts = facts
    this.#log = messages
    this.#members = members
  }

  /** The seq up to which every inbox knows the log. */
  get watermark(): number {
    return this.#facts.number('told')
  }

  /** Nobody needs to hear of anything up to `seq` any more. */
  skip(seq: number): void {
    if (seq > this.watermark) this.#facts.set('told', seq)
  }

  owes(conversation: Conversation): boolean {
    if (this.watermark < this.#log.top() || this.#facts.number('toldVersion') < conversation.version) return true
    return this.#members.untold().length > 0
  }

  /** Somebody left: her inbox must forget the conversation, also if that takes several tries. */
  noteRemoval(user: string, version: number): void {
    this.#sql.exec(
      'INSERT INTO removals (user, version) VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET version = excluded.version',
      user,
      version,
    )
  }

  /** Tells everyone who is owed news, and throws when an inbox could not be told; the next run tells all of them again. */
  async run(conversation: Conversation): Promise<void> {
    const top = this.#log.top()
    const everyone = this.watermark < top || this.#facts.number('toldVersion') < conversation.version
    const users = everyone ? [...this.#members.all()].map(({ user }) => user) : this.#members.untold()
    const reads = new Map(users.map((user) => [user, this.#members.get(user)?.read ?? 0]))
    const isDeleted = conversation.deletedAt !== undefined
    await tryAll([...this.#removals(conversation), ...(isDeleted ? [] : this.#advances(conversation, reads, top))])

    this.#members.flush(reads)
    this.#facts.set('told', Math.max(top, this.watermark))
    this.#facts.set('toldVersion', conversation.version)
  }

  #advances(conversation: Conversation, reads: ReadonlyMap<string, number>, top: number): Telling[] {
    const news = this.#news(conversation, top)
    return [...reads].map(
      ([user, read]) =>
        async () =>
          await inboxOf(this.#env, conversation.tenant, user).advance({ ...news, read }),
    )
  }

  #removals({ tenant, id }: Conversation): Telling[] {
    const removals = this.#sql.exec<{ user: string; version: number }>('SELECT user, version FROM removals').toArray()
    return removals.map(({ user, version }) => async () => {
      await inboxOf(this.#env, tenant, user).remove(id, version)
      this.#sql.exec('DELETE FROM removals WHERE user = ? AND version = ?', user, version)
    })
  }

  #news(conversation: Conversation, top: number): Omit<InboxNews, 'read'> {
    const newest = this.#log.range(top - 1, top, 1)[0]
    return {
      conversation: conversation.id,
      type: conversation.type,
      name: conversation.name,
      last: top,
      at: newest?.at ?? conversation.createdAt,
      preview: newest === undefined ? null : toPreview(newest),
      members: this.#members.some(10).map(({ user }) => user),
      memberCount: this.#members.count(),
      version: conversation.version,
    }
  }
}

/** Tells one inbox. */
type Telling = () => Promise<void>

/** Tries each, so many at the same time: one that fails keeps no other from hearing. Throws then, as the first that did. */
async function tryAll(tellings: readonly Telling[]): Promise<void> {
  const tried: Promise<void>[] = []
  while (tried.length < tellings.length) {
    tried.push(...tellings.slice(tried.length, tried.length + parallel).map((tell) => tell()))
    await Promise.allSettled(tried.slice(-parallel))
  }
  await Promise.all(tried)
}

const previewLength = 140

function toPreview({ user, data }: LogRow): Preview | null {
  const { type, text }: { type?: string; text?: string } = JSON.parse(data)
  return type === 'message' && text !== undefined ? { user, text: text.slice(0, previewLength).toWellFormed() } : null
}
