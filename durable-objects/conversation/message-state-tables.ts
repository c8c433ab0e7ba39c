import type {
  Edit,
  MessageStates,
  OwnReaction,
  Pin,
  Pins,
  ReactionCount,
  ReactionCursor,
  Reactions,
  UserReaction,
} from '../../src/conversations/message-states.ts'
import type { StreamingMessages } from '../../src/conversations/streaming.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import type { MessageState } from '../../src/protocol/stream.ts'
import type { Sql } from '../shared/sql.ts'
import { KeptTable } from './kept-table.ts'
import { ThreadTable } from './thread-table.ts'

const isLive =
  '(until IS NULL OR until > ?) AND NOT EXISTS (SELECT 1 FROM amendments WHERE amendments.ref = pins.ref AND text IS NULL)'

/** Where streaming messages are kept, which most conversations have none of. */
interface StoredStreaming {
  readonly isUsed: boolean
  open(): StreamingMessages
}

/** What became of messages, in tables by the seq of the message; see docs/design/chat-messages.md. */
export class MessageStateTables implements MessageStates {
  readonly reactions: ReactionTable
  readonly pins: PinTable
  readonly threads: ThreadTable
  readonly kept: KeptTable
  isStreaming: boolean
  readonly #stored: StoredStreaming
  #streaming: StreamingMessages | undefined
  readonly #sql: Sql
  /** Whether a conversation has used any of the tables; undefined until it is read. */
  #isUsed: boolean | undefined

