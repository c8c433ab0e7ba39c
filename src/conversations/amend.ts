import type { MessageDeleted, MessageEdited } from '../events/entry.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { mayManage, mayWrite } from './access.ts'
import type { Log, Members } from './ports.ts'
import { toRow } from './send.ts'
import type { Actor, Conversation, LogRow, Target } from './types.ts'

/** What an edit or delete means: an entry of its own, so that everyone who comes back hears of it too. */
export type AmendDecision =
  | { readonly kind: 'accepted'; readonly row: LogRow; readonly entry: MessageEdited | MessageDeleted }
  /** The same hand did the same before, and nothing came between: a call whose answer was lost is made again. */
  | { readonly kind: 'repeated'; readonly row: LogRow }
  | Refusal

/** Only the author edits, as long as she may write: who was removed from a channel has only her eyes left. */
export function decideEdit(
  conversation: Conversation,
  members: Members,
  log: Log,
  actor: Actor,
  edit: { readonly seq: number; readonly text: string },
  now: number,
): AmendDecision {
  const target = log.target(edit.seq)
  const denied = mayWrite(conversation, members, actor) ?? unamendable(target)
  if (denied !== undefined) return denied
  if (!actor.server && target?.user !== actor.user) return refuse('notAllowed', 'only its author may edit a message')
  const known = target?.text === edit.text ? amendmentBy(actor, log, edit.seq) : undefined
  if (known !== undefined) return { kind: 'repeated', row: known }

  const entry: MessageEdited = { type: 'message.edited', user: actor.user, at: now, ref: edit.seq, text: edit.text }
  return { kind: 'accepted', row: toRow(log.top() + 1, actor, entry), entry }
}

/** The author deletes, and so do owners and admins. */
export function decideDelete(
  conversation: Conversation,
  members: Members,
  log: Log,
  actor: Actor,
  seq: number,
  now: number,
): AmendDecision {
  const target = log.target(seq)
  const barred = mayWrite(conversation, members, actor)
  if (barred !== undefined) return barred
  const known = target?.deleted === true ? amendmentBy(actor, log, seq) : undefined
  if (known !== undefined) return { kind: 'repeated', row: known }
  const denied = unamendable(target)
  if (denied !== undefined) return denied
  const foreign = target?.user === actor.user ? undefined : mayManage(conversation, members, actor, ['owner', 'admin'])
  if (foreign !== undefined) return foreign

  const entry: MessageDeleted = { type: 'message.deleted', user: actor.user, at: now, ref: seq }
  return { kind: 'accepted', row: toRow(log.top() + 1, actor, entry), entry }
}

/** The newest edit or deletion of message `seq`, if it is the actor's. */
function amendmentBy({ user }: Actor, log: Log, seq: number): LogRow | undefined {
  const newest = log.amendment(seq)
  return newest?.user === user ? newest : undefined
}

const unamendable = (target: Target | undefined): Refusal | undefined =>
  target === undefined || target.kind !== 'message' || target.deleted
    ? refuse('notFound', 'no such message')
    : undefined
