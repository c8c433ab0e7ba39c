import { Hono } from 'hono'
import { platformOf, platformTenant, tenantOf } from '../../../../durable-objects/address.ts'
import { fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import { connect } from '../../../adapters/neon/connect.ts'
import { pageOfTenants, type ListedTenant } from '../../../adapters/neon/select-tenants.ts'
import { hashApiKey, newApiKey } from '../../../auth/api-key.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { randomToken } from '../../../kernel/id.ts'
import { newTenant, tenantChange, tenantsQuery } from '../../../protocol/api.ts'
import { tenantId, type StoredKey, type StoredTenant } from '../../../tenants/record.ts'
import type { App, AppContext } from '../../http/context.ts'
import { body, param, query } from '../../http/input.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetTenant } from '../../identity/tenants.ts'
import { requirePlan } from '../admin/platform.ts'

/** The operator's tenants and their keys. A key is shown once, by whoever made it; later only its id and its time. */
export const tenants = new Hono<App>()
  .get('/', async (c) => {
    const { cursor, limit } = query(c, tenantsQuery)
    const found = await directory(c, cursor, limit + 1)
    const page = found.slice(0, limit)
    return c.json({ tenants: page, next: found.length > limit ? page.at(-1)?.id : null })
  })
  .put('/:id', async (c) => {
    const id = param(c, 'id', tenantId)
    if (id === platformTenant) fail('invalid-request', `id: "${id}" is the house's own name`)
    const { name, plan, limits = {} } = await body(c, newTenant)
    await requirePlan(c.env, plan)
    const { key, stored } = await keyFor(c.env, id)
    await platformOf(c.env).noteTenant(id)
    const { record, made } = await tenantOf(c.env, id).provision({
      id,
      name,
      plan,
      limits,
      key: stored,
    })
    await forgetTenant(c.env, id)
    return made ? c.json({ ...shown(record), apiKey: key }, 201) : c.json(shown(record))
  })
  .get('/:id', async (c) => {
    const record = await tenantOf(c.env, param(c, 'id', tenantId)).record()
    return record === undefined ? noSuchTenant() : c.json(shown(record))
  })
  .patch('/:id', async (c) => {
    const id = param(c, 'id', tenantId)
    const { state } = await body(c, tenantChange)
    const record = await tenantOf(c.env, id).setState(state)
    await forgetTenant(c.env, id)
    return record === undefined ? noSuchTenant() : c.json(shown(record))
  })
  .post('/:id/keys', async (c) => {
    const id = param(c, 'id', tenantId)
    const { key, stored } = await makeKey(id)
    accepted(await tenantOf(c.env, id).addKey(stored))
    await forgetTenant(c.env, id)
    return c.json({ id: stored.id, at: stored.at, apiKey: key }, 201)
  })
  .delete('/:id/keys/:key', async (c) => {
    const id = param(c, 'id', tenantId)
    const revoked = await tenantOf(c.env, id).revokeKey(c.req.param('key'))
    await forgetTenant(c.env, id)
    return revoked ? c.body(null, 204) : fail('not-found', 'key: no such key')
  })

/** A tenant as its operator sees it: which keys it has, and nothing of what they are. */
const shown = ({ id, name, state, placement, plan, limits, keys }: StoredTenant) => ({
  id,
  name,
  state,
  placement,
  plan,
  limits,
  keys: keys.map(({ id: key, at }) => ({ id: key, at })),
})

const noSuchTenant = (): never => fail('not-found', 'id: no such tenant')

interface NewKey {
  readonly key: string
  readonly stored: StoredKey
}

async function makeKey(tenant: string): Promise<NewKey> {
  const key = newApiKey(tenant)
  return { key, stored: { id: randomToken(8), hash: await hashApiKey(key), at: systemClock.now() } }
}

/** A new tenant's first key; the local tenant's is the one everybody knows. */
async function keyFor(env: Env, tenant: string): Promise<NewKey> {
  const { localTenant, localApiKey } = loadConfig(env)
  if (tenant !== localTenant || localApiKey === undefined) return await makeKey(tenant)
  return { key: localApiKey, stored: { id: 'local', hash: await hashApiKey(localApiKey), at: systemClock.now() } }
}

async function directory(c: AppContext, cursor: string, limit: number): Promise<ListedTenant[]> {
  const config = loadConfig(c.env)
  return await fromDependency('directory', () =>
    pageOfTenants(connect(config, config.directoryUrl, requestDeadlineMs), cursor, limit),
  )
}
