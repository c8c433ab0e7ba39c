import { z } from 'zod'
import { conversationRights } from '../../protocol/rights.ts'
import { conversationId } from '../../protocol/payloads.ts'
import { conversationView, exampleConversation } from '../../protocol/conversation-views.ts'
import { refuse } from '../../protocol/errors.ts'
import { changeConversation, conversationUpdated } from '../change.ts'
import { defineCommand } from '../command.ts'
import { mayRead } from '../state.ts'
import { answerOf } from '../view.ts'

/** Gives a conversation a grid of rights of its own, with roles of the tenant's own. */
export const setRights = defineCommand({
  name: 'conversation.rights',
  summary: 'Set the rights of roles in a conversation (API key only)',
  input: z.strictObject({ conversation: conversationId, roles: conversationRights }),
  output: conversationView,
  limit: 'message',
  entries: [conversationUpdated],
  http: {
    id: 'setConversationRights',
    method: 'put',
    path: '/v1/conversations/{id}/rights',
    tag: 'Conversations',
    description:
      'Roles that are not named have the rights of the default grid. Names that are none of owner, admin, moderator, member and reader make further roles. An empty object restores the default.',
    example: { body: { roles: { member: ['react'], speaker: ['send', 'react'] } }, response: exampleConversation },
  },
  apply(state, actor, { roles }, applied) {
    const denied =
      mayRead(state, actor) ??
      (actor.server ? undefined : refuse('notAllowed', 'only your server, by an API key, may set the rights of roles'))
    if (denied !== undefined) return denied
    changeConversation(state, actor, { grid: Object.keys(roles).length === 0 ? null : roles }, applied)
    return answerOf(state, actor.user)
  },
})
