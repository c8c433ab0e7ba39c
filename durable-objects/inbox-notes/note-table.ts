import type { InboxUpdate } from '../../src/inbox/entry.ts'
import { missedPerPage, type Missed, type MissedPage, type SharedUpdate } from '../../src/inbox/notes.ts'
import type { NamesPage } from '../../src/tenants/actor-names.ts'
import type { Settings } from '../shared/settings.ts'

type NoteRow = { conversation: string; version: number; read: number; removed: number; news: string | null }

/** The rows of a notes actor. */
export class NoteTable {
  readonly #sql: SqlStorage
  readonly #settings: Settings
  readonly #exists: boolean
  /** Users whose inboxes are updated directly, with the number of their opening. */
  readonly #open = new Map<string, number>()

  constructor(sql: SqlStorage, settings: Settings, exists: boolean) {
    this.#sql = sql
    this.#settings = settings
    this.#exists = exists
    if (!exists) return
    for (const row of sql.exec('SELECT user, turn FROM inboxes WHERE open = 1'))
      this.#open.set(String(row['user']), Number(row['turn']))
  }

  /** The number of the last change. */
  get place(): number {
    return this.#settings.number('place')
  }

  isOpen(user: string): boolean {
    return this.#open.has(user)
  }

  /** Whether anything is kept of the user. */
  knows(user: string): boolean {
    if (!this.#exists || this.#open.has(user)) return this.#exists
    const asked = 'SELECT 1 FROM inboxes WHERE user = ? UNION ALL SELECT 1 FROM notes WHERE user = ? LIMIT 1'
    return this.#sql.exec(asked, user, user).toArray().length > 0
  }

  /** Users with an inbox that was open once, or with notes, after `after`. */
  users(after: string): NamesPage {
    if (!this.#exists) return { names: [], next: null }
    const names = this.#sql
      .exec<{ user: string }>(
        `SELECT user FROM inboxes WHERE user > ?1 UNION SELECT user FROM notes WHERE user > ?1 ORDER BY user LIMIT ?2`,
        after,
        missedPerPage,
      )
      .toArray()
      .map(({ user }) => user)
    return { names, next: names.length < missedPerPage ? null : (names.at(-1) ?? null) }
  }

  /** An id of a conversation that the tenant's server chose. */
  putChosenId(id: string): void {
    this.#sql.exec('INSERT OR IGNORE INTO chosen_ids (id) VALUES (?)', id)
  }

  hasChosenId(id: string): boolean {
    return this.#exists && this.#sql.exec('SELECT 1 FROM chosen_ids WHERE id = ?', id).toArray().length > 0
  }

  /** Writes the state that is the same for all members, unless something newer is stored. */
  putShared(news: SharedUpdate, place: number): void {
    this.#sql.exec(
      `INSERT INTO conversations (id, place, version, last, news) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET place = excluded.place, version = excluded.version, last = excluded.last, news = excluded.news
       WHERE excluded.news <> conversations.news AND excluded.version >= conversations.version AND excluded.last >= conversations.last`,
      news.conversation,
      place,
      news.version,
      news.last,
      JSON.stringify(news),
    )
  }

  dropShared(conversation: string): void {
    this.#sql.exec('DELETE FROM conversations WHERE id = ?', conversation)
  }

  /** A member, or its read cursor; a repeat writes nothing. */
  putMember(user: string, conversation: string, version: number, read: number, place: number): void {
    this.#sql.exec(
      `INSERT INTO notes (user, conversation, place, version, read, removed) VALUES (?, ?, ?, ?, ?, 0)
       ON CONFLICT (user, conversation) DO UPDATE SET place = excluded.place, version = excluded.version, read = max(notes.read, excluded.read), removed = 0
       WHERE excluded.version > notes.version OR (notes.removed = 0 AND excluded.read > notes.read)`,
      user,
      conversation,
      place,
      version,
      read,
    )
  }

  /** The user left at `version`. Kept, since an inbox that has the conversation must learn of it when it opens. */
  putRemoval(user: string, conversation: string, version: number, place: number): void {
    this.#sql.exec(
      `INSERT INTO notes (user, conversation, place, version, read, removed) VALUES (?, ?, ?, ?, 0, 1)
       ON CONFLICT (user, conversation) DO UPDATE SET place = excluded.place, version = excluded.version, removed = 1
       WHERE notes.removed = 0 AND excluded.version >= notes.version`,
      user,
      conversation,
      place,
      version,
    )
  }

  /** The user is erased: no inbox of theirs is updated any more. */
  forget(user: string): void {
    this.#open.delete(user)
  }

  /** The users of a conversation, by whether their inboxes are updated directly. */
  membersOf(conversation: string): { readonly open: string[]; readonly closed: number } {
    const open: string[] = []
    let closed = 0
    for (const row of this.#sql.exec('SELECT user FROM notes WHERE conversation = ? AND removed = 0', conversation)) {
      const user = String(row['user'])
      if (this.#open.has(user)) open.push(user)
      else closed++
    }
    return { open, closed }
  }

  setPlace(place: number): void {
    this.#settings.set('place', place)
  }

  /** The inbox of a user is updated directly from now on; returns the number of its opening. */
  open(user: string): number {
    const known = this.#sql.exec('SELECT turn FROM inboxes WHERE user = ?', user).toArray()[0]
    const turn = Number(known?.['turn'] ?? 0) + 1
    this.#sql.exec(
      'INSERT INTO inboxes (user, turn, open) VALUES (?, ?, 1) ON CONFLICT (user) DO UPDATE SET turn = excluded.turn, open = 1',
      user,
      turn,
    )
    this.#open.set(user, turn)
    return turn
  }

  /** Ends that; an opening that is not the last one was overtaken and changes nothing. */
  close(user: string, turn: number): void {
    if (this.#open.get(user) !== turn) return
    this.#open.delete(user)
    this.#sql.exec('UPDATE inboxes SET open = 0 WHERE user = ?', user)
  }

  /** What changed for a user after place `since`, in pages by conversation id after `after`. */
  missed(user: string, since: number, after: string): MissedPage {
    if (!this.#exists) return { missed: [], next: null, place: 0 }
    const { place } = this
    const from = since > place ? 0 : since
    if (from === place) return { missed: [], next: null, place }
    const rows = this.#sql
      .exec<NoteRow>(
        `SELECT n.conversation, n.version, n.read, n.removed, c.news FROM notes n LEFT JOIN conversations c ON c.id = n.conversation
         WHERE n.user = ? AND n.conversation > ? AND (n.place > ? OR c.place > ?) ORDER BY n.conversation LIMIT ?`,
        user,
        after,
        from,
        from,
        missedPerPage + 1,
      )
      .toArray()
    const page = rows.slice(0, missedPerPage)
    return {
      missed: page.flatMap(toMissed),
      next: rows.length > missedPerPage ? (page.at(-1)?.conversation ?? null) : null,
      place: this.place,
    }
  }
}

function toMissed({ conversation, version, read, removed, news }: NoteRow): Missed[] {
  if (removed === 1) return [{ kind: 'removed', conversation, version }]
  if (news === null) return []
  const shared: SharedUpdate = JSON.parse(news)
  const own: InboxUpdate = { ...shared, read }
  return [{ kind: 'news', news: own }]
}
