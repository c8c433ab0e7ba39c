import { Hono } from 'hono'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { randomToken } from '../../../kernel/id.ts'
import { rotation, signingKeyId } from '../../../protocol/signing-keys-api.ts'
import type { TokenKey } from '../../../tenants/record.ts'
import { issuingKey } from '../../../tenants/signing-keys.ts'
import type { App, AppContext } from '../../http/context.ts'
import { bodyOrNothing, check, param } from '../../http/input.ts'
import { server } from '../../middleware/authenticate.ts'
import { accepted } from '../../http/problem.ts'
import { forgetTenant } from '../../identity/tenants.ts'

/** Keys with which a tenant's own server signs tokens. A secret is shown once, in the answer that makes it. */
export const signingKeys = new Hono<App>()
  .get('/', async (c) => {
    const keys = await tenantOf(c.env, server(c).tenant).signingKeys()
    const issuing = issuingKey(keys)
    return c.json({ keys: keys.map((key) => view(key, key === issuing)) })
  })
  .post('/', async (c) => {
    const { tenant } = server(c)
    const key = newKey(systemClock.now())
    accepted(await tenantOf(c.env, tenant).addSigningKey(key))
    return await made(c, key)
  })
  .post('/:key/rotate', async (c) => {
    const { tenant } = server(c)
    const id = param(c, 'key', signingKeyId)
    const { overlapSeconds } = check(rotation, await bodyOrNothing(c))
    const key = newKey(systemClock.now())
    accepted(await tenantOf(c.env, tenant).rotateSigningKey(id, key, overlapSeconds * 1000))
    return await made(c, key)
  })
  .delete('/:key', async (c) => {
    const { tenant } = server(c)
    accepted(await tenantOf(c.env, tenant).revokeSigningKey(param(c, 'key', signingKeyId)))
    await forgetTenant(c.env, tenant)
    return c.body(null, 204)
  })

async function made(c: AppContext, { id, algorithm, at, secret }: TokenKey): Promise<Response> {
  await forgetTenant(c.env, server(c).tenant)
  c.header('Cache-Control', 'no-store')
  return c.json({ id, algorithm, secret, at }, 201)
}

/** 258 random bits, as text: its characters are the key's bytes. */
const newKey = (now: number): TokenKey => ({ id: randomToken(8), secret: randomToken(43), algorithm: 'HS256', at: now })

/** `issues`: POST /v1/tokens signs with it. `until`: it verifies no longer than that, since it was rotated. */
const view = ({ id, algorithm, at, until }: TokenKey, issues: boolean) => ({ id, algorithm, at, until, issues })
