import type { Refusal } from '../protocol/errors.ts'
import { type ConversationState, mayWrite } from './state.ts'
import type { Actor } from './types.ts'

/** Whether `actor` may pin here: members with the right, and both members of a direct conversation. */
export const mayPin = (state: ConversationState, actor: Actor): Refusal | undefined =>
  mayWrite(state, actor, state.conversation.type === 'direct' ? 'send' : 'pin')
