import { Hono } from 'hono'
import { signToken } from '../../auth/token.ts'
import { systemClock } from '../../kernel/clock.ts'
import { newToken } from '../../protocol/api.ts'
import type { App, AppContext } from '../context.ts'
import { body } from '../input.ts'
import { server } from '../middleware/authenticate.ts'
import { fail } from '../problem.ts'
import { admissionOf } from '../tenants.ts'

/** User tokens for a tenant's server to hand to its users. */
export const tokens = new Hono<App>().post('/', async (c) => {
  const { tenant } = server(c)
  const { user, ttlSeconds } = await body(c, newToken)
  return c.json(await issueToken(c, tenant, user, ttlSeconds))
})

/** Signs a token with the tenant's newest key; `expiresAt` in milliseconds since the epoch. */
export async function issueToken(c: AppContext, tenant: string, user: string, ttlSeconds: number) {
  const now = systemClock.now()
  const key = (await admissionOf(c.env, tenant, now))?.secrets.tokenKeys[0]
  if (key === undefined) return fail('unavailable', 'this tenant has no token key')
  const expiresAt = (Math.floor(now / 1000) + ttlSeconds) * 1000
  return { token: await signToken(key, { tenant, user, expiresAt }, now), expiresAt }
}
