import { encodeWith } from '../kernel/json.ts'
import type { Entry } from '../protocol/entry-kind.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import type { Recovering } from '../protocol/recover.ts'
import type { Publication } from '../protocol/replies.ts'
import type { Right } from '../protocol/rights.ts'
import type { EphemeralEvent, StreamResult } from '../protocol/stream.ts'
import { refuseBanned, refuseWriter } from './bans.ts'
import type { MessageStates } from './message-states.ts'
import type { Amendments, Log, Members, Place, ReadStates, Uploads } from './ports.ts'
import type { SentTimes } from './slow-mode.ts'
import { defaultRights, lacks, rightBits } from './rights.ts'
import type { Actor, Conversation, LogRow } from './types.ts'

/** One conversation as its commands read and change it. `conversation` is replaced by `save`. */
export interface ConversationState {
  conversation: Conversation
  readonly members: Members
  readonly log: Log
  readonly amendments: Amendments
  readonly messages: MessageStates
  readonly readStates: ReadStates
  readonly sentTimes: SentTimes
  readonly uploads: Uploads
  readonly now: number
  /** Stores the conversation as it is from now on. */
  readonly write: (conversation: Conversation) => void
  /** Remembers that the inbox of a former member has to drop the conversation at this version. */
  readonly noteRemoval: (user: string, version: number) => void
  /** The same for the inboxes of all members. */
  readonly noteRemovalOfAll: (version: number) => void
}

type Readable = Pick<ConversationState, 'conversation' | 'members' | 'now'>

/** What the commands of one call did: an answer to each, and what the subscribers receive. */
export interface AppliedCommands extends Recovering {
  readonly results: StreamResult[]
  readonly publications: Publication[]
  readonly events: EphemeralEvent[]
  /** Set when a read cursor may have moved, which is no entry of the log. */
  movesCursor?: boolean
}

/** In a conversation with more members no joins, leaves and read cursors are published: their number grows with the square. */
export const largeConversation = 200

export const isSmall = ({ members }: ConversationState): boolean => members.count() <= largeConversation

/** Answers a command with a body. */
export const done = (body: object): StreamResult => ({ kind: 'done', data: JSON.stringify(body) })

/** Answers a command that was done and has nothing to say. */
export const nothing: StreamResult = { kind: 'done', data: '{}' }

/** The place of an entry as an answer. */
export const placed = ({ seq, at }: Place): StreamResult => done({ seq, at })

/** Appends an entry and publishes it. An entry is stored first, so that a subscriber that receives seq 7 can fetch it. */
export function record(state: ConversationState, row: LogRow, applied: AppliedCommands): void {
  state.log.append(row)
  applied.publications.push(toPublication(row))
}

/** Stores a change of the conversation under the next version. */
export function save(state: ConversationState, change: Partial<Conversation>): void {
  state.conversation = { ...state.conversation, ...change, version: state.conversation.version + 1 }
  state.write(state.conversation)
}

/** A stored entry as it is published. */
export const toPublication = ({ seq, data, user, client }: LogRow): Publication => ({
  offset: seq,
  data,
  info: { user, client },
})

/** The stored form of an entry at its place; `dataText` is the JSON text of a message's `data`, which stays as it was given. */
export function toRow(
  seq: number,
  { user, client }: Actor,
  entry: Entry,
  clientId: string | null = null,
  dataText?: string,
): LogRow {
  const data = dataText === undefined ? JSON.stringify(entry) : encodeWith(entry, { data: dataText })
  return { seq, at: entry.at, user, client, clientId, data }
}

/**
 * Whether `actor` may read here. Other users get the answer of a conversation that does not exist, and so do the
 * anonymous: a channel is for the tenant's users, whom its server knows by name.
 */
export function mayRead({ conversation, members, now }: Readable, actor: Actor): Refusal | undefined {
  if (conversation.deletedAt !== undefined) return refuse('notFound')
  if (actor.server || members.get(actor.user) !== undefined) return undefined
  return conversation.type === 'channel' && actor.user !== ''
    ? refuseBanned(conversation, actor.user, now)
    : refuse('notFound')
}

/**
 * Whether `actor` may write, react or pin here: members whose role has the right, and the tenant's server as itself or as a member that it names. A
 * server speaks as no other user.
 */
export function mayWrite(state: ConversationState, actor: Actor, right: Right = 'send'): Refusal | undefined {
  const denied = mayRead(state, actor)
  if (denied !== undefined || (actor.server && actor.user === '')) return denied
  const { conversation, members } = state
  const role = members.get(actor.user)?.role
  if (role === undefined) return refuseWriter(actor)
  const may = ((conversation.rights ?? defaultRights)[role] ?? 0) & rightBits[right]
  return actor.server || may !== 0 ? undefined : lacks(conversation, role, right, actor.user)
}
