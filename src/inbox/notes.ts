import { hash32, mixed32 } from '../kernel/id.ts'
import type { InboxUpdate } from './entry.ts'

/** The state of a conversation that is the same for all members. */
export type SharedUpdate = Omit<InboxUpdate, 'read'>

/** One change of a conversation for its members of one notes actor. */
export interface NotesUpdate {
  readonly conversation: string
  /** The conversation as it stands; null once it is deleted. */
  readonly news: SharedUpdate | null
  /** Members that are new here, or whose read cursor moved. */
  readonly members: readonly { readonly user: string; readonly read: number }[]
  /** Users that are no longer members since `version` of the conversation. */
  readonly removed: readonly { readonly user: string; readonly version: number }[]
}

/** What a notes actor answers: the members and former members named whose inboxes are updated directly. */
export interface NotesAnswer {
  readonly open: readonly string[]
  /** Whether every member of the conversation at this notes actor has an open inbox. */
  readonly allOpen: boolean
}

/** The changes an inbox missed while it was closed. */
export type Missed =
  | { readonly kind: 'news'; readonly news: InboxUpdate }
  | { readonly kind: 'removed'; readonly conversation: string; readonly version: number }

/** Up to `missedPerPage` changes, by conversation id; `next` is where the following page begins, null at the end. */
export interface MissedPage {
  readonly missed: readonly Missed[]
  readonly next: string | null
  /** The place of the notes actor's last change. */
  readonly place: number
}

/** An inbox was opened: its `turn` to close it by, and the place up to which the pages of changes reach. */
export interface Opened {
  readonly turn: number
  readonly place: number
}

/** Changes in one answer of a notes actor. */
export const missedPerPage = 500
/** Members sent to the notes actors of a conversation in one step, so that no call to them takes long. */
export const membersPerStep = 200

/** Notes actors of one tenant. Their names hold the number: it cannot change without moving notes. */
export const notesActors = 4

/** The number of the notes actor that knows a user. */
export const notesNumberOf = (user: string): number => mixed32(hash32(user)) % notesActors
