import { conversationChange } from '../../protocol/api.ts'
import { conversationView, exampleConversation } from '../../protocol/conversation-views.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import { conversationId } from '../../protocol/payloads.ts'
import { changeConversation, conversationRenamed, conversationUpdated, type ConversationChange } from '../change.ts'
import { defineCommand } from '../command.ts'
import { may } from '../permissions.ts'
import { type ConversationState, mayRead } from '../state.ts'
import type { Actor } from '../types.ts'
import { answerOf } from '../view.ts'

/** Changes what a conversation is: its name, what is shown with it, and whether its members may write. */
export const updateConversation = defineCommand({
  name: 'conversation.update',
  summary: 'Change the name, topic, avatar, properties, freeze or slow mode of a conversation',
  input: conversationChange.extend({ conversation: conversationId }),
  output: conversationView,
  limit: 'message',
  entries: [conversationRenamed, conversationUpdated],
  http: {
    id: 'updateConversation',
    method: 'patch',
    path: '/v1/conversations/{id}',
    tag: 'Conversations',
    description:
      'Changes the fields that are given; null removes one. The name, topic, avatar and properties need the right `update` (owners and admins), freeze and slow mode the right `moderate` (moderators, too). In a frozen conversation only roles with the right `ignoreFreeze` write. What is so already changes nothing.',
    example: { body: { name: 'Lunch' }, response: exampleConversation },
  },
  // The version before has the command for the name alone.
  verb(given) {
    const { conversation: _, ...input } = given
    const isName = input.name !== undefined && Object.values(input).filter((value) => value !== undefined).length === 1
    return { kind: 'command', name: isName ? 'conversation.rename' : 'conversation.update', input }
  },
  apply(state, actor, change, applied) {
    const denied = refuseChange(state, actor, change)
    if (denied !== undefined) return denied
    changeConversation(state, actor, change, applied)
    return answerOf(state, actor.user)
  },
})

/** Refuses a change that the actor may not make. */
export function refuseChange(state: ConversationState, actor: Actor, change: ConversationChange): Refusal | undefined {
  const { name, frozen, slowModeSeconds, ...shown } = change
  const isModerating = frozen !== undefined || slowModeSeconds !== undefined
  const isUpdating = name !== undefined || Object.values(shown).some((value) => value !== undefined)
  return (
    mayRead(state, actor) ??
    (name !== undefined && state.conversation.type === 'direct'
      ? refuse('notAllowed', 'a direct conversation has no name')
      : undefined) ??
    (isUpdating ? may(state, actor, 'update') : undefined) ??
    (isModerating ? may(state, actor, 'moderate') : undefined)
  )
}
