import { z } from 'zod'
import { callConversation, callInbox } from '../../../../durable-objects/open-actors.ts'
import { callRecipients } from '../../../../durable-objects/open-recipients.ts'
import { directKey } from '../../../conversations/create.ts'
import type { Env } from '../../../env.ts'
import { uuidFrom } from '../../../kernel/id.ts'
import { blockList, blockView } from '../../../protocol/moderation-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { userId } from '../../../protocol/payloads.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { withTenantCheck } from '../../identity/conversation-ids.ts'
import { requireSelf } from '../users/self.ts'

const tag = 'Moderation'
const access = 'user-or-server'
const path = '/v1/users/{user}/blocks/{blocked}'
const params = z.object({ user: userId, blocked: userId })
const exampleBlock = { user: 'bob', at: 1_780_000_000_000 }

/** Tells the direct conversation of the two users, where there is one, and the actor that makes notifications. */
async function tellOthers(env: Env, tenant: string, user: string, blocked: string, isBlocked: boolean): Promise<void> {
  const direct = await withTenantCheck(env, tenant, await uuidFrom(directKey(tenant, [user, blocked])))
  await Promise.all([
    callConversation(env, tenant, direct, (conversation) => conversation.setBlocked(blocked, isBlocked)),
    callRecipients(env, tenant, user, (recipients) => recipients.setBlocked(user, blocked, isBlocked)),
  ])
}

const putBlock = operation(
  defineOperation({
    id: 'blockUser',
    method: 'put',
    path,
    tag,
    summary: 'Block a user',
    description:
      'The blocked user can neither write to the user directly nor start a direct conversation with them (`blocked`), and messages of the ' +
      'blocked user notify the user of nothing. In groups messages stay: clients hide them. At most 1,000 users. The same again changes nothing.',
    access,
    params,
    responses: { 200: blockView },
    errors: ['conflict', 'invalid-request'],
    example: { response: exampleBlock },
  }),
  async ({ c, caller, params: { user, blocked } }) => {
    requireSelf(caller, user)
    if (user === blocked) fail('invalid-request', 'blocked: a user cannot block themselves')
    const block = accepted(await callInbox(c.env, caller.tenant, user, (inbox) => inbox.block(blocked)))
    await tellOthers(c.env, caller.tenant, user, blocked, true)
    return { status: 200, body: { user: block.user, at: block.at } }
  },
)

const endBlock = operation(
  defineOperation({
    id: 'unblockUser',
    method: 'delete',
    path,
    tag,
    summary: 'End the block of a user',
    description: 'Messages of the user may notify again within an hour.',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller, params: { user, blocked } }) => {
    requireSelf(caller, user)
    await callInbox(c.env, caller.tenant, user, (inbox) => inbox.unblock(blocked))
    await tellOthers(c.env, caller.tenant, user, blocked, false)
    return { status: 204 }
  },
)

const listBlocks = operation(
  defineOperation({
    id: 'listBlocks',
    method: 'get',
    path: '/v1/users/{user}/blocks',
    tag,
    summary: 'List the users that a user blocks, the oldest block first',
    description: 'All of them, at most 1,000.',
    access,
    params: z.object({ user: userId }),
    responses: { 200: blockList },
    example: { response: { blocks: [exampleBlock] } },
  }),
  async ({ c, caller, params: { user } }) => {
    requireSelf(caller, user)
    const blocks = await callInbox(c.env, caller.tenant, user, (inbox) => inbox.blocks())
    return { status: 200, body: { blocks } }
  },
)

/** What users keep away from themselves. */
export const blocks = [putBlock, endBlock, listBlocks]
