import { Hono } from 'hono'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { namespaceName, newNamespace, type Namespace } from '../../../protocol/namespaces-api.ts'
import type { App } from '../../http/context.ts'
import { body, param } from '../../http/input.ts'
import { server } from '../../middleware/authenticate.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetTenant } from '../../identity/tenants.ts'

/** How a tenant's plain topics are kept and who may use them. A change reaches every gateway within ten seconds. */
export const namespaces = new Hono<App>()
  .get('/', async (c) => {
    const all = (await tenantOf(c.env, server(c).tenant).record())?.namespaces ?? {}
    return c.json({ namespaces: Object.entries(all).map(([name, namespace]) => view(name, namespace)) })
  })
  .get('/:name', async (c) => {
    const { tenant } = server(c)
    const name = param(c, 'name', namespaceName)
    const all = (await tenantOf(c.env, tenant).record())?.namespaces ?? {}
    const namespace = Object.hasOwn(all, name) ? all[name] : undefined
    return namespace === undefined ? missing(name) : c.json(view(name, namespace))
  })
  .put('/:name', async (c) => {
    const { tenant } = server(c)
    const name = param(c, 'name', namespaceName)
    const namespace = await body(c, newNamespace)
    accepted(await tenantOf(c.env, tenant).setNamespace(name, namespace))
    await forgetTenant(c.env, tenant)
    return c.json(view(name, namespace))
  })
  .delete('/:name', async (c) => {
    const { tenant } = server(c)
    const name = param(c, 'name', namespaceName)
    const dropped = await tenantOf(c.env, tenant).dropNamespace(name)
    await forgetTenant(c.env, tenant)
    return dropped ? c.body(null, 204) : missing(name)
  })

const view = (name: string, namespace: Namespace) => ({ name, ...namespace })

const missing = (name: string) =>
  fail('not-found', `namespace: there is no namespace "${name}"; PUT /v1/namespaces/${name} makes it`)
