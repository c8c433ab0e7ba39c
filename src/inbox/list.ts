import { z } from 'zod'
import { unreadOf, type InboxEntry } from './entry.ts'

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

/** One line of the conversation list as clients get it. */
export function toListItem(entry: InboxEntry) {
  const { conversation, type, name, last, read, at, preview, members, memberCount } = entry
  return { id: conversation, type, name, last, read, unread: unreadOf(entry), at, preview, members, memberCount }
}
export type ListItem = ReturnType<typeof toListItem>