  constructor(sql: Sql, stored: StoredStreaming) {
    const used = () => void (this.#isUsed = true)
    this.#sql = sql
    this.#stored = stored
    this.isStreaming = stored.isUsed
    this.reactions = new ReactionTable(sql, used)
    this.pins = new PinTable(sql, used)
    this.threads = new ThreadTable(sql, used)
    this.kept = new KeptTable(sql, used)
  }

  get streaming(): StreamingMessages {
    return (this.#streaming ??= this.#stored.open())
  }

  edits(ref: number, limit: number): Edit[] {
    const newest = 'SELECT seq, user, at, text FROM edits WHERE ref = ? ORDER BY seq DESC LIMIT ?'
    return this.#sql.exec<EditRow>(newest, ref, limit).toArray().toReversed()
  }

  addEdit(ref: number, { seq, user, at, text }: Edit): void {
    this.#isUsed = true
    this.#sql.exec('INSERT INTO edits (ref, seq, user, at, text) VALUES (?, ?, ?, ?, ?)', ref, seq, user, at, text)
  }

  between(first: number, last: number, user: string, now: number): MessageState[] {
    if (!this.#hasAny()) return []
    const states = new Map<number, Partial<MessageState>>()
    const add = (ref: number, part: Partial<MessageState>) => states.set(ref, { ...states.get(ref), ...part })
    for (const [ref, reactions] of this.reactions.between(first, last, user)) add(ref, { reactions })
    for (const { ref, user: by, at, until } of this.pins.between(first, last, now))
      add(ref, { pinned: { user: by, at, ...(until === null ? {} : { until }) } })
    for (const [ref, replies] of this.threads.between(first, last)) add(ref, { replies })
    const edited = 'SELECT ref, count(*) AS n FROM edits WHERE ref BETWEEN ? AND ? GROUP BY ref'
    for (const { ref, n } of this.#sql.exec<{ ref: number; n: number }>(edited, first, last)) add(ref, { edits: n })
    return [...states].map(([ref, state]) => ({ ...state, ref }))
  }

  /** Message `ref` is deleted: what it said before goes too. */
  deleted(ref: number): void {
    if (!this.#hasAny()) return
    this.#sql.exec('DELETE FROM edits WHERE ref = ?', ref)
    this.kept.remove(ref)
  }

  /** Erases a user from the states of messages after `after` and up to `upTo`. Returns how many rows that changed. */
  erase(erased: ErasedUser, after: number, upTo: number): number {
    const { user, pseudonym } = erased
    let rows = this.reactions.erase(erased, after, upTo) + this.threads.erase(erased, after, upTo)
    rows += this.kept.erase(erased, after, upTo)
    for (const table of ['pins', 'edits']) {
      const theirs = `UPDATE ${table} SET user = ? WHERE ref > ? AND ref <= ? AND user = ? RETURNING ref`
      rows += this.#sql.exec(theirs, pseudonym, after, upTo, user).toArray().length
    }
    return rows
  }

  clear(): void {
    for (const table of ['reactions', 'reaction_counts', 'pins', 'edits']) this.#sql.exec(`DELETE FROM ${table}`)
    this.threads.clear()
    this.kept.clear()
    this.#isUsed = undefined
    if (this.isStreaming) this.streaming.clear()
  }

  #hasAny(): boolean {
    const tables = ['reaction_counts', 'pins', 'edits', 'thread_users', 'kept_messages']
    const some = tables.map((table) => `EXISTS (SELECT 1 FROM ${table})`).join(' OR ')
    return (this.#isUsed ??= this.#sql.exec<{ used: number }>(`SELECT ${some} AS used`).one().used === 1)
  }
}

type EditRow = { readonly seq: number; readonly user: string; readonly at: number; readonly text: string }
type ReactionRow = { readonly user: string; readonly reaction: string; readonly seq: number; readonly at: number }

/** Who reacted, one row for each, and how many, one row for each reaction to a message. */
class ReactionTable implements Reactions {
  readonly #sql: Sql
  readonly #used: () => void

  constructor(sql: Sql, used: () => void) {
    this.#sql = sql
    this.#used = used
  }

  of(ref: number, user: string): OwnReaction[] {
    const own = 'SELECT reaction, seq, at FROM reactions WHERE ref = ? AND user = ? ORDER BY reaction'
    return this.#sql.exec<{ reaction: string; seq: number; at: number }>(own, ref, user).toArray()
  }

  counts(ref: number): ReactionCount[] {
    const counts = 'SELECT reaction, count FROM reaction_counts WHERE ref = ? ORDER BY first'
    return this.#sql.exec<{ reaction: string; count: number }>(counts, ref).toArray()
  }

  add(ref: number, { user, reaction, seq, at }: UserReaction): void {
    this.#used()
    this.#sql.exec(
      'INSERT INTO reactions (ref, user, reaction, seq, at) VALUES (?, ?, ?, ?, ?)',
      ref,
      user,
      reaction,
      seq,
      at,
    )
    this.#sql.exec(
      `INSERT INTO reaction_counts (ref, reaction, count, first) VALUES (?, ?, 1, ?)
       ON CONFLICT (ref, reaction) DO UPDATE SET count = count + 1`,
      ref,
      reaction,
      seq,
    )
  }

  remove(ref: number, user: string, reaction: string): void {
    this.#sql.exec('DELETE FROM reactions WHERE ref = ? AND user = ? AND reaction = ?', ref, user, reaction)
    this.#sql.exec('DELETE FROM reaction_counts WHERE ref = ? AND reaction = ? AND count = 1', ref, reaction)
    this.#sql.exec('UPDATE reaction_counts SET count = count - 1 WHERE ref = ? AND reaction = ?', ref, reaction)
  }

  after(ref: number, cursor: ReactionCursor, limit: number, only?: string): UserReaction[] {
    const which = only === undefined ? '' : 'AND reaction = ?'
    const page = `SELECT user, reaction, seq, at FROM reactions WHERE ref = ? AND (user, reaction) > (?, ?) ${which}
      ORDER BY user, reaction LIMIT ?`
    const given = only === undefined ? [] : [only]
    return this.#sql.exec<ReactionRow>(page, ref, cursor.user, cursor.reaction, ...given, limit).toArray()
  }

  /** Those to messages in `first`…`last`, by message, each with whether it is one of the user's. */
  between(first: number, last: number, user: string): Map<number, NonNullable<MessageState['reactions']>> {
    const counted = 'SELECT ref, reaction, count FROM reaction_counts WHERE ref BETWEEN ? AND ? ORDER BY ref, first'
    const rows = this.#sql.exec<{ ref: number; reaction: string; count: number }>(counted, first, last).toArray()
    return new Map(
      [...Map.groupBy(rows, ({ ref }) => ref)].map(([ref, counts]) => {
        const own = new Set(this.of(ref, user).map(({ reaction }) => reaction))
        return [ref, counts.map(({ reaction, count }) => ({ reaction, count, own: own.has(reaction) }))]
      }),
    )
  }

  /** An erased user's reactions to messages after `after` and up to `upTo` get the pseudonym, or are removed. Returns how many. */
  erase({ user, pseudonym, messages }: ErasedUser, after: number, upTo: number): number {
    const theirs = 'SELECT ref, reaction FROM reactions WHERE ref > ? AND ref <= ? AND user = ?'
    const rows = this.#sql.exec<{ ref: number; reaction: string }>(theirs, after, upTo, user).toArray()
    for (const { ref, reaction } of rows)
      if (messages === 'delete') this.remove(ref, user, reaction)
      else
        this.#sql.exec(
          'UPDATE reactions SET user = ? WHERE ref = ? AND user = ? AND reaction = ?',
          pseudonym,
          ref,
          user,
          reaction,
        )
    return rows.length
  }
}

type PinRow = { ref: number; user: string; seq: number; at: number; until: number | null }

/** The pinned messages, one row for each. */
class PinTable implements Pins {
  readonly #sql: Sql
  readonly #used: () => void

  constructor(sql: Sql, used: () => void) {
    this.#sql = sql
    this.#used = used
  }

  of(ref: number): Pin | undefined {
    return this.#sql.exec<PinRow>('SELECT * FROM pins WHERE ref = ?', ref).toArray()[0]
  }

  live(now: number): Pin[] {
    return this.#sql.exec<PinRow>(`SELECT * FROM pins WHERE ${isLive} ORDER BY seq DESC`, now).toArray()
  }

  put({ ref, user, seq, at, until }: Pin): void {
    this.#used()
    this.#sql.exec(
      'INSERT OR REPLACE INTO pins (ref, user, seq, at, until) VALUES (?, ?, ?, ?, ?)',
      ref,
      user,
      seq,
      at,
      until,
    )
  }

  remove(ref: number): void {
    this.#sql.exec('DELETE FROM pins WHERE ref = ?', ref)
  }

  between(first: number, last: number, now: number): Pin[] {
    const live = `SELECT * FROM pins WHERE ref BETWEEN ? AND ? AND ${isLive}`
    return this.#sql.exec<PinRow>(live, first, last, now).toArray()
  }
}
