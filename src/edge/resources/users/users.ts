import { Hono } from 'hono'
import { userId } from '../../../protocol/payloads.ts'
import type { App } from '../../http/context.ts'
import { param } from '../../http/input.ts'
import { server } from '../../middleware/authenticate.ts'
import { revoke } from '../../identity/revocations.ts'

/** A tenant's users, as far as its server decides about their sessions. */
export const users = new Hono<App>().post('/:user/revoke', async (c) => {
  const { tenant } = server(c)
  const user = param(c, 'user', userId)
  return c.json({ user, revokedAt: await revoke(c.env, tenant, user) })
})
