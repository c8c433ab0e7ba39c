import type { Refusal } from '../protocol/errors.ts'
import { type ConversationState, mayManage, mayWrite } from './state.ts'
import type { Actor } from './types.ts'

/** Whether `actor` may pin here: owners and admins, and both members of a direct conversation. */
export function mayPin({ conversation, members }: ConversationState, actor: Actor): Refusal | undefined {
  const denied = mayWrite(conversation, members, actor)
  if (denied !== undefined || conversation.type === 'direct') return denied
  return mayManage(conversation, members, actor, ['owner', 'admin'])
}
