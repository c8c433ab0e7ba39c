import { z } from 'zod'
import { callInbox } from '../../../../durable-objects/open-actors.ts'
import { callModeration } from '../../../../durable-objects/open-moderation.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import {
  moderationLog,
  moderationLogQuery,
  tenantBan,
  tenantBanChange,
  tenantBanPage,
  tenantBansQuery,
  type TenantBan,
} from '../../../protocol/moderation-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { userId } from '../../../protocol/payloads.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetRevocation } from '../../identity/revocations.ts'

const tag = 'Moderation'
const access = 'server'
const params = z.object({ user: userId })

const exampleBan = {
  user: 'bob',
  until: 1_790_000_000_000,
  reason: 'Spam',
  moderator: 'mia',
  at: 1_780_000_000_000,
}

/** The key of a caller and the moderator that it names, for the log. */
export interface By {
  readonly key: string
  readonly moderator: string | null
}

/** Keeps a user out of the tenant. The same again replaces the ban of before. */
export async function banFromTenant(
  env: Env,
  tenant: string,
  { user, until, reason }: Pick<TenantBan, 'user' | 'until' | 'reason'>,
  { key, moderator }: By,
): Promise<TenantBan> {
  const now = systemClock.now()
  if (until !== null && until <= now) fail('invalid-request', 'until: a time in the future, or left out')
  // The inbox decides about tokens; a request that ends before the ban is listed can be repeated.
  if (!(await callInbox(env, tenant, user, (inbox) => inbox.ban(until))))
    fail('conflict', 'user: the user is erased, and no token of theirs is accepted')
  await forgetRevocation(env, tenant, user)
  const ban = { user, until, reason, moderator, at: now }
  accepted(await callModeration(env, tenant, (moderation) => moderation.noteBan(ban, key)))
  return ban
}

const putBan = operation(
  defineOperation({
    id: 'banUser',
    method: 'put',
    path: '/v1/users/{user}/ban',
    tag,
    summary: 'Ban a user from everything, until a time or for good',
    description:
      'Connections of the user are closed with 4506, and tokens are refused (`user-banned`), elsewhere within a second. When the ban ends ' +
      'the user needs a token that was issued after it began. Messages stay. The ban of the same user again replaces the one before.',
    access,
    params,
    body: tenantBanChange,
    optionalBody: true,
    responses: { 200: tenantBan },
    errors: ['conflict'],
    example: { body: { until: 1_790_000_000_000, reason: 'Spam', moderator: 'mia' }, response: exampleBan },
  }),
  async ({ c, caller, params: { user }, body: { until = null, reason = null, moderator = null } }) => ({
    status: 200,
    body: await banFromTenant(c.env, caller.tenant, { user, until, reason }, { key: keyOf(caller), moderator }),
  }),
)

const endBan = operation(
  defineOperation({
    id: 'unbanUser',
    method: 'delete',
    path: '/v1/users/{user}/ban',
    tag,
    summary: 'End the ban of a user',
    description: 'Tokens that were issued since the ban began are accepted again, elsewhere within a second.',
    access,
    params,
    query: z.strictObject({ moderator: userId.optional().describe('Your moderator, for the log') }),
    responses: { 204: null },
  }),
  async ({ c, caller, params: { user }, query: { moderator = null } }) => {
    const { tenant } = caller
    await callInbox(c.env, tenant, user, (inbox) => inbox.unban())
    await forgetRevocation(c.env, tenant, user)
    await callModeration(c.env, tenant, (moderation) => moderation.noteUnban(user, moderator, keyOf(caller)))
    return { status: 204 }
  },
)

const listBans = operation(
  defineOperation({
    id: 'listTenantBans',
    method: 'get',
    path: '/v1/bans',
    tag,
    summary: 'List banned users, by their ids',
    access,
    query: tenantBansQuery,
    responses: { 200: tenantBanPage },
    example: { response: { bans: [exampleBan], next: null } },
  }),
  async ({ c, caller, query: { cursor, limit } }) => {
    const bans = await callModeration(c.env, caller.tenant, (moderation) => moderation.bans(cursor, limit + 1))
    const page = bans.slice(0, limit)
    return { status: 200, body: { bans: page, next: bans.length > limit ? (page.at(-1)?.user ?? null) : null } }
  },
)

const readLog = operation(
  defineOperation({
    id: 'readModerationLog',
    method: 'get',
    path: '/v1/moderation-log',
    tag,
    summary: 'Read what moderators did, the newest first',
    description:
      'The last 100,000 acts are kept. Acts in a conversation (deletions, bans, freezes) are entries of its log.',
    access,
    query: moderationLogQuery,
    responses: { 200: moderationLog },
    example: {
      response: {
        acts: [
          {
            id: '1',
            at: 1_780_000_000_000,
            action: 'user.banned',
            key: 'k1',
            moderator: 'mia',
            user: 'bob',
            review: null,
            decision: null,
            until: 1_790_000_000_000,
            reason: 'Spam',
          },
        ],
        next: null,
      },
    },
  }),
  async ({ c, caller, query: { cursor, limit } }) => {
    const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
    const acts = await callModeration(c.env, caller.tenant, (moderation) => moderation.acts(before, limit + 1))
    const page = acts.slice(0, limit)
    return { status: 200, body: { acts: page, next: acts.length > limit ? (page.at(-1)?.id ?? null) : null } }
  },
)

/** The API key of a caller: operations here are for servers only. */
export const keyOf = (caller: { readonly kind: string; readonly keyId?: string }): string => caller.keyId ?? ''

/** Bans from the tenant, and the log of moderators. */
export const tenantBans = [putBan, endBan, listBans, readLog]
