import { z } from 'zod'
import { revocation } from '../../../protocol/api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { userId } from '../../../protocol/payloads.ts'
import { operation } from '../../http/operations.ts'
import { revoke } from '../../identity/revocations.ts'

const revokeUser = operation(
  defineOperation({
    id: 'revokeUser',
    method: 'post',
    path: '/v1/users/{user}/revoke',
    tag: 'Tokens',
    summary: 'End all sessions of a user',
    description: 'Tokens that were issued to the user until now are refused from then on, elsewhere within a second.',
    access: 'server',
    params: z.object({ user: userId }),
    responses: { 200: revocation },
    example: { response: { user: 'alice', revokedAt: 1_790_000_000_000 } },
  }),
  async ({ c, caller, params: { user } }) => ({
    status: 200,
    body: { user, revokedAt: await revoke(c.env, caller.tenant, user) },
  }),
)

/** A tenant's users, as far as its server decides about their sessions. */
export const users = [revokeUser]
