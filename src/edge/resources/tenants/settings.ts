import { Hono } from 'hono'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { newSettings } from '../../../protocol/api.ts'
import type { StoredTenant } from '../../../tenants/record.ts'
import type { App } from '../../http/context.ts'
import { body } from '../../http/input.ts'
import { server } from '../../middleware/authenticate.ts'
import { forgetTenant } from '../../identity/tenants.ts'

/** What a tenant decides about itself as a whole. */
export const settings = new Hono<App>()
  .get('/', async (c) => c.json(view(await tenantOf(c.env, server(c).tenant).record())))
  .patch('/', async (c) => {
    const { tenant } = server(c)
    const record = await tenantOf(c.env, tenant).setSettings(await body(c, newSettings))
    await forgetTenant(c.env, tenant)
    return c.json(view(record))
  })

/** `origins` is `["*"]` where the tenant has set none. */
const view = (record: StoredTenant | undefined) => ({
  anonymous: record?.anonymous ?? false,
  origins: record?.origins ?? ['*'],
})
