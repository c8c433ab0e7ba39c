import { Hono } from 'hono'
import type { JWTPayload } from 'jose'
import type { z } from 'zod'
import { connectionClaims, subscriptionClaims } from '../../../auth/claims.ts'
import { signToken } from '../../../auth/token.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { encodeWith } from '../../../kernel/json.ts'
import { newSubscriptionToken, newToken } from '../../../protocol/api.ts'
import { explain } from '../../../protocol/commands.ts'
import { GivenJson, readGiven } from '../../../protocol/given-json.ts'
import { tokenLength } from '../../../protocol/limits.ts'
import { issuingKey } from '../../../tenants/signing-keys.ts'
import type { App, AppContext } from '../../http/context.ts'
import { body } from '../../http/input.ts'
import { server } from '../../middleware/authenticate.ts'
import { fail } from '../../http/problem.ts'
import { admissionOf } from '../../identity/tenants.ts'

/** Tokens for a tenant's server to hand to its users. */
export const tokens = new Hono<App>()
  .post('/', async (c) => {
    const { tenant } = server(c)
    const { user, ttlSeconds, capabilities: caps, info, channels } = await body(c, newToken)
    return c.json(await issueToken(c, tenant, user, ttlSeconds, given({ caps, channels }), { info }))
  })
  .post('/subscription', async (c) => {
    const { tenant } = server(c)
    const { user, ttlSeconds, channel, info, lasting } = await body(c, newSubscriptionToken)
    const claims = given({ channel, expire_at: lasting ? 0 : undefined })
    return c.json(await issueToken(c, tenant, user, ttlSeconds, claims, { info, schema: subscriptionClaims }))
  })

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
    return fail('not-allowed', 'user: nobody anonymous is let in; PATCH /v1/settings {"anonymous": true} changes that')
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
