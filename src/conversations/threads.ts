import type { Mentions } from '../events/activity.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { type ConversationState, mayRead } from './state.ts'
import type { Actor, LogRow } from './types.ts'

/**
 * The fields of a reply that say where it is shown. They are the first ones of the entry, so that a reply is told apart from
 * other messages without being parsed, also in Postgres.
 */
export const threadFields = (thread: number, alsoInConversation: boolean | undefined) =>
  alsoInConversation === true ? ({ alsoInConversation, thread } as const) : ({ thread } as const)

interface Placed {
  readonly thread?: number | undefined
  readonly alsoInConversation?: boolean | undefined
}

/** Whether only a thread shows a message, so that the conversation does not count it. */
export const isInThreadOnly = ({ thread, alsoInConversation }: Placed): boolean =>
  thread !== undefined && alsoInConversation !== true

type NotedIn = Pick<ConversationState, 'amendments' | 'messages'> & {
  readonly members: Pick<ConversationState['members'], 'get'>
}

/** A reply is stored: its author, the author of the root and members that it mentions by name follow the thread. */
export function noteReply(
  { amendments, members, messages }: NotedIn,
  { seq, user }: Pick<LogRow, 'seq' | 'user'>,
  root: number,
  mentions: Mentions | undefined,
): void {
  const { threads } = messages
  const author = amendments.target(root)?.user ?? ''
  threads.begin(root, author, members.get(author) !== undefined)
  threads.replied(root, user, seq)
  const named = mentions?.users?.filter((each) => members.get(each) !== undefined) ?? []
  if (named.length > 0) threads.mentioned(root, named, seq)
}

/** Refuses callers that cannot have a part in the thread of message `root`: only members have one. */
export function refuseThread(state: ConversationState, actor: Actor, root: number): Refusal | undefined {
  const { amendments, members, messages } = state
  const denied = mayRead(state, actor)
  if (denied !== undefined) return denied
  if (actor.server && actor.user === '') return refuse('badRequest', 'user: an API key must name the member')
  if (members.get(actor.user) === undefined) return refuse('notAllowed', 'only members of a channel follow threads')
  if (amendments.target(root)?.kind !== 'message') return refuse('notFound', 'no such message')
  const parent = messages.threads.rootOf(root)
  return parent === undefined
    ? undefined
    : refuse('badRequest', `seq: message ${root} is a reply itself; give ${parent}, which begins its thread`)
}

/** A member's part in a thread as an answer. */
export function threadStateOf({ messages }: Pick<ConversationState, 'messages'>, root: number, user: string) {
  const { follows, read, unread } = messages.threads.of(root, user)
  return { follows, read, unread }
}
