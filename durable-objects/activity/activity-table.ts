import { hasConversation } from '../../src/activity/growing.ts'
import { pageOfListed, withStatesOf } from '../../src/activity/listed-page.ts'
import { activityWithout } from '../../src/activity/activity-without.ts'
import { mergeActivity } from '../../src/activity/merge-activity.ts'
import type {
  ActivityQuery,
  ActivityRow,
  ConversationActivity,
  DeletedConversation,
  NewestQuery,
} from '../../src/events/activity.ts'
import type { ErasedUser } from '../../src/events/erased-user.ts'
import { internalEvents } from '../../src/events/internal-events.ts'
import { BoundedMap } from '../../src/kernel/bounded-map.ts'
import type { Sql } from '../shared/sql.ts'

/** Rows in one part of what a new actor takes over. */
const rowsPerPart = 500
/** Conversations whose times are in memory, at about 150 bytes each: to look a thousand up in the table takes 8 ms. */
const maxTimes = 30_000

/** Activities in memory, at some ten kilobytes each: parsing fifty of them takes longer than all else that a list costs here. */
const maxParsed = 1000

/** How long a deleted conversation is known, so that its late updates make no row, in milliseconds; no call takes as long. */
export const keptDeletedMs = 24 * 3_600_000
/** Between two removals of what is kept of deleted conversations, in milliseconds, and how many are removed at once. */
const purgeEveryMs = 3_600_000
const purgedAtOnce = 10_000

/** Rows of conversations, as a new actor takes them over; `next` is where the following part begins. */
export interface RowsPart {
  /** Conversations that were deleted lately; all of them are in the first part. */
  readonly deleted: readonly DeletedConversation[]
  readonly rows: readonly { readonly changed: number; readonly activity: ConversationActivity }[]
  readonly next: string | null
}

/** When the newest entry of a conversation happened, and when its row changed; 0 and 0 without a row. */
interface Times {
  readonly at: number
  readonly changed: number
}
const never: Times = { at: 0, changed: 0 }

/** A row as it is stored, and what it says. */
interface Stored {
  readonly changed: number
  readonly text: string
  readonly activity: ConversationActivity
}

/** A row, and when it changed last. */
export interface QuietRow {
  readonly id: string
  readonly changed: number
}

/** Where conversations stand: one row each. */
export class ActivityTable {
  readonly #sql: Sql
  readonly #exists: boolean
  readonly #times = new BoundedMap<string, Times>(maxTimes)
  readonly #parsed = new BoundedMap<string, Stored>(maxParsed)
  #purgedAt = 0

  constructor(sql: Sql, exists: boolean) {
    this.#sql = sql
    this.#exists = exists
  }

  /**
   * Adds an update to a conversation's row; nothing is written when it says so already. Returns when the row changed last, and
   * what is to be published: the update, or all that is known where the update is late. Undefined when the conversation was
   * deleted after that update.
   */
  merge(
    update: ConversationActivity,
    now: number,
  ): { readonly publication: ConversationActivity; readonly changed: number } | undefined {
    const stored = this.#stored(update.conversation)
    const known = stored?.activity
    if (known === undefined && this.#isDeleted(update)) return undefined
    const merged = mergeActivity(known, update)
    const text = JSON.stringify(merged)
    const isLate =
      known !== undefined &&
      (update.epoch !== merged.epoch || update.last < known.last || update.version < known.version)
    const publication = isLate ? merged : update
    if (text === stored?.text) return { publication, changed: stored.changed }
    const changed = Math.max(now, stored?.changed ?? 0)
    this.#sql.exec(
      `INSERT INTO conversations (id, at, changed, activity) VALUES (?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET at = excluded.at, changed = excluded.changed, activity = excluded.activity`,
      update.conversation,
      merged.at,
      changed,
      text,
    )
    this.#times.set(update.conversation, { at: merged.at, changed })
    this.#parsed.set(update.conversation, { changed, text, activity: merged })
    return { publication, changed }
  }

