import { z } from 'zod'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { callNotificationCatalog } from '../../../../durable-objects/open-recipients.ts'
import { chatExplanation, chatNotifications } from '../../../protocol/chat-notifications-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { conversationId, userId } from '../../../protocol/payloads.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { possibleConversation } from '../../identity/conversation-ids.ts'

const tag = 'Notifications'
const access = 'server'
const path = '/v1/chat-notifications'
const exampleSettings = {
  enabled: true,
  triggers: { direct: true, group: true, mention: true, reply: true, invitation: true, unread: true },
  groupUpTo: 20,
  everyoneUpTo: 100,
  unreadAfterMinutes: 10,
  againAfterMinutes: 60,
  link: 'https://app.example.com/chats/{conversation}',
}

const readChat = operation(
  defineOperation({
    id: 'readChatNotifications',
    method: 'get',
    path,
    tag,
    summary: 'Read what conversations notify their members of',
    access,
    responses: { 200: chatNotifications },
    example: { response: exampleSettings },
  }),
  async ({ c, caller: { tenant } }) => {
    const { chat } = await callNotificationCatalog(c.env, tenant, (catalog) => catalog.settings())
    return { status: 200, body: chat ?? chatNotifications.parse({ enabled: false }) }
  },
)

const putChat = operation(
  defineOperation({
    id: 'putChatNotifications',
    method: 'put',
    path,
    tag,
    summary: 'Store what conversations notify their members of',
    description:
      'Replaces the settings as a whole. Each trigger has a workflow that is there already, `$chat.direct`, `$chat.group`, `$chat.mention`, ' +
      '`$chat.reply`, `$chat.invitation` and `$chat.unread`; registering one of these names replaces it, deleting that brings it back. ' +
      'Conversations learn of a change when they next write to Postgres; messages of before are not looked at.',
    access,
    body: chatNotifications,
    responses: { 200: chatNotifications },
    example: { body: exampleSettings, response: exampleSettings },
  }),
  async ({ c, caller: { tenant }, body }) => {
    await callNotificationCatalog(c.env, tenant, (catalog) => catalog.putSettings({ chat: body }))
    await tenantOf(c.env, tenant).setChatNotifications(body)
    return { status: 200, body }
  },
)

const explainChat = operation(
  defineOperation({
    id: 'explainChatNotifications',
    method: 'get',
    path: `${path}/{conversation}/users/{user}`,
    tag,
    summary: 'Explain which messages of a conversation notify a user, and which do not',
    description:
      'Each of the newest messages with the rule that decides. What became of a notification is at ' +
      '`/v1/notifications/{id}/recipients/{user}`, by the ids in `notified`.',
    access,
    params: z.object({ conversation: conversationId, user: userId }),
    responses: { 200: chatExplanation },
    example: {
      response: {
        enabled: true,
        isMember: true,
        isPresent: false,
        read: 16,
        messages: [{ seq: 17, kind: 'direct', rule: 'direct message', isRead: false }],
        notified: {
          message: { notification: '0199c1f0-9d2e-7c3a-8f00-b3f1c6a52e11', at: 1_790_000_000_000, upTo: 17 },
          named: null,
          unread: null,
        },
        unreadAt: 1_790_000_600_000,
      },
    },
  }),
  async ({ c, caller: { tenant }, params: { conversation, user } }) => {
    const found = await possibleConversation(c.env, tenant, conversation).explainNotices(user)
    if (found === undefined || 'kind' in found)
      return fail('not-found', `conversation: there is no conversation ${conversation}`)
    return { status: 200, body: found }
  },
)

/** What conversations notify of. */
export const chat = [readChat, putChat, explainChat]
