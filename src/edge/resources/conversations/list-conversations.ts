import { callInbox } from '../../../../durable-objects/open-actors.ts'
import { listConversations as read } from '../../../inbox/list-conversations.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'

/** Reads one page of a user's conversations from their inbox. */
export const listConversations = operation(read.http, async ({ c, caller, query: { cursor, limit, user } }) => {
  if (caller.kind === 'user' && user !== undefined && user !== caller.user)
    fail('not-allowed', 'user: only your own list')
  const owner = caller.kind === 'user' ? caller.user : user
  if (owner === undefined) return fail('invalid-request', 'user: an API key must name the user whose list it reads')
  const { conversations, next } = accepted(
    await callInbox(c.env, caller.tenant, owner, (inbox) => inbox.list(cursor, limit, c.env.request)),
  )
  return { status: 200, json: JSON.stringify({ conversations, next }) }
})
