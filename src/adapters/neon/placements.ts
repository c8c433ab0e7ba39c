import type { Placement } from '../../tenants/record.ts'
import type { Database } from './connect.ts'

const onShard = `
INSERT INTO placements (tenant_id, epoch, state) VALUES ($1, $2, 'active')
ON CONFLICT (tenant_id) DO UPDATE SET epoch = excluded.epoch, state = excluded.state
WHERE placements.epoch < excluded.epoch`

const inDirectory = `
INSERT INTO tenants (tenant_id, name, shard, epoch, state) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id) DO UPDATE SET name = excluded.name, shard = excluded.shard, epoch = excluded.epoch, state = excluded.state
WHERE tenants.epoch <= excluded.epoch`

/** Notes on the shard that the tenant lives there, as of this epoch; an older epoch changes nothing. */
export async function placeOnShard(db: Database, tenant: string, { epoch }: Placement): Promise<void> {
  await db.query(onShard, [tenant, epoch])
}

/** Writes the tenant into the directory. */
export async function writeDirectory(
  db: Database,
  tenant: { readonly id: string; readonly name: string; readonly state: string },
  { shard, epoch }: Placement,
): Promise<void> {
  await db.query(inDirectory, [tenant.id, tenant.name, shard, epoch, tenant.state])
}
