import { refuse, type Refusal } from '../protocol/errors.ts'
import { mayRead } from './access.ts'
import type { Log, Members } from './ports.ts'
import type { Actor, Conversation } from './types.ts'

/** A read cursor only moves forward and never past the end. `moved` is false when nothing has to be written. */
export type ReadDecision =
  | { readonly kind: 'read'; readonly read: number; readonly unread: number; readonly moved: boolean }
  | Refusal

/** Decides what "I have read up to `seq`" means. */
export function decideRead(
  conversation: Conversation,
  members: Members,
  log: Log,
  actor: Actor,
  seq: number,
): ReadDecision {
  const denied = mayRead(conversation, members, actor)
  if (denied !== undefined) return denied
  if (actor.server && actor.user === '') return refuse('badRequest', 'user: who has read? An API key must say')
  const member = members.get(actor.user)
  if (member === undefined) return refuse('notAllowed', 'only members of a channel keep a place in it')
  const top = log.top()
  const read = Math.max(member.read, Math.min(seq, top))
  const unread = top - read - log.uncounted().filter((other) => other > read).length
  return { kind: 'read', read, unread, moved: read > member.read }
}
