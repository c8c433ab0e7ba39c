import { refuse, type Refusal } from '../protocol/errors.ts'
import type { Members } from './ports.ts'
import type { Actor, Conversation } from './types.ts'

/** A read cursor only moves forward and never past the end. `moved` is false when nothing has to be written. */
export type ReadDecision =
  | { readonly kind: 'read'; readonly read: number; readonly unread: number; readonly moved: boolean }
  | Refusal

/** Decides what "I have read up to `seq`" means. */
export function decideRead(
  conversation: Conversation,
  members: Members,
  top: number,
  actor: Actor,
  seq: number,
): ReadDecision {
  const member = members.get(actor.user)
  if (conversation.deletedAt !== undefined || member === undefined) return refuse('notFound')
  const read = Math.max(member.read, Math.min(seq, top))
  return { kind: 'read', read, unread: top - read, moved: read > member.read }
}
