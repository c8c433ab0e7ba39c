import { conversationParams, presenceView } from '../../../protocol/conversation-views.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { encodeInfo } from '../../../protocol/replies.ts'
import { maxListed } from '../../../realtime/presence-table.ts'
import { operation } from '../../http/operations.ts'
import { accepted } from '../../http/problem.ts'
import { possibleConversation } from '../../identity/conversation-ids.ts'
import { actorOf } from './caller.ts'

const definition = defineOperation({
  id: 'readPresence',
  method: 'get',
  path: '/v1/conversations/{id}/presence',
  tag: 'Conversations',
  summary: 'List the connections that are subscribed now, and count them and their users',
  description: `Of more than ${maxListed} connections only the figures are given.`,
  access: 'user-or-server',
  params: conversationParams,
  responses: { 200: presenceView },
})

/** Reads the present connections. Over the socket this is the protocol's own `presence` command. */
export const getPresence = operation(definition, async ({ c, caller, params: { id } }) => {
  const conversation = possibleConversation(c.env, caller.tenant, id)
  const { connections, users, clients } = accepted(await conversation.presence(actorOf(caller), 'list'))
  const list = clients.map((client) => `${encodeInfo(client).slice(0, -1)},"since":${client.since}}`)
  return { status: 200, json: `{"connections":${connections},"users":${users},"clients":[${list.join(',')}]}` }
})
