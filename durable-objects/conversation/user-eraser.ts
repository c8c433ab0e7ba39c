import { bansWith } from '../../src/conversations/bans.ts'
import { entryWithout, heirOfErased, type StoredEntry } from '../../src/conversations/erase-user.ts'
import type { messageDeleted } from '../../src/conversations/message-entries.ts'
import type { memberLeft, roleChanged } from '../../src/conversations/membership.ts'
import { toPublication, toRow } from '../../src/conversations/state.ts'
import type { Conversation, LogRow } from '../../src/conversations/types.ts'
import { inJson, type ErasedUser } from '../../src/events/erased-user.ts'
import { entryTexts } from '../../src/events/internal-events.ts'
import type { Entry, EntryOf } from '../../src/protocol/entry-kind.ts'
import type { Publication } from '../../src/protocol/replies.ts'
import type { ErasedPart } from '../contracts.ts'
import type { ConversationStore } from './conversation-store.ts'

/** Entries that one call looks at, and those that it changes. */
const seqsPerCall = 5000
const changesPerCall = 500

const stages = ['log', 'mentions', 'uploads', 'membership'] as const

type Row = { seq: number; at: number; user: string; client: string; client_id: string | null; data: string | null }

/**
 * Erases a user from what one conversation stores, a part with each call: first entries, then mentions and files, then the membership, whose
 * end is an entry that carries the pseudonym. Every part may be repeated; one that finds nothing changes nothing.
 */
export class UserEraser {
  readonly #sql: SqlStorage
  readonly #store: ConversationStore

  constructor(sql: SqlStorage, store: ConversationStore) {
    this.#sql = sql
    this.#store = store
  }

  /** `cursor` is "" for the first part, and then `next` of the part before. */
  eraseSome(erased: ErasedUser, cursor: string, now: number): ErasedPart {
    const { conversation } = this.#store
    if (conversation === undefined) return { erased: 0, next: null }
    const [, given = stages[0], digits = '0'] = /^(\w+) (\d+)$/.exec(cursor) ?? []
    const stage = stages.find((each) => each === given) ?? stages[0]
    if (stage === 'log') return this.#eraseEntries(erased, Number(digits), now)
    if (stage === 'mentions') return this.#eraseMentions(erased, Number(digits))
    if (stage === 'uploads') {
      const changed = this.#store.uploads.eraseUser(erased, changesPerCall)
      return { erased: changed, next: changed < changesPerCall ? 'membership 0' : 'uploads 0' }
    }
    return { erased: this.#endMembership(conversation, erased, now) + this.#eraseSettings(erased), next: null }
  }

  /** Those of the entries `refs` that the user wrote. */
  wrote({ user, pseudonym }: ErasedUser, refs: readonly number[]): number[] {
    const theirs = 'SELECT seq FROM messages WHERE seq IN (SELECT value FROM json_each(?)) AND user IN (?, ?)'
    return this.#sql
      .exec<{ seq: number }>(theirs, JSON.stringify(refs), user, pseudonym)
      .toArray()
      .map(({ seq }) => seq)
  }

  #eraseEntries(erased: ErasedUser, after: number, now: number): ErasedPart {
    const { log, amendments, messages, summary } = this.#store
    const upTo = Math.min(after + seqsPerCall, log.top())
    const rows = this.#entriesWith(erased, after, upTo)
    const edits = rows.filter(({ user, data }) => user !== erased.user && isEdit(data))
    const theirs = new Set(this.wrote(erased, edits.map(refOf)))
    const deleted: number[] = []
    /** Those that were not deleted before. */
    const newlyDeleted: number[] = []
    const states = messages.erase(erased, after, upTo)
    let changed = 0
    for (const row of rows) {
      const without = entryWithout(row, erased, isEdit(row.data) && theirs.has(refOf(row)))
      if (without === undefined) continue
      changed++
      this.#write(row, without)
      const isMessage = row.user === erased.user && row.clientId !== null
      if (isMessage && erased.messages === 'delete') deleted.push(row.seq)
      if (isMessage && erased.messages === 'delete' && !isDeleted(row.data)) newlyDeleted.push(row.seq)
    }
    if (deleted.length > 0) amendments.deleteAll(deleted, now)
    this.#publishDeletions(newlyDeleted, now)
    if (changed > 0) summary.reread()
    // The counts of all members follow, with the entry that ends the membership or the next one.
    if (deleted.length > 0) for (const { user } of this.#store.members.all()) this.#store.members.noteChanged(user)
    const reached = rows.length < changesPerCall ? upTo : (rows.at(-1)?.seq ?? upTo)
    return { erased: changed + states, next: reached < log.top() ? `log ${reached}` : 'mentions 0' }
  }

  /** Entries of the user, those that name them, and edits where messages are deleted: another one may have edited theirs. */
  #entriesWith({ user, messages }: ErasedUser, after: number, upTo: number): StoredRow[] {
    const edits = messages === 'delete' ? `OR (client_id IS NULL AND data LIKE '{"type":"message.edited"%')` : ''
    return this.#sql
      .exec<Row>(
        `SELECT seq, at, user, client, client_id, data FROM messages WHERE seq > ? AND seq <= ? AND
         (user = ? OR instr(coalesce(data, ''), ?) > 0 ${edits}) ORDER BY seq LIMIT ${changesPerCall}`,
        after,
        upTo,
        user,
        inJson(user),
      )
      .toArray()
      .map(({ client_id, data, ...row }) => ({
        ...row,
        clientId: client_id,
        data: data === null ? null : (entryTexts?.read(data) ?? data),
      }))
  }

