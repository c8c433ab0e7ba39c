import type { JWTPayload } from 'jose'
import type { z } from 'zod'
import { connectionClaims, subscriptionClaims } from '../../../auth/claims.ts'
import { signToken } from '../../../auth/token.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { encodeWith } from '../../../kernel/json.ts'
import { issuedToken, newSubscriptionToken, newToken } from '../../../protocol/api.ts'
import { explain } from '../../../protocol/explain.ts'
import { GivenJson, readGiven } from '../../../protocol/given-json.ts'
import { tokenLength } from '../../../protocol/limits.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { issuingKey } from '../../../tenants/signing-keys.ts'
import type { AppContext } from '../../http/context.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { admissionOf } from '../../identity/tenants.ts'

const issue = operation(
  defineOperation({
    id: 'issueToken',
    method: 'post',
    path: '/v1/tokens',
    tag: 'Tokens',
    summary: 'Issue a token for one of your users',
    access: 'server',
    body: newToken,
    isSecret: true,
    responses: { 200: issuedToken },
    example: {
      body: { user: 'alice', ttlSeconds: 3600 },
      response: { token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl', expiresAt: 1_790_000_000_000 },
    },
  }),
  async ({ c, caller, body: { user, ttlSeconds, capabilities: caps, info, channels } }) => ({
    status: 200,
    body: await issueToken(c, caller.tenant, user, ttlSeconds, given({ caps, channels }), { info }),
  }),
)

const issueSubscription = operation(
  defineOperation({
    id: 'issueSubscriptionToken',
    method: 'post',
    path: '/v1/tokens/subscription',
    tag: 'Tokens',
    summary: 'Issue a token that lets one of your users subscribe to one topic',
    access: 'server',
    body: newSubscriptionToken,
    isSecret: true,
    responses: { 200: issuedToken },
    example: {
      body: { user: 'alice', channel: 'orders:42' },
      response: { token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl', expiresAt: 1_790_000_000_000 },
    },
  }),
  async ({ c, caller, body: { user, ttlSeconds, channel, info, lasting } }) => ({
    status: 200,
    body: await issueToken(c, caller.tenant, user, ttlSeconds, given({ channel, expire_at: lasting ? 0 : undefined }), {
      info,
      schema: subscriptionClaims,
    }),
  }),
)

/** Tokens for a tenant's server to hand to its users. */
export const tokens = [issue, issueSubscription]

/**
 * Signs a token with the tenant's newest key; `expiresAt` in milliseconds since the epoch. Refuses one that connect or
 * subscribe would refuse, by the same `schema` and the same length.
 */
export async function issueToken(
  c: AppContext,
  tenant: string,
  user: string,
  ttlSeconds: number,
  claims: JWTPayload = {},
  { info, schema = connectionClaims }: { readonly info?: string | undefined; readonly schema?: z.ZodType } = {},
) {
  const now = systemClock.now()
  const admission = await admissionOf(c.env, tenant, now)
  const key = admission === undefined ? undefined : issuingKey(admission.secrets.tokenKeys)
  if (admission === undefined || key === undefined) return fail('unavailable', 'this tenant has no token key')
  if (user === '' && !admission.record.anonymous)
    return fail(
      'not-allowed',
      'user: anonymous users are not allowed; PATCH /v1/settings {"anonymous": true} changes that',
    )
  const expiresAt = (Math.floor(now / 1000) + ttlSeconds) * 1000
  const text = encodeWith({ ...claims, sub: user, exp: expiresAt / 1000 }, { info })
  const read = readGiven(schema, new GivenJson(JSON.parse(text), text))
  if (!read.success) return fail('invalid-request', explain(read.error))
  const token = await signToken(key, { tenant, user, expiresAt }, now, claims, { info })
  if (token.length > tokenLength)
    return fail(
      'invalid-request',
      `token: at most ${tokenLength} characters, got ${token.length}; give fewer or shorter channels and capabilities`,
    )
  return { token, expiresAt }
}

const given = (claims: JWTPayload): JWTPayload =>
  Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
