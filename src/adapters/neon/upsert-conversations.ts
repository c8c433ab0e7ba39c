import type { ProjectionBatch } from '../../events/projection.ts'
import { changedProperties } from './changed-properties.ts'
import type { Database } from './connect.ts'

/** Properties of conversations; the higher version wins, in whatever order they arrive. */
const statement = `
INSERT INTO conversations (tenant_id, conversation_id, type, name, epoch, created_by, created_at, deleted_at, version, properties)
SELECT b.tenant_id, b.conversation_id, b.type, b.name, b.epoch, b.created_by, to_timestamp(b.created_ms / 1000.0), to_timestamp(b.deleted_ms / 1000.0), b.version, b.properties
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::text[])
  AS b(tenant_id, placement_epoch, conversation_id, type, name, epoch, created_by, created_ms, deleted_ms, version, properties)
JOIN placements p ON p.tenant_id = b.tenant_id AND p.epoch = b.placement_epoch AND p.state = 'active'
ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET
  name = excluded.name, epoch = excluded.epoch, deleted_at = excluded.deleted_at, version = excluded.version,
  properties = excluded.properties
WHERE conversations.version < excluded.version`

export function upsertConversations(db: Database, batches: readonly ProjectionBatch[]) {
  const changed = changedProperties(batches)
  return db.query(statement, [
    changed.map(({ tenant }) => tenant),
    changed.map(({ placementEpoch }) => placementEpoch),
    changed.map(({ conversation }) => conversation),
    changed.map(({ type }) => type),
    changed.map(({ name }) => name),
    changed.map(({ epoch }) => epoch),
    changed.map(({ createdBy }) => createdBy),
    changed.map(({ createdAt }) => createdAt),
    changed.map(({ deletedAt }) => deletedAt),
    changed.map(({ version }) => version),
    changed.map(({ properties = null }) => properties),
  ])
}