  /** Removes the row of a deleted conversation, and keeps for a day that it was deleted. A newer conversation with its id stays. */
  forget({ conversation, version }: DeletedConversation, now: number): void {
    const [stored] = this.#sql
      .exec<{ activity: string }>('SELECT activity FROM conversations WHERE id = ?', conversation)
      .toArray()
    if (stored !== undefined && parseActivity(stored.activity).version > version) return
    this.#remove(conversation)
    this.#sql.exec(
      `INSERT INTO deleted (id, version, at) VALUES (?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET version = max(version, excluded.version), at = excluded.at`,
      conversation,
      version,
      now,
    )
    this.#purge(now)
  }

  /** Takes a user out of the row of a conversation. Returns whether the user was in it. */
  eraseUser(conversation: string, erased: ErasedUser): boolean {
    const stored = this.#exists ? this.#stored(conversation) : undefined
    if (stored === undefined) return false
    const activity = activityWithout(stored.activity, erased)
    if (activity === undefined) return false
    const text = JSON.stringify(activity)
    this.#sql.exec('UPDATE conversations SET activity = ? WHERE id = ?', text, conversation)
    this.#parsed.set(conversation, { ...stored, text, activity })
    return true
  }

  /** Up to `limit` rows after the conversation `after` that have not changed since then. */
  quietRows(after: string, since: number, limit: number): QuietRow[] {
    return this.#sql
      .exec<{ id: string; changed: number }>(
        'SELECT id, changed FROM conversations WHERE id > ? AND changed < ? ORDER BY id LIMIT ?',
        after,
        since,
        limit,
      )
      .toArray()
  }

  /** Removes a row unless it has changed meanwhile. */
  removeQuiet({ id, changed }: QuietRow): void {
    const [stored] = this.#sql.exec<{ changed: number }>('SELECT changed FROM conversations WHERE id = ?', id).toArray()
    if (stored?.changed === changed) this.#remove(id)
  }

  rows(query: ActivityQuery): ActivityRow[] {
    if (query.kind === 'changed') return this.#changed(query)
    const [conversations, times] = [query.conversations.map(([id]) => id), query.conversations.map(([, at]) => at)]
    return this.newest({ ...query, conversations, times })
  }

  /** The newest page of a list. Only the activities of the page are read. */
  newest({
    conversations,
    times: listedAt,
    before,
    limit,
    user,
  }: Omit<NewestQuery, 'user'> & { user?: string }): ActivityRow[] {
    const times = this.#timesOf(conversations)
    const page = pageOfListed({
      conversations,
      times: listedAt.map((at, place) => Math.max(at, times[place]?.at ?? 0)),
      before,
      limit,
    })
    const activities = this.#activities(
      page.map(({ conversation }) => conversation),
      user,
    )
    return page.map(({ conversation, at }) => ({ conversation, at, activity: activities.get(conversation) }))
  }

  #changed({ conversations, since, limit, user }: Extract<ActivityQuery, { kind: 'changed' }>): ActivityRow[] {
    const times = this.#timesOf(conversations)
    const changed = conversations.filter((_, place) => (times[place]?.changed ?? 0) >= Math.max(since, 1))
    const activities = this.#activities(changed.slice(0, limit), user)
    return [...activities].map(([conversation, activity]) => ({ conversation, at: activity.at, activity }))
  }

  /** The times of these conversations, in their order. */
  #timesOf(conversations: readonly string[]): Times[] {
    if (!this.#exists) return conversations.map(() => never)
    const times = conversations.map((id) => this.#times.get(id))
    const unknown = conversations.filter((_, place) => times[place] === undefined)
    const read = unknown.length === 0 ? undefined : this.#readTimes(unknown)
    return times.map((known, place) => known ?? read?.get(conversations[place] ?? '') ?? never)
  }

  #readTimes(conversations: readonly string[]): Map<string, Times> {
    const found = new Map<string, Times>()
    for (const { id, at, changed } of this.#sql.exec<{ id: string; at: number; changed: number }>(
      'SELECT id, at, changed FROM conversations WHERE id IN (SELECT value FROM json_each(?))',
      JSON.stringify(conversations),
    ))
      found.set(id, { at, changed })
    for (const id of conversations) this.#times.set(id, found.get(id) ?? never)
    return found
  }

  #activities(conversations: readonly string[], user: string | undefined): Map<string, ConversationActivity> {
    if (!this.#exists) return new Map()
    const found = new Map(conversations.map((id) => [id, this.#parsed.get(id)]))
    this.#readStored(
      conversations.filter((id) => found.get(id) === undefined),
      found,
    )
    return new Map(
      [...found].flatMap(([id, stored]) => (stored === undefined ? [] : [[id, withStatesOf(stored.activity, user)]])),
    )
  }

  #stored(conversation: string): Stored | undefined {
    const known = this.#parsed.get(conversation)
    if (known !== undefined) return known
    const found = new Map<string, Stored | undefined>()
    this.#readStored([conversation], found)
    return found.get(conversation)
  }

  #readStored(conversations: readonly string[], found: Map<string, Stored | undefined>): void {
    if (conversations.length === 0) return
    for (const { id, changed, activity: text } of this.#sql.exec<{ id: string; changed: number; activity: string }>(
      'SELECT id, changed, activity FROM conversations WHERE id IN (SELECT value FROM json_each(?))',
      JSON.stringify(conversations),
    )) {
      const stored = { changed, text, activity: parseActivity(text) }
      found.set(id, stored)
      this.#parsed.set(id, stored)
    }
  }

  /** The ids after one, so many at most. */
  names(after: string): { readonly ids: readonly string[]; readonly next: string | null } {
    if (!this.#exists) return { ids: [], next: null }
    const rows = this.#sql
      .exec<{ id: string }>('SELECT id FROM conversations WHERE id > ? ORDER BY id LIMIT ?', after, rowsPerPart)
      .toArray()
    const ids = rows.map(({ id }) => id)
    return { ids, next: ids.length < rowsPerPart ? null : (ids.at(-1) ?? null) }
  }

  /** Whether a conversation without a row was deleted after this update. A conversation that begins anew under its id is not. */
  #isDeleted({ conversation, version }: ConversationActivity): boolean {
    const [deleted] = this.#sql
      .exec<{ version: number }>('SELECT version FROM deleted WHERE id = ?', conversation)
      .toArray()
    return deleted !== undefined && version <= deleted.version
  }

  #remove(conversation: string): void {
    this.#sql.exec('DELETE FROM conversations WHERE id = ?', conversation)
    this.#times.set(conversation, never)
    this.#parsed.delete(conversation)
  }

  #purge(now: number): void {
    if (now - this.#purgedAt < purgeEveryMs) return
    this.#purgedAt = now
    this.#sql.exec(
      'DELETE FROM deleted WHERE id IN (SELECT id FROM deleted WHERE at < ? LIMIT ?)',
      now - keptDeletedMs,
      purgedAtOnce,
    )
  }

  /** Rows for the actor with this number, by conversation id after `after`. */
  part(number: number, after: string): RowsPart {
    const rows = this.#sql
      .exec<{ id: string; changed: number; activity: string }>(
        'SELECT id, changed, activity FROM conversations WHERE id > ? ORDER BY id LIMIT ?',
        after,
        rowsPerPart,
      )
      .toArray()
    const deleted =
      after === '' ? this.#sql.exec<{ id: string; version: number }>('SELECT id, version FROM deleted').toArray() : []
    return {
      deleted: deleted.flatMap(({ id, version }) =>
        hasConversation(number, id) ? [{ conversation: id, version }] : [],
      ),
      rows: rows.flatMap(({ id, changed, activity }) =>
        hasConversation(number, id) ? [{ changed, activity: parseActivity(activity) }] : [],
      ),
      next: rows.length < rowsPerPart ? null : (rows.at(-1)?.id ?? null),
    }
  }
}

function parseActivity(text: string): ConversationActivity {
  const activity: ConversationActivity = JSON.parse(text)
  return internalEvents.read('conversation.activity', activity)
}
