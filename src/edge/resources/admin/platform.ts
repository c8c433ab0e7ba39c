import { z } from 'zod'
import { platformOf, tenantOf } from '../../../../durable-objects/address.ts'
import type { Env } from '../../../env.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { namedPlan, platformView, tenantLimitsView } from '../../../protocol/operator-api.ts'
import { newPlan, newTenantLimits, planName, systemLimits } from '../../../protocol/tenant-limits.ts'
import { withPlatformLimits } from '../../../tenants/platform-settings.ts'
import { defaultPlan, tenantId, tenantLimits } from '../../../tenants/record.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { forgetPlatformSettings, forgetTenant } from '../../identity/tenants.ts'

const tag = 'Operator'
const access = 'operator'
const ofPlan = z.object({ name: planName })
const ofTenant = z.object({ id: tenantId })

const readPlatform = operation(
  defineOperation({
    id: 'readPlatform',
    method: 'get',
    path: '/admin/v1/platform',
    tag,
    summary: 'Read the plans, and the limits of all tenants together',
    access,
    responses: { 200: platformView },
    example: { response: { plans: {}, system: { requestsPerSecond: 10_000 }, version: 1 } },
  }),
  async ({ c }) => ({ status: 200, body: await platformOf(c.env).settings() }),
)

const setSystemLimits = operation(
  defineOperation({
    id: 'setSystemLimits',
    method: 'put',
    path: '/admin/v1/platform/limits',
    tag,
    summary: 'Set the limits of all tenants together',
    access,
    body: systemLimits,
    responses: { 200: systemLimits },
    example: { body: { requestsPerSecond: 10_000 }, response: { requestsPerSecond: 10_000 } },
  }),
  async ({ c, body }) => {
    const record = await platformOf(c.env).setSystemLimits(body)
    await forgetPlatformSettings(c.env)
    return { status: 200, body: record.system }
  },
)

const putPlan = operation(
  defineOperation({
    id: 'putPlan',
    method: 'put',
    path: '/admin/v1/plans/{name}',
    tag,
    summary: 'Create or change a plan; its tenants follow',
    access,
    params: ofPlan,
    body: newPlan,
    responses: { 200: namedPlan },
    errors: ['conflict'],
    example: {
      body: { limits: { messagesPerSecond: 20 } },
      response: { name: 'pro', limits: { messagesPerSecond: 20 }, together: {} },
    },
  }),
  async ({ c, params: { name }, body: plan }) => {
    accepted(await platformOf(c.env).setPlan(name, plan))
    await forgetPlatformSettings(c.env)
    return { status: 200, body: { name, ...plan } }
  },
)

const deletePlan = operation(
  defineOperation({
    id: 'deletePlan',
    method: 'delete',
    path: '/admin/v1/plans/{name}',
    tag,
    summary: 'Delete a plan',
    access,
    params: ofPlan,
    responses: { 204: null },
  }),
  async ({ c, params: { name } }) => {
    const dropped = await platformOf(c.env).dropPlan(name)
    await forgetPlatformSettings(c.env)
    return dropped ? { status: 204 } : fail('not-found', `plan: there is no plan "${name}"`)
  },
)

const readTenantLimits = operation(
  defineOperation({
    id: 'readTenantLimits',
    method: 'get',
    path: '/admin/v1/tenants/{id}/limits',
    tag,
    summary: 'Read the plan and limits of a tenant, and the limits in force',
    access,
    params: ofTenant,
    responses: { 200: tenantLimitsView.extend({ inForce: tenantLimits }) },
  }),
  async ({ c, params: { id } }) => {
    const stored = await tenantOf(c.env, id).record()
    if (stored === undefined) return fail('not-found', 'tenant: there is no such tenant')
    const { limits: inForce } = withPlatformLimits(stored, await platformOf(c.env).settings())
    return { status: 200, body: { plan: stored.plan, limits: stored.limits, inForce } }
  },
)

const setTenantLimits = operation(
  defineOperation({
    id: 'setTenantLimits',
    method: 'put',
    path: '/admin/v1/tenants/{id}/limits',
    tag,
    summary: 'Set the plan and limits of a tenant',
    access,
    params: ofTenant,
    body: newTenantLimits,
    responses: { 200: tenantLimitsView },
    example: {
      body: { plan: 'pro', limits: { messagesPerSecond: 50 } },
      response: { plan: 'pro', limits: { messagesPerSecond: 50 } },
    },
  }),
  async ({ c, params: { id }, body: { plan, limits } }) => {
    await requirePlan(c.env, plan)
    const stored = await tenantOf(c.env, id).setLimits(plan, limits)
    if (stored === undefined) return fail('not-found', 'tenant: there is no such tenant')
    await forgetTenant(c.env, id)
    return { status: 200, body: { plan: stored.plan, limits: stored.limits } }
  },
)

/** The operator's limits: of all tenants together, of plans, of one tenant. None of them needs a deploy. */
export const platform = [readPlatform, setSystemLimits, putPlan, deletePlan, readTenantLimits, setTenantLimits]

/** A tenant is put on a plan that exists; the default one need not. */
export async function requirePlan(env: Env, plan: string | undefined): Promise<void> {
  if (plan === undefined || plan === defaultPlan) return
  const { plans } = await platformOf(env).settings()
  if (!Object.hasOwn(plans, plan))
    fail('invalid-request', `plan: there is no plan "${plan}"; PUT /admin/v1/plans/${plan} makes it`)
}