  #write(before: StoredEntry, { seq, user, client, clientId, data, at }: StoredRow): void {
    if (user !== before.user)
      this.#sql.exec(
        'UPDATE messages SET user = ?, client = ?, client_id = ? WHERE seq = ?',
        user,
        client,
        clientId,
        seq,
      )
    if (data !== null) this.#store.log.rewrite({ seq, at, user, client, clientId, data })
  }

  /** Entries as those of an ordinary deletion, so that clients learn of it at once, or when they come back. */
  #publishDeletions(refs: readonly number[], now: number): void {
    const { conversation, log, subscribers, activity } = this.#store
    if (refs.length === 0 || conversation === undefined || conversation.deletedAt !== undefined) return
    const before = log.top()
    const publications = refs.map((ref) => {
      const entry: EntryOf<typeof messageDeleted> = { type: 'message.deleted', user: '', at: now, ref }
      const row = toRow(log.top() + 1, byServer, entry)
      log.append(row)
      activity.note(row.seq, '', JSON.stringify(entry))
      return toPublication(row)
    })
    const { epoch } = conversation
    subscribers.publish({ epoch, after: before, publications, events: [] }, null)
  }

  #eraseMentions({ user, pseudonym }: ErasedUser, after: number): ErasedPart {
    const rows = this.#sql
      .exec<{ seq: number; users: string }>(
        `SELECT seq, users FROM mentions WHERE seq > ? AND instr(users, ?) > 0 ORDER BY seq LIMIT ${changesPerCall}`,
        after,
        inJson(user),
      )
      .toArray()
    for (const { seq, users } of rows) {
      const named: string[] = JSON.parse(users)
      const others = named.map((each) => (each === user ? pseudonym : each))
      this.#sql.exec('UPDATE mentions SET users = ? WHERE seq = ?', JSON.stringify(others), seq)
    }
    const isOver = rows.length < changesPerCall
    return { erased: rows.length, next: isOver ? 'uploads 0' : `mentions ${rows.at(-1)?.seq ?? after}` }
  }

  /**
   * Ends the membership, also in a direct conversation, which keeps the other member. Subscribers receive the user's id once more, so that
   * they know whom to drop; the log and Postgres get the pseudonym. No inbox is told: that of the user is erased.
   */
  #endMembership(conversation: Conversation, erased: ErasedUser, now: number): number {
    const { user, pseudonym } = erased
    const { members, log, subscribers, activity } = this.#store
    const member = members.get(user)
    const isCreator = conversation.createdBy === user
    const isBanned = Object.hasOwn(conversation.bans ?? {}, user)
    if (member === undefined && !isCreator && !isBanned) return 0
    const before = log.top()
    const publications: Publication[] = []
    const append = (shown: Entry, stored: Entry) => {
      const row = (entry: Entry): LogRow => toRow(log.top() + 1, byServer, entry)
      const publication = toPublication(row(shown))
      log.append(row(stored))
      publications.push(publication)
      activity.note(publication.offset, '', JSON.stringify(stored))
    }
    if (member !== undefined) {
      const heir = heirOfErased(members, user)
      if (heir !== undefined && conversation.deletedAt === undefined) {
        const entry: EntryOf<typeof roleChanged> = {
          type: 'member.role',
          user: '',
          at: now,
          member: heir.user,
          role: 'owner',
        }
        append(entry, entry)
        members.put({ ...heir, role: 'owner' })
      }
      const left = (gone: string): EntryOf<typeof memberLeft> => ({
        type: 'member.left',
        user: '',
        at: now,
        member: gone,
      })
      append(left(user), left(pseudonym))
      members.remove(user)
    }
    const { createdBy, version } = conversation
    const bans = isBanned ? { bans: bansWith(conversation, user, undefined, now) } : {}
    this.#store.write({ ...conversation, ...bans, createdBy: isCreator ? pseudonym : createdBy, version: version + 1 })
    const { epoch } = conversation
    const events = [{ kind: 'removed', user, before: { epoch, offset: log.top() } } as const]
    if (conversation.deletedAt === undefined) subscribers.publish({ epoch, after: before, publications, events }, null)
    return 1
  }

  /** What small values and pending tasks say of the user. */
  #eraseSettings(erased: ErasedUser): number {
    const { settings, summary, activity, notifier, messages } = this.#store
    const isNoted = settings.get('notedTo') === erased.user
    if (isNoted) settings.set('notedTo', '')
    const moved = settings.get('activityTold')?.includes(inJson(erased.user)) === true
    if (moved) activity.keep()
    const { rowsWritten } = this.#sql.exec('DELETE FROM removals WHERE user = ?', erased.user)
    const forgot = notifier.forgetUser(erased.user) ? 1 : 0
    return (
      messages.streaming.dropNaming(inJson(erased.user)) +
      forgot +
      (isNoted ? 1 : 0) +
      (moved ? 1 : 0) +
      (rowsWritten > 0 ? 1 : 0) +
      (summary.eraseUser(erased) ? 1 : 0)
    )
  }
}

interface StoredRow extends StoredEntry {
  readonly at: number
}

const byServer = { user: '', client: '', server: true } as const

function isDeleted(data: string | null): boolean {
  const { deleted }: { deleted?: boolean } = data === null ? {} : JSON.parse(data)
  return deleted === true
}

const isEdit = (data: string | null): boolean => data?.startsWith('{"type":"message.edited"') === true

function refOf({ data }: { readonly data: string | null }): number {
  const { ref = 0 }: { ref?: number } = data === null ? {} : JSON.parse(data)
  return ref
}
