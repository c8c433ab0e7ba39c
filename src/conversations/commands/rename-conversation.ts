import { z } from 'zod'
import { conversationChange } from '../../protocol/api.ts'
import { defineEntry, type EntryOf } from '../../protocol/entry-kind.ts'
import { refuse } from '../../protocol/errors.ts'
import { conversationId } from '../../protocol/payloads.ts'
import { done, mayManage, mayRead, record, save, toRow } from '../state.ts'
import { defineCommand } from '../command.ts'
import { conversationView, exampleConversation } from '../../protocol/conversation-views.ts'
import { viewOf } from '../view.ts'

/** The conversation has another name. */
const conversationRenamed = defineEntry('conversation.renamed', { name: z.string() })

/** Gives a conversation another name. */
export const renameConversation = defineCommand({
  name: 'conversation.rename',
  summary: 'Rename a conversation (owner or admin)',
  input: conversationChange.extend({ conversation: conversationId }),
  output: conversationView,
  limit: 'message',
  entries: [conversationRenamed],
  http: {
    id: 'renameConversation',
    method: 'patch',
    path: '/v1/conversations/{id}',
    tag: 'Conversations',
    example: { body: { name: 'Lunch' }, response: exampleConversation },
  },
  apply(state, actor, { name }, applied) {
    const { conversation, members, log, now } = state
    const denied =
      mayRead(conversation, members, actor) ??
      (conversation.type === 'direct' ? refuse('notAllowed', 'a direct conversation has no name') : undefined) ??
      mayManage(conversation, members, actor, ['owner', 'admin'])
    if (denied !== undefined) return denied
    save(state, { name })
    const entry: EntryOf<typeof conversationRenamed> = { type: 'conversation.renamed', user: actor.user, at: now, name }
    record(state, toRow(log.top() + 1, actor, entry), applied)
    return done(viewOf(state, actor.user))
  },
})
