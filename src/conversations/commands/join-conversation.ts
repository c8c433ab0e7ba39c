import { typingPayload } from '../../protocol/payloads.ts'
import { defineCommand } from '../command.ts'
import { addMembers, memberJoined, withoutUser } from '../membership.ts'
import { nothing } from '../state.ts'
import { emptyView } from '../view.ts'

/** Makes the caller a member, as every user may of a channel. */
export const joinConversation = defineCommand({
  name: 'conversation.join',
  summary: 'Join a channel (user tokens only)',
  input: typingPayload,
  output: emptyView,
  limit: 'message',
  entries: [memberJoined],
  http: {
    id: 'joinConversation',
    method: 'post',
    path: '/v1/conversations/{id}/join',
    tag: 'Members',
    responses: { 204: null },
  },
  apply: (state, actor, _, applied) => withoutUser(actor) ?? addMembers(state, actor, [actor.user], applied) ?? nothing,
})
