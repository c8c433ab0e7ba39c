import { tenantOf } from '../../../../durable-objects/address.ts'
import type { Env } from '../../../env.ts'
import { jurisdictionIn } from '../../../protocol/places.ts'
import { stateOf, type StoredTenant } from '../../../tenants/record.ts'
import { fail } from '../../http/problem.ts'

/** A tenant as its operator sees it: which keys it has, and never the keys. */
export const shown = (record: StoredTenant) => {
  const { id, name, placement, region, plan, limits, keys, eraseAt } = record
  const jurisdiction = jurisdictionIn(id)
  return {
    id,
    name,
    state: stateOf(record),
    ...(eraseAt === undefined ? {} : { eraseAt }),
    placement,
    ...(jurisdiction === undefined ? {} : { jurisdiction }),
    ...(region === undefined ? {} : { region }),
    plan,
    limits,
    keys: keys.map(({ id: key, at }) => ({ id: key, at })),
  }
}

export const exampleTenant = {
  id: 'acme',
  name: 'Acme',
  state: 'active',
  placement: { shard: 'shard0', epoch: 1 },
  plan: 'default',
  limits: {},
  keys: [{ id: 'k1', at: 1_790_000_000_000 }],
} as const

/** Of a tenant that was deleted only its name is left. */
export async function noSuchTenant(env: Env, id: string): Promise<never> {
  const deletion = await tenantOf(env, id).deletion()
  if (deletion === undefined) return fail('not-found', 'id: no such tenant')
  return fail('gone', 'id: this tenant was deleted; GET /admin/v1/tenants/{id}/deletion has the report')
}
