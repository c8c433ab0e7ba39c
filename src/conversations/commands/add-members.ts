import { newMembers } from '../../protocol/api.ts'
import { conversationId } from '../../protocol/payloads.ts'
import { defineCommand } from '../command.ts'
import { addMembers, memberJoined } from '../membership.ts'
import { conversationView, exampleConversation } from '../../protocol/conversation-views.ts'
import { answerOf } from '../view.ts'

/** Adds members. Users that are members already stay as they are. */
export const addMembersCommand = defineCommand({
  name: 'member.add',
  summary: 'Add members (owner or admin; every user may join a channel)',
  input: newMembers.extend({ conversation: conversationId }),
  output: conversationView,
  limit: 'message',
  entries: [memberJoined],
  http: {
    id: 'addMembers',
    method: 'post',
    path: '/v1/conversations/{id}/members',
    tag: 'Members',
    errors: ['conflict'],
    example: { body: { members: ['carol'] }, response: exampleConversation },
  },
  items: ({ members }) => members.length,
  apply: (state, actor, { members }, applied) =>
    addMembers(state, actor, members, applied) ?? answerOf(state, actor.user),
})
