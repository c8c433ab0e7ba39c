import { sizes } from '../../protocol/limits.ts'
import { typingPayload } from '../../protocol/payloads.ts'
import { may } from '../permissions.ts'
import { nothing, save } from '../state.ts'
import { defineCommand } from '../command.ts'
import { emptyView } from '../view.ts'

/** Deletes a conversation for all its members. Postgres and the inboxes follow. */
export const deleteConversation = defineCommand({
  name: 'conversation.delete',
  summary: 'Delete a conversation for all members (owner)',
  input: typingPayload,
  output: emptyView,
  limit: 'command',
  http: {
    id: 'deleteConversation',
    method: 'delete',
    path: '/v1/conversations/{id}',
    tag: 'Conversations',
    responses: { 204: null },
  },
  apply(state, actor, _, applied) {
    const { conversation, members, log, now } = state
    const denied = may(state, actor, 'delete')
    if (denied !== undefined) return denied
    save(state, { deletedAt: now })
    state.noteRemovalOfAll(state.conversation.version)
    const before = { epoch: conversation.epoch, offset: log.top() + 1 }
    for (const { user } of members.some(sizes.members)) applied.events.push({ kind: 'removed', user, before })
    return nothing
  },
})
