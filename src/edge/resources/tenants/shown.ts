import { jurisdictionIn } from '../../../protocol/places.ts'
import { stateOf, type StoredTenant } from '../../../tenants/record.ts'

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
