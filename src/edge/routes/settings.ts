import { Hono } from 'hono'
import { tenantOf } from '../../../durable-objects/address.ts'
import { newSettings } from '../../protocol/api.ts'
import type { App } from '../context.ts'
import { body } from '../input.ts'
import { server } from '../middleware/authenticate.ts'
import { forgetTenant } from '../tenants.ts'

/** What a tenant decides about itself as a whole. */
export const settings = new Hono<App>()
  .get('/', async (c) => {
    const record = await tenantOf(c.env, server(c).tenant).record()
    return c.json({ anonymous: record?.anonymous ?? false })
  })
  .patch('/', async (c) => {
    const { tenant } = server(c)
    const { anonymous } = await body(c, newSettings)
    await tenantOf(c.env, tenant).setAnonymous(anonymous)
    await forgetTenant(c.env, tenant)
    return c.json({ anonymous })
  })
