import type { MessageDeleted, MessageEdited } from '../events/entry.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { mayManage, mayWrite } from './access.ts'
import type { Members } from './ports.ts'
import { toRow } from './send.ts'
import type { Actor, Conversation, LogRow, Target } from './types.ts'

/** What an edit or delete means: an entry of its own, so that everyone who comes back hears of it too. */
export type AmendDecision =
  | { readonly kind: 'accepted'; readonly row: LogRow; readonly entry: MessageEdited | MessageDeleted }
  | Refusal

/** Only the author edits, as long as she may write: who was removed from a channel has only her eyes left. */
export function decideEdit(
  conversation: Conversation,
  members: Members,
  at: { readonly top: number; readonly now: number },
  actor: Actor,
  target: Target | undefined,
  edit: { readonly seq: number; readonly text: string },
): AmendDecision {
  const denied = mayWrite(conversation, members, actor) ?? unamendable(target)
  if (denied !== undefined) return denied
  if (!actor.server && target?.user !== actor.user) return refuse('notAllowed', 'only its author may edit a message')

  const entry: MessageEdited = { type: 'message.edited', user: actor.user, at: at.now, ref: edit.seq, text: edit.text }
  return { kind: 'accepted', row: toRow(at.top + 1, actor, entry), entry }
}

/** The author deletes, and so do owners and admins. */
export function decideDelete(
  conversation: Conversation,
  members: Members,
  at: { readonly top: number; readonly now: number },
  actor: Actor,
  target: Target | undefined,
  seq: number,
): AmendDecision {
  const denied = mayWrite(conversation, members, actor) ?? unamendable(target)
  if (denied !== undefined) return denied
  const foreign = target?.user === actor.user ? undefined : mayManage(conversation, members, actor, ['owner', 'admin'])
  if (foreign !== undefined) return foreign

  const entry: MessageDeleted = { type: 'message.deleted', user: actor.user, at: at.now, ref: seq }
  return { kind: 'accepted', row: toRow(at.top + 1, actor, entry), entry }
}

const unamendable = (target: Target | undefined): Refusal | undefined =>
  target === undefined || target.kind !== 'message' || target.deleted
    ? refuse('notFound', 'no such message')
    : undefined
