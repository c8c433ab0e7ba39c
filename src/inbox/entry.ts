import { isNewer, type ReadState } from '../events/activity.ts'

/**
 * What a conversation sends to each member's inbox: always its whole state, so that repeated or late updates do no
 * harm.
 */
export interface InboxUpdate {
  readonly conversation: string
  readonly type: 'direct' | 'group' | 'channel'
  readonly name: string
  readonly last: number
  readonly read: number
  /** How many messages there are up to `last`. Missing in updates of earlier versions. */
  readonly number?: number | undefined
  /** The user's state at `last`, where it is known. */
  readonly state?: ReadState | undefined
  /**
   * Which of the newest entries are no messages, or deleted ones, ascending. Missing in updates written by older
   * versions.
   */
  readonly uncounted?: readonly number[] | undefined
  /** When the last entry happened, or the conversation began; milliseconds since the epoch. */
  readonly at: number
  readonly preview: Preview | null
  /** Up to ten members, so that a list can name a conversation that has no name. */
  readonly members: readonly string[]
  readonly memberCount: number
  /** The version of the conversation's properties; the higher one wins for name and members. */
  readonly version: number
}

/** The newest message, shortened: at most 140 characters. */
export interface Preview {
  readonly user: string
  readonly text: string
}

/** One conversation in a user's inbox. `offset` is the offset of its newest event in the inbox's stream. */
export interface InboxEntry extends InboxUpdate {
  readonly offset: number
  readonly archived: boolean
  readonly removed: boolean
}

/**
 * Decides what an update means: the entry to write, or undefined when it changes nothing. An update whose counts only the
 * conversation knows does not move an entry beyond the counts that it has: its numbers stay those of one moment.
 */
export function decideAdvance(
  known: InboxEntry | undefined,
  update: InboxUpdate,
  offset: number,
): InboxEntry | undefined {
  if (known === undefined || known.removed) {
    if (known !== undefined && update.version <= known.version) return undefined
    const last = isWithoutCounts(update) ? update.read : update.last
    return { ...update, last, state: stateOf(update), offset, archived: false, removed: false }
  }
  const state = newest(known.state, stateOf(update))
  const newer = update.version >= known.version ? update : known
  const last = Math.max(known.last, isWithoutCounts(update) ? update.read : update.last)
  const isLater = last === update.last
  const merged = {
    ...known,
    name: newer.name,
    members: newer.members,
    memberCount: newer.memberCount,
    version: newer.version,
    last,
    read: Math.max(known.read, update.read),
    at: Math.max(known.at, update.at),
    preview: isLater ? update.preview : known.preview,
    uncounted: isLater ? update.uncounted : known.uncounted,
    number: update.number ?? known.number,
    state,
  }
  const isMoved = merged.last > known.last || merged.read > known.read || merged.version > known.version
  const fresh = isMoved || state !== known.state
  return fresh ? { ...merged, offset, archived: known.archived && merged.last === known.last } : undefined
}

/**
 * Decides a removal at `version` of the conversation: a tombstone remains, so that a returning device learns of it. A later removal is told as
 * well: the user may have been a member in between, which an inbox that could not be reached does not know.
 */
export function decideRemoval(known: InboxEntry | undefined, version: number, offset: number): InboxEntry | undefined {
  if (known === undefined || known.version > version || (known.removed && known.version === version)) return undefined
  return { ...known, version, offset, removed: true, preview: null, members: [] }
}

/** Whether only the conversation knows the counts of an update, or of an entry that was made from it. */
export const isWithoutCounts = (update: InboxUpdate): boolean =>
  update.number !== undefined && stateOf(update) === undefined

/** The user's state as an update gives it. With all entries read nothing is unread, as after a join. */
function stateOf({ state, number, last, read }: InboxUpdate): ReadState | undefined {
  if (state !== undefined || number === undefined || read < last) return state
  return { last, number, read, unread: 0, mentions: 0 }
}

function newest(known: ReadState | undefined, update: ReadState | undefined): ReadState | undefined {
  if (known === undefined || update === undefined) return known ?? update
  return isNewer(update, known) ? update : known
}

/** The counts of an entry: of the user's state, or by the rule of earlier versions where the entry has none. */
export function countsOf(entry: InboxEntry): Counts {
  const { state } = entry
  if (state !== undefined && state.last >= entry.last && state.read >= entry.read)
    return { read: state.read, unread: state.unread, mentions: state.mentions }
  return { read: entry.read, unread: unreadOf(entry), mentions: 0 }
}

/** What a user has read of a conversation, and what not. */
export type Counts = Pick<ReadState, 'read' | 'unread' | 'mentions'>

/**
 * Messages of other users after the read cursor. A user's own are never after it: sending one moves the cursor there.
 */
export function unreadOf({ last, read, uncounted = [] }: Pick<InboxUpdate, 'last' | 'read' | 'uncounted'>): number {
  return last - read - uncounted.filter((seq) => seq > read && seq <= last).length
}

/** An entry as an event of the `user:#<uid>` stream. Unread is counted here and never by clients. */
export function toEvent(entry: InboxEntry): string {
  if (entry.removed) return JSON.stringify({ type: 'removed', conversation: entry.conversation })
  const { conversation, last, at, preview, name, members, memberCount } = entry
  return JSON.stringify({
    type: 'unread',
    conversation,
    last,
    ...countsOf(entry),
    at,
    preview,
    name,
    conversationType: entry.type,
    members,
    memberCount,
  })
}
