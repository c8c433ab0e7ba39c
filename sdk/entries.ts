import { count, fields, text } from './parse.ts'
import { readShown, type Shown } from './shown.ts'

/** One entry of a conversation's log, as the client understands it. */
export type Entry =
  | Message
  | Edit
  | Deletion
  | ReactionAdded
  | ReactionRemoved
  | PinAdded
  | PinRemoved
  | MemberChange
  | RoleChange
  | Rename
  | Update
  | Unknown

interface Common {
  readonly user: string
  readonly at: number
}

/** A message. Read back later it already carries its edits. */
export interface Message extends Common {
  readonly type: 'message'
  readonly clientId: string
  readonly text: string
  readonly edited: boolean
  readonly deleted: boolean
  /** Seq of the message that begins the thread it is a reply in; 0 for none. */
  readonly thread: number
  /** Seq of the message that it quotes; 0 for none. */
  readonly replyTo: number
  /** Whether the conversation shows it; a reply may be shown by its thread only. */
  readonly inConversation: boolean
  /** Of a streaming message that was not completed: it was stopped, or its author fell silent. */
  readonly ended?: 'cancelled' | 'interrupted'
}

/** The message at `ref` reads `text` from now on. */
export interface Edit extends Common {
  readonly type: 'message.edited'
  readonly ref: number
  readonly text: string
  /** Set where the entry restores a deleted message: whether it had been edited. */
  readonly restores?: { readonly edited: boolean }
}

/** The message at `ref` is gone. */
export interface Deletion extends Common {
  readonly type: 'message.deleted'
  readonly ref: number
}

/** `user` reacted to the message at `ref`; `only` replaces their other reactions to it. */
export interface ReactionAdded extends Common {
  readonly type: 'reaction.added'
  readonly ref: number
  readonly reaction: string
  readonly only: boolean
}

/** A reaction of `member` to the message at `ref` was taken back. */
export interface ReactionRemoved extends Common {
  readonly type: 'reaction.removed'
  readonly ref: number
  readonly reaction: string
  readonly member: string
}

/** The message at `ref` is pinned, until a time where `until` is not 0. */
export interface PinAdded extends Common {
  readonly type: 'pin.added'
  readonly ref: number
  readonly until: number
}

/** The message at `ref` is pinned no more. */
export interface PinRemoved extends Common {
  readonly type: 'pin.removed'
  readonly ref: number
}

/** A user became a member or is one no longer. */
export interface MemberChange extends Common {
  readonly type: 'member.joined' | 'member.left'
  readonly member: string
}

/** A member is an owner, an admin or a plain member from now on. */
export interface RoleChange extends Common {
  readonly type: 'member.role'
  readonly member: string
  readonly role: string
}

/** The conversation has another name. */
export interface Rename extends Common {
  readonly type: 'conversation.renamed'
  readonly name: string
}

/** Properties of the conversation have changed; null where one was removed. */
export interface Update extends Common {
  readonly type: 'conversation.updated'
  readonly changed: Partial<Shown>
}

/** An entry of a later version of the server: it keeps its place and shows nothing. */
export interface Unknown extends Common {
  readonly type: 'unknown'
}

/** Reads one entry of the stream. `publisher` is who it came from: a deleted message itself no longer says. */
export function readEntry(data: unknown, publisher = ''): Entry {
  const given = fields(data)
  const common = { user: text(given['user'], publisher), at: count(given['at']) }
  const type = text(given['type'])
  switch (type) {
    case 'message':
      return { type, ...common, ...readWords(given) }
    case 'message.edited':
      return { type, ...common, ref: count(given['ref']), text: text(given['text']), ...readRestored(given['content']) }
    case 'message.deleted':
    case 'pin.removed':
      return { type, ...common, ref: count(given['ref']) }
    case 'pin.added':
      return { type, ...common, ref: count(given['ref']), until: count(given['until']) }
    case 'reaction.added':
      return { type, ...common, ...readReaction(given), only: given['only'] === true }
    case 'reaction.removed':
      return { type, ...common, ...readReaction(given), member: text(given['member']) }
    case 'member.joined':
    case 'member.left':
      return { type, ...common, member: text(given['member']) }
    case 'member.role':
      return { type, ...common, member: text(given['member']), role: text(given['role'], 'member') }
    case 'conversation.renamed':
      return { type, ...common, name: text(given['name']) }
    case 'conversation.updated':
      return { type, ...common, changed: readShown(given) }
    default:
      return { type: 'unknown', ...common }
  }
}

function readWords(given: ReturnType<typeof fields>) {
  const words = given['text']
  const thread = count(given['thread'])
  const { ended } = given
  return {
    thread,
    replyTo: count(given['replyTo']),
    inConversation: thread === 0 || given['alsoInConversation'] === true,
    ...(ended === 'cancelled' || ended === 'interrupted' ? ({ ended } as const) : {}),
    clientId: text(given['clientId']),
    text: text(words),
    edited: given['editedAt'] !== undefined || given['edited'] === true,
    deleted: typeof words !== 'string' || given['deletedAt'] !== undefined || given['deleted'] === true,
  }
}

const readRestored = (content: unknown) =>
  content === undefined ? {} : { restores: { edited: readWords(fields(content)).edited } }

const readReaction = (given: ReturnType<typeof fields>) => ({
  ref: count(given['ref']),
  reaction: text(given['reaction']),
})
