import { membersQuery } from '../../protocol/api.ts'
import { conversationId } from '../../protocol/payloads.ts'
import { z } from 'zod'
import { done, mayRead } from '../state.ts'
import { defineCommand } from '../command.ts'
import { memberPage } from '../../protocol/conversation-views.ts'

/** Reads one page of members, by user id. */
export const listMembers = defineCommand({
  name: 'conversation.members',
  summary: 'List members by user id',
  input: z.strictObject({
    conversation: conversationId,
    cursor: z.string().max(200).default(''),
    limit: z.int().min(1).max(100).default(50),
  }),
  output: memberPage,
  limit: 'command',
  http: {
    id: 'listMembers',
    method: 'get',
    path: '/v1/conversations/{id}/members',
    tag: 'Members',
    query: membersQuery,
  },
  apply(state, actor, { cursor, limit }) {
    const denied = mayRead(state, actor)
    if (denied !== undefined) return denied
    const found = state.members.after(cursor, limit + 1)
    const page = found.slice(0, limit)
    return done({ members: page, next: found.length > limit ? (page.at(-1)?.user ?? null) : null })
  },
})
