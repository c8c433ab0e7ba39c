import { listQuery } from '../protocol/api.ts'
import { conversationPage } from '../protocol/conversation-views.ts'
import { defineOperation } from '../protocol/operation.ts'
import { inboxListPayload } from '../protocol/payloads.ts'

/** Reads one page of a user's conversations, over the socket and HTTP. */
export const listConversations = {
  name: 'inbox.list',
  input: inboxListPayload,
  http: defineOperation({
    id: 'listConversations',
    method: 'get',
    path: '/v1/conversations',
    tag: 'Conversations',
    summary: 'List a user’s conversations, newest activity first, with unread counts',
    description: 'A user reads their own list, an API key that of the user in user.',
    access: 'user-or-server',
    query: listQuery,
    responses: { 200: conversationPage },
  }),
} as const
