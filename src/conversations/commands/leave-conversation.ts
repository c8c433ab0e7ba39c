import { typingPayload } from '../../protocol/payloads.ts'
import { defineCommand } from '../command.ts'
import { memberLeft, removeMember, roleChanged, withoutUser } from '../membership.ts'
import { nothing } from '../state.ts'
import { emptyView } from '../view.ts'

/** Ends the caller's membership. */
export const leaveConversation = defineCommand({
  name: 'conversation.leave',
  summary: 'Leave a group or channel (user tokens only)',
  input: typingPayload,
  output: emptyView,
  limit: 'message',
  entries: [memberLeft, roleChanged],
  http: {
    id: 'leaveConversation',
    method: 'post',
    path: '/v1/conversations/{id}/leave',
    tag: 'Members',
    responses: { 204: null },
  },
  apply: (state, actor, _, applied) => withoutUser(actor) ?? removeMember(state, actor, actor.user, applied) ?? nothing,
})
