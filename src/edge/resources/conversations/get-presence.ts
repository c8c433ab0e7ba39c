import { conversationParams, presenceView } from '../../../protocol/conversation-views.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { encodeInfo } from '../../../protocol/replies.ts'
import { operation } from '../../http/operations.ts'
import { accepted } from '../../http/problem.ts'
import { possibleConversation } from '../../identity/conversation-ids.ts'
import { actorOf } from './caller.ts'

const definition = defineOperation({
  id: 'readPresence',
  method: 'get',
  path: '/v1/conversations/{id}/presence',
  tag: 'Conversations',
  summary: 'List the connections that are subscribed now',
  access: 'user-or-server',
  params: conversationParams,
  responses: { 200: presenceView },
})

/** Reads the present connections. Over the socket this is the protocol's own `presence` command. */
export const getPresence = operation(definition, async ({ c, caller, params: { id } }) => {
  const { clients } = accepted(await possibleConversation(c.env, caller.tenant, id).presence(actorOf(caller)))
  return { status: 200, json: `{"clients":[${clients.map(encodeInfo).join(',')}]}` }
})
