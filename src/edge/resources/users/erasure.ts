import { z } from 'zod'
import { callInbox } from '../../../../durable-objects/open-actors.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { userId } from '../../../protocol/payloads.ts'
import { erasureQuery, erasureView } from '../../../protocol/erasure-api.ts'
import { tenantStores } from '../../../tenants/stores.ts'
import type { UserErasure } from '../../../tenants/user-erasure.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { forgetRevocation } from '../../identity/revocations.ts'

const params = z.object({ user: userId })
const example = {
  user: 'alice',
  erasure: 'erase-user-Jx4t',
  messages: 'delete',
  phase: 'erasing',
  requestedAt: 1_790_000_000_000,
  endedAt: null,
  failure: null,
  stores: [
    {
      store: 'messages',
      holds: 'entries that the user wrote or that name them',
      how: 'rewritten',
      erased: 120,
      left: 120,
    },
  ],
} as const

const eraseUser = operation(
  defineOperation({
    id: 'eraseUser',
    method: 'delete',
    path: '/v1/users/{user}',
    tag: 'Users',
    summary: 'Erase a user with all that is stored of them',
    description:
      'The tokens of the user are refused from then on, for good. After 15 s a run ends memberships and deletes or anonymises messages, store by store. There is no way back. The same request again is the same run; its `messages` count from the first one.',
    access: 'server',
    params,
    query: erasureQuery,
    responses: { 202: erasureView },
    example: { response: example },
  }),
  async ({ c, caller: { tenant }, params: { user }, query: { messages } }) => {
    const erasure = await callInbox(c.env, tenant, user, (inbox) => inbox.requestErasure(messages))
    await forgetRevocation(c.env, tenant, user)
    return { status: 202, body: viewOf(user, erasure) }
  },
)

const readErasure = operation(
  defineOperation({
    id: 'readUserErasure',
    method: 'get',
    path: '/v1/users/{user}/erasure',
    tag: 'Users',
    summary: 'Read how far the erasure of a user is, and in the end what was erased in each store',
    access: 'server',
    params,
    responses: { 200: erasureView },
    example: { response: example },
  }),
  async ({ c, caller: { tenant }, params: { user } }) => {
    const erasure = await callInbox(c.env, tenant, user, (inbox) => inbox.erasure())
    if (erasure === undefined) return fail('not-found', 'user: this user is not erased')
    return { status: 200, body: viewOf(user, erasure) }
  },
)

function viewOf(user: string, { run: erasure, messages, phase, requestedAt, endedAt, failure, stores }: UserErasure) {
  return {
    user,
    erasure,
    messages,
    phase,
    requestedAt,
    endedAt,
    failure,
    stores: Object.entries(tenantStores).flatMap(([store, { user: of }]) =>
      of.erase === 'none'
        ? []
        : [{ store, holds: of.holds, how: of.erase, ...(stores[store] ?? { erased: 0, left: 0 }) }],
    ),
  }
}

/** The end of a user. */
export const erasures = [eraseUser, readErasure]
