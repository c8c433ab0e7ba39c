import { z } from 'zod'
import type { ConversationActivity, ReadState } from '../events/activity.ts'
import { countsOf, type InboxEntry } from './entry.ts'

/** A position in the list, newest activity first. */
export interface ListCursor {
  readonly at: number
  readonly conversation: string
}

const cursorShape = z.tuple([z.int().nonnegative(), z.string().max(64)])

/** Encodes a cursor as an opaque URL-safe word. */
export const encodeCursor = ({ at, conversation }: ListCursor): string =>
  btoa(JSON.stringify([at, conversation])).replaceAll('=', '')

/** Decodes a cursor; undefined when it is not one of ours. */
export function decodeCursor(text: string): ListCursor | undefined {
  try {
    const parsed = cursorShape.safeParse(JSON.parse(atob(text)))
    return parsed.success ? { at: parsed.data[0], conversation: parsed.data[1] } : undefined
  } catch {
    return undefined
  }
}

/** Whether the counts of an entry have to be asked for also while nothing has happened since: it is from an update without. */
export const needsCounts = ({ state, number }: InboxEntry): boolean => state === undefined && number !== undefined

/** An entry with what is known of the conversation since. */
export function withActivity(entry: InboxEntry, activity: ConversationActivity, state: ReadState): InboxEntry {
  const { name, members, memberCount, version } = activity.version >= entry.version ? activity : entry
  const { last, number, at, preview } = activity.last >= entry.last ? activity : entry
  return {
    ...entry,
    name,
    members,
    memberCount,
    version,
    last,
    number,
    at,
    preview,
    uncounted: undefined,
    read: state.read,
    state,
  }
}

/** One line of the conversation list as clients get it; `at` is where the list has it. */
export function toListItem(entry: InboxEntry, at = entry.at) {
  const { conversation, type, name, last, preview, members, memberCount } = entry
  const { read, unread, mentions } = countsOf(entry)
  return { id: conversation, type, name, last, read, unread, mentions, at, preview, members, memberCount }
}
export type ListItem = ReturnType<typeof toListItem>
