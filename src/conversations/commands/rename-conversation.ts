import { conversationId, conversationName } from '../../protocol/payloads.ts'
import { z } from 'zod'
import { defineCommand } from '../command.ts'
import { changeConversation, conversationRenamed } from '../change.ts'
import { conversationView } from '../../protocol/conversation-views.ts'
import { answerOf } from '../view.ts'
import { refuseChange } from './update-conversation.ts'

/** Gives a conversation another name, for connections: over HTTP the name is changed with the other properties. */
export const renameConversation = defineCommand({
  name: 'conversation.rename',
  summary: 'Rename a conversation (owner or admin)',
  input: z.strictObject({ conversation: conversationId, name: conversationName }),
  output: conversationView,
  limit: 'message',
  entries: [conversationRenamed],
  apply(state, actor, { name }, applied) {
    const denied = refuseChange(state, actor, { name })
    if (denied !== undefined) return denied
    changeConversation(state, actor, { name }, applied)
    return answerOf(state, actor.user)
  },
})
