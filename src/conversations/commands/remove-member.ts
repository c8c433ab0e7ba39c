import { conversationId, userId } from '../../protocol/payloads.ts'
import { z } from 'zod'
import { defineCommand } from '../command.ts'
import { memberLeft, removeMember, roleChanged } from '../membership.ts'
import { nothing } from '../state.ts'
import { emptyView } from '../view.ts'

/** Removes a member, or the caller. */
export const removeMemberCommand = defineCommand({
  name: 'member.remove',
  summary: 'Remove a member, or leave',
  input: z.strictObject({ conversation: conversationId, user: userId }),
  output: emptyView,
  limit: 'message',
  entries: [memberLeft, roleChanged],
  http: {
    id: 'removeMember',
    method: 'delete',
    path: '/v1/conversations/{id}/members/{user}',
    tag: 'Members',
    responses: { 204: null },
  },
  apply: (state, actor, { user }, applied) => removeMember(state, actor, user, applied) ?? nothing,
})
