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

/** Decides what an update means: the entry to write, or undefined when it changes nothing. */
export function decideAdvance(
  known: InboxEntry | undefined,
  news: InboxUpdate,
  offset: number,
): InboxEntry | undefined {
  if (known === undefined || known.removed) {
    if (known !== undefined && news.version <= known.version) return undefined
    return { ...news, offset, archived: false, removed: false }
  }
  const newer = news.version >= known.version ? news : known
  const merged = {
    ...known,
    name: newer.name,
    members: newer.members,
    memberCount: newer.memberCount,
    version: newer.version,
    last: Math.max(known.last, news.last),
    read: Math.max(known.read, news.read),
    at: Math.max(known.at, news.at),
    preview: news.last >= known.last ? news.preview : known.preview,
    uncounted: news.last >= known.last ? news.uncounted : known.uncounted,
  }
  const fresh = merged.last > known.last || merged.read > known.read || merged.version > known.version
  return fresh ? { ...merged, offset, archived: known.archived && merged.last === known.last } : undefined
}

/** Decides a removal at `version` of the conversation: a tombstone remains, so that a returning device learns of it. */
export function decideRemoval(known: InboxEntry | undefined, version: number, offset: number): InboxEntry | undefined {
  if (known === undefined || known.removed || known.version > version) return undefined
  return { ...known, version, offset, removed: true, preview: null }
}

/**
 * Messages of other users after the read cursor. A user's own are never after it: sending one moves the cursor there.
 */
export function unreadOf({ last, read, uncounted = [] }: Pick<InboxUpdate, 'last' | 'read' | 'uncounted'>): number {
  return last - read - uncounted.filter((seq) => seq > read && seq <= last).length
}

/** An entry as an event of the `user:#<uid>` stream. Unread is counted here and never by clients. */
export function toEvent(entry: InboxEntry): string {
  if (entry.removed) return JSON.stringify({ type: 'removed', conversation: entry.conversation })
  const { conversation, last, read, at, preview, name, members, memberCount } = entry
  const unread = unreadOf(entry)
  return JSON.stringify({
    type: 'unread',
    conversation,
    last,
    read,
    unread,
    at,
    preview,
    name,
    conversationType: entry.type,
    members,
    memberCount,
  })
}
