import { Hono } from 'hono'
import { platformOf, tenantOf } from '../../../../durable-objects/address.ts'
import type { Env } from '../../../env.ts'
import { newPlan, newTenantLimits, planName, systemLimits } from '../../../protocol/tenant-limits.ts'
import { withPlatformLimits } from '../../../tenants/platform-settings.ts'
import { defaultPlan, tenantId } from '../../../tenants/record.ts'
import type { App } from '../../http/context.ts'
import { body, param } from '../../http/input.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetPlatformSettings, forgetTenant } from '../../identity/tenants.ts'

/** The operator's limits: everybody's together, those of plans, those of one tenant. None of them needs a deploy. */
export const platform = new Hono<App>()
  .get('/house', async (c) => c.json(await platformOf(c.env).settings()))
  .put('/house/limits', async (c) => {
    const record = await platformOf(c.env).setSystemLimits(await body(c, systemLimits))
    await forgetPlatformSettings(c.env)
    return c.json(record.system)
  })
  .put('/plans/:name', async (c) => {
    const name = param(c, 'name', planName)
    const plan = await body(c, newPlan)
    accepted(await platformOf(c.env).setPlan(name, plan))
    await forgetPlatformSettings(c.env)
    return c.json({ name, ...plan })
  })
  .delete('/plans/:name', async (c) => {
    const name = param(c, 'name', planName)
    const dropped = await platformOf(c.env).dropPlan(name)
    await forgetPlatformSettings(c.env)
    return dropped ? c.body(null, 204) : fail('not-found', `plan: there is no plan "${name}"`)
  })
  .get('/tenants/:id/limits', async (c) => {
    const id = param(c, 'id', tenantId)
    const stored = await tenantOf(c.env, id).record()
    if (stored === undefined) return fail('not-found', 'tenant: there is no such tenant')
    const { limits: inForce } = withPlatformLimits(stored, await platformOf(c.env).settings())
    return c.json({ plan: stored.plan, limits: stored.limits, inForce })
  })
  .put('/tenants/:id/limits', async (c) => {
    const id = param(c, 'id', tenantId)
    const { plan, limits } = await body(c, newTenantLimits)
    await requirePlan(c.env, plan)
    const stored = await tenantOf(c.env, id).setLimits(plan, limits)
    if (stored === undefined) return fail('not-found', 'tenant: there is no such tenant')
    await forgetTenant(c.env, id)
    return c.json({ plan: stored.plan, limits: stored.limits })
  })

/** A tenant is put on a plan that exists; the default one need not. */
export async function requirePlan(env: Env, plan: string | undefined): Promise<void> {
  if (plan === undefined || plan === defaultPlan) return
  const { plans } = await platformOf(env).settings()
  if (!Object.hasOwn(plans, plan))
    fail('invalid-request', `plan: there is no plan "${plan}"; PUT /admin/v1/plans/${plan} makes it`)
}
