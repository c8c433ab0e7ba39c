import type { ErasedUser } from '../events/erased-user.ts'
import { tombstoneOf } from '../events/tombstone.ts'
import { encodeWith } from '../kernel/json.ts'
import { textAt } from '../protocol/protobuf/json-text.ts'
import type { Members } from './ports.ts'
import { heirOf, isLastOwner } from './membership.ts'
import type { Member } from './types.ts'

/** An entry of a log wherever it is stored; `data` is null where only another store has it. */
export interface StoredEntry {
  readonly seq: number
  readonly user: string
  readonly client: string
  readonly clientId: string | null
  readonly data: string | null
}

/**
 * An entry as it stands once a user is erased; undefined when it stays as it is. `isTheirs` says of an edit that it is one of a message
 * of the user. Of entries of others only names are changed: a mention, a member. What an entry carries as `data` is passed on
 * as it was given, and texts are not searched.
 */
export function entryWithout<E extends StoredEntry>(entry: E, erased: ErasedUser, isTheirs = false): E | undefined {
  const { user, pseudonym } = erased
  const isAuthor = entry.user === user
  const data = entry.data === null ? null : dataWithout(entry.data, { ...erased, seq: entry.seq, isAuthor, isTheirs })
  const named = isAuthor
    ? { user: pseudonym, client: '', clientId: entry.clientId === null ? null : String(entry.seq) }
    : {}
  return !isAuthor && data === entry.data ? undefined : { ...entry, ...named, data }
}

interface DataOf extends ErasedUser {
  readonly seq: number
  readonly isAuthor: boolean
  readonly isTheirs: boolean
}

function dataWithout(text: string, of: DataOf): string {
  const { data: _, ...fields }: Record<string, unknown> = JSON.parse(text)
  const content = fields['type'] === 'message.edited' ? contentWithout(text, of) : undefined
  if (content !== undefined) delete fields['content']
  const renamed = namesWithout(fields, of)
  const isMessage = fields['type'] === 'message'
  const isEdit = fields['type'] === 'message.edited'
  const isReaction = fields['type'] === 'reaction.added'
  if (of.messages === 'delete' && (of.isAuthor || of.isTheirs)) {
    if (isMessage) return JSON.stringify(tombstoneOf(renamed))
    if (isEdit) return JSON.stringify({ ...renamed, text: '', content: undefined, deleted: true })
    if (isReaction && of.isAuthor) return JSON.stringify({ ...renamed, reaction: '', deleted: true })
  }
  return JSON.stringify(renamed) === JSON.stringify(fields) && content === textAt(text, ['content'])
    ? text
    : encodeWith(renamed, { data: textAt(text, ['data']), content })
}

/** The message in an entry that restores it. */
function contentWithout(text: string, { user, pseudonym, messages }: DataOf): string | undefined {
  const content = textAt(text, ['content'])
  if (content === undefined) return undefined
  const { user: author }: { readonly user?: string } = JSON.parse(content)
  return dataWithout(content, { user, pseudonym, messages, seq: 0, isAuthor: author === user, isTheirs: false })
}

function namesWithout(fields: Readonly<Record<string, unknown>>, of: DataOf): Record<string, unknown> {
  const other = (name: unknown) => (name === of.user ? of.pseudonym : name)
  const renamed = { ...fields }
  for (const name of ['user', 'member']) if (name in renamed) renamed[name] = other(renamed[name])
  if (of.isAuthor && 'clientId' in renamed) renamed['clientId'] = String(of.seq)
  if ('mentions' in renamed) renamed['mentions'] = mentionsWithout(renamed['mentions'], other)
  return renamed
}

/** Mentions are an object; in messages of before 2026-12 a list of users. */
function mentionsWithout(mentions: unknown, other: (name: unknown) => unknown): unknown {
  if (Array.isArray(mentions)) return mentions.map(other)
  if (typeof mentions !== 'object' || mentions === null || !('users' in mentions)) return mentions
  return Array.isArray(mentions.users) ? { ...mentions, users: mentions.users.map(other) } : mentions
}

/** The member that has to own the conversation once the user is gone; undefined when it needs no other owner. */
export const heirOfErased = (members: Members, user: string): Member | undefined =>
  isLastOwner({ members }, user) ? heirOf({ members }, user) : undefined
