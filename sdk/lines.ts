import type { Message } from './entries.ts'
import type { ParleyError } from './failure.ts'
import type { Growing } from './growing.ts'
import { statesOf, type MessageState, type Reaction, type Replies } from './message-states.ts'
import { asAmended, type Outgoing, type Placed, type Timeline } from './timeline.ts'

/** One thing to show of a conversation. `key` stays the same from sending to sent to edited. */
export type Line = MessageLine | NoticeLine

/** Something said. `seq` is 0 until the server has given it a place. */
export interface MessageLine {
  readonly kind: 'message'
  readonly key: string
  readonly seq: number
  readonly clientId: string
  readonly user: string
  readonly at: number
  readonly text: string
  readonly mine: boolean
  readonly edited: boolean
  readonly deleted: boolean
  readonly delivery: Outgoing['delivery']
  readonly problem?: ParleyError
  /** `streaming` while the text grows; how it ended where it was not completed; absent for every other message. */
  readonly state?: 'streaming' | 'cancelled' | 'interrupted'
  /** Who reacted; absent where no user did. */
  readonly reactions?: readonly (Reaction & { readonly mine: boolean })[]
  /** Seq of the message that it quotes. */
  readonly replyTo?: number
  /** Seq of the message that begins the thread it is a reply in. */
  readonly thread?: number
  /** The thread that it begins; absent where it has no reply that is not deleted. */
  readonly replies?: Replies
  /** Who pinned it and until when; compare `until` with the time of now. */
  readonly pinned?: NonNullable<MessageState['pinned']>
}

/** An event in the timeline: a member came or left, a role or the conversation's name changed. */
export interface NoticeLine {
  readonly kind: 'notice'
  readonly key: string
  readonly seq: number
  readonly user: string
  readonly at: number
  readonly what: 'joined' | 'left' | 'role' | 'renamed'
  /** The member, or the new name. */
  readonly subject: string
  /** What the member is from now on, where that changed. */
  readonly role?: string
}

/** What there is to show: the log in order, then what is still on its way. Edits and deletions show at their message; replies that only a thread shows are left out. */
export function linesOf(timeline: Timeline): readonly Line[] {
  const states = statesOf(timeline.placed)
  const isShown = ({ entry }: Placed) => entry.type !== 'message' || entry.inConversation
  return [
    ...timeline.placed.filter(isShown).flatMap((placed) => lineOf(timeline, states.get(placed.seq), placed) ?? []),
    ...timeline.outgoing.filter(isInConversation).map((one) => outgoingLine(timeline.me, one)),
  ]
}

/** The replies in the thread of message `root` that are held, in order, then those that are still on their way. */
export function threadLinesOf(timeline: Timeline, root: number): readonly Line[] {
  const states = statesOf(timeline.placed)
  const isReply = ({ entry }: Placed) => entry.type === 'message' && entry.thread === root
  return [
    ...timeline.placed.filter(isReply).flatMap((placed) => lineOf(timeline, states.get(placed.seq), placed) ?? []),
    ...timeline.outgoing.filter(({ thread }) => thread === root).map((one) => outgoingLine(timeline.me, one)),
  ]
}

const isInConversation = ({ thread, alsoInConversation }: Outgoing): boolean =>
  thread === undefined || alsoInConversation === true

function lineOf(timeline: Timeline, state: MessageState | undefined, { seq, entry }: Placed): Line | undefined {
  switch (entry.type) {
    case 'message':
      return messageLine(timeline.me, seq, asAmended(timeline, seq, entry), state)
    case 'member.joined':
      return { ...notice(seq, entry), what: 'joined', subject: entry.member }
    case 'member.left':
      return { ...notice(seq, entry), what: 'left', subject: entry.member }
    case 'member.role':
      return { ...notice(seq, entry), what: 'role', subject: entry.member, role: entry.role }
    case 'conversation.renamed':
      return { ...notice(seq, entry), what: 'renamed', subject: entry.name }
    case 'conversation.updated':
    case 'message.edited':
    case 'message.deleted':
    case 'reaction.added':
    case 'reaction.removed':
    case 'pin.added':
    case 'pin.removed':
    case 'unknown':
      return undefined
  }
}

const notice = (seq: number, { user, at }: { readonly user: string; readonly at: number }) =>
  ({ kind: 'notice', key: `notice ${seq}`, seq, user, at }) as const

const messageLine = (
  me: string,
  seq: number,
  { user, at, text, clientId, edited, deleted, thread, replyTo, ended }: Message,
  state: MessageState | undefined,
): Line => ({
  kind: 'message',
  key: messageKey(user, clientId, seq),
  seq,
  clientId,
  user,
  at,
  text,
  mine: user === me,
  edited,
  deleted,
  delivery: 'sent',
  ...(thread === 0 ? {} : { thread }),
  ...(replyTo === 0 || deleted ? {} : { replyTo }),
  ...(state?.replies === undefined ? {} : { replies: state.replies }),
  ...(ended === undefined || deleted ? {} : { state: ended }),
  ...(state === undefined || deleted ? {} : shownState(me, state)),
})

const shownState = (me: string, { reactions, pinned }: MessageState) => ({
  ...(reactions.length === 0 ? {} : { reactions: reactions.map((one) => ({ ...one, mine: one.users.includes(me) })) }),
  ...(pinned === undefined ? {} : { pinned }),
})

/** Messages that grow stand behind all others: they have no place yet. */
export const growingLines = (me: string, growing: Growing): readonly Line[] =>
  [...growing.values()].map(({ user, clientId, at, text }) => ({
    kind: 'message',
    key: messageKey(user, clientId, 0),
    seq: 0,
    clientId,
    user,
    at,
    text,
    mine: user === me,
    edited: false,
    deleted: false,
    delivery: 'sent',
    state: 'streaming',
  }))

const outgoingLine = (
  user: string,
  { clientId, at, text, delivery, problem, seq = 0, thread, replyTo }: Outgoing,
): Line => ({
  kind: 'message',
  key: messageKey(user, clientId, seq),
  seq: 0,
  clientId,
  user,
  at,
  text,
  mine: true,
  edited: false,
  deleted: false,
  delivery,
  ...(thread === undefined ? {} : { thread }),
  ...(replyTo === undefined ? {} : { replyTo }),
  ...(problem === undefined ? {} : { problem }),
})

/** A clientId is its sender's own, so both together name a message before it has a place. */
const messageKey = (user: string, clientId: string, seq: number): string =>
  clientId === '' ? `message ${seq}` : `message ${user} ${clientId}`
