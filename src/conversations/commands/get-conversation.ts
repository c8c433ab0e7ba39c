import { typingPayload } from '../../protocol/payloads.ts'
import { mayRead } from '../state.ts'
import { defineCommand } from '../command.ts'
import { conversationView, exampleConversation } from '../../protocol/conversation-views.ts'
import { answerOf } from '../view.ts'

/** Reads a conversation. */
export const getConversation = defineCommand({
  name: 'conversation.get',
  summary: 'Read a conversation and its first hundred members',
  input: typingPayload,
  output: conversationView,
  limit: 'command',
  http: {
    id: 'readConversation',
    method: 'get',
    path: '/v1/conversations/{id}',
    tag: 'Conversations',
    example: { response: exampleConversation },
  },
  apply: (state, actor) => mayRead(state, actor) ?? answerOf(state, actor.user),
})
