import { Hono } from 'hono'
import { loadConfig } from '../../../config.ts'
import { z } from 'zod'
import { userId } from '../../../protocol/payloads.ts'
import type { App } from '../../http/context.ts'
import { body } from '../../http/input.ts'
import { fail, localTenantMissing } from '../../http/problem.ts'
import { admissionOf } from '../../identity/tenants.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { issueToken } from '../users/tokens.ts'

const demoToken = z.strictObject({ user: userId })

/** Lets the chat page in under any name. Exists in the local environment only; a deployment answers 404. */
export const demo = new Hono<App>().post('/token', async (c) => {
  const { localTenant } = loadConfig(c.env)
  if (localTenant === undefined) return fail('not-found', 'only in the local environment')
  const { user } = await body(c, demoToken)
  if ((await admissionOf(c.env, localTenant, systemClock.now())) === undefined) throw localTenantMissing()
  c.header('Cache-Control', 'no-store')
  return c.json(await issueToken(c, localTenant, user, 86_400))
})
