import type { ErasedUser } from '../../src/events/erased-user.ts'
import type { MissedPage, NotesAnswer, NotesUpdate, Opened } from '../../src/inbox/notes.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { deleteRowsOfUser } from '../shared/rows-of-user.ts'
import { Settings } from '../shared/settings.ts'
import { conversationsOf, eraseShown } from './erased-notes.ts'
import { NoteTable } from './note-table.ts'
import { inboxNotesSchema } from './schema.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { ownName } from '../address.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import type { NamesPage } from '../../src/tenants/actor-names.ts'
import type { InboxNotesRpc } from '../contracts.ts'

/**
 * Notes for users that are not connected, for many users of one tenant: one row for each conversation and one for each
 * member. An inbox opens when its user connects, reads what it missed, and is updated directly until the user's last
 * connection is gone; so a member without a connection costs no actor of its own.
 */
export class InboxNotes extends TenantActor implements InboxNotesRpc {
  readonly #place = new OpenPlace(this.ctx, this.env, 'inbox-notes')
  #table = this.#openTable(isUsed(this.ctx.storage.sql))

  /** Writes down a conversation's update, and answers which inboxes it must update directly. Repeats do no harm. */
  update({ conversation, news, members, removed }: NotesUpdate): NotesAnswer {
    this.#place.used()
    const table = this.#found()
    const place = table.place + 1
    for (const { user, version } of removed) table.putRemoval(user, conversation, version, place)
    if (news === null) table.dropShared(conversation)
    else for (const { user, read } of members) table.putMember(user, conversation, news.version, read, place)

    const { open, closed } = table.membersOf(conversation)
    if (news !== null && closed > 0) table.putShared(news, place)
    if (closed > 0 || members.length > 0 || removed.length > 0) table.setPlace(place)
    const leaving = removed.flatMap(({ user }) => (table.isOpen(user) ? [user] : []))
    return { open: [...open, ...leaving], allOpen: closed === 0 }
  }

  /** From now on conversations update this user's inbox directly. */
  open(user: string): Opened {
    const table = this.#found()
    return { turn: table.open(user), place: table.place }
  }

  /** What changed for a user after place `since`, by conversation id after `after`. */
  missed(user: string, since: number, after: string): MissedPage {
    return this.#table.missed(user, since, after)
  }

  /** The inbox that was opened as `turn` has no connection left. */
  close(user: string, turn: number): void {
    this.#table.close(user, turn)
  }

  /** Whether a user's inbox is updated directly, has notes or was open once, or is unknown. */
  standingOf(user: string): 'open' | 'closed' | 'unknown' {
    if (this.#table.isOpen(user)) return 'open'
    return this.#table.knows(user) ? 'closed' : 'unknown'
  }

  /** The users among these whose inboxes are open: those with a connection. */
  openAmong(users: readonly string[]): string[] {
    return users.filter((user) => this.#table.isOpen(user))
  }

  /** Notes the id of a conversation that the tenant's server chose and is about to create. */
  noteChosenId(id: string): void {
    this.#found().putChosenId(id)
  }

  /** Whether an id without the tenant's check was chosen for a conversation. */
  hasChosenId(id: string): boolean {
    return this.#table.hasChosenId(id)
  }

  /** Users of whom something is kept, after `after`, in their order. */
  users(after: string): NamesPage {
    return this.#table.users(after)
  }

  /** Conversations that a user is or was in, after `after`, in their order. */
  conversationsOf(user: string, after: string, limit: number): string[] {
    return isUsed(this.ctx.storage.sql) ? conversationsOf(this.ctx.storage.sql, user, after, limit) : []
  }

  /** Takes an erased user out of what members of a conversation share. Returns whether the user was in it. */
  eraseShown(conversation: string, erased: ErasedUser): boolean {
    return isUsed(this.ctx.storage.sql) && eraseShown(this.ctx.storage.sql, conversation, erased)
  }

  /** Deletes what is kept of a user. Returns how many rows that were. */
  eraseUser(user: string): number {
    if (!isUsed(this.ctx.storage.sql)) return 0
    return deleteRowsOfUser(this.ctx.storage.sql, user, () => this.#table.forget(user))
  }

  /** Creates the tables, on the first write. */
  #found(): NoteTable {
    if (!isUsed(this.ctx.storage.sql)) {
      requireTenant(ownName(this.ctx.id.name).tenant)
      this.#table = this.#openTable(true)
    }
    return this.#table
  }

  #openTable(exists: boolean): NoteTable {
    const { sql } = this.ctx.storage
    if (exists) migrate(sql, inboxNotesSchema)
    return new NoteTable(sql, new Settings(sql, exists), exists)
  }
}
