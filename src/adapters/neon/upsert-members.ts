import type { ProjectionBatch } from '../../events/projection.ts'
import { changedProperties } from './changed-properties.ts'
import type { Database } from './connect.ts'

/**
 * The members of changed conversations. Those of a large conversation come in parts; with the last one, rows of an earlier
 * version go, since their users are members no longer. Applied only for the version that is stored by now (conversations
 * are written before): a late write must not bring a removed member back.
 */
const statement = `
WITH given AS (
  SELECT b.* FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[])
    AS b(tenant_id, placement_epoch, conversation_id, version, user_id, role, joined_ms)
  JOIN placements p ON p.tenant_id = b.tenant_id AND p.epoch = b.placement_epoch AND p.state = 'active'
  JOIN conversations v ON v.tenant_id = b.tenant_id AND v.conversation_id = b.conversation_id AND v.version = b.version
), changed AS (
  SELECT c.* FROM unnest($8::text[], $9::bigint[], $10::text[], $11::bigint[], $12::boolean[])
    AS c(tenant_id, placement_epoch, conversation_id, version, complete)
  JOIN placements p ON p.tenant_id = c.tenant_id AND p.epoch = c.placement_epoch AND p.state = 'active'
  JOIN conversations v ON v.tenant_id = c.tenant_id AND v.conversation_id = c.conversation_id AND v.version = c.version
), gone AS (
  DELETE FROM members m USING changed c
  WHERE c.complete AND m.tenant_id = c.tenant_id AND m.conversation_id = c.conversation_id AND m.version < c.version
    AND NOT EXISTS (SELECT 1 FROM given g WHERE g.tenant_id = m.tenant_id AND g.conversation_id = m.conversation_id AND g.user_id = m.user_id)
)
INSERT INTO members (tenant_id, conversation_id, user_id, role, joined_at, version)
SELECT g.tenant_id, g.conversation_id, g.user_id, g.role, to_timestamp(g.joined_ms / 1000.0), g.version FROM given g
ON CONFLICT (tenant_id, conversation_id, user_id) DO UPDATE SET role = excluded.role, version = excluded.version
WHERE members.version < excluded.version`

export function upsertMembers(db: Database, batches: readonly ProjectionBatch[]) {
  const changed = changedProperties(batches)
  const rows = changed.flatMap(({ members, ...conversation }) =>
    members.map((member) => ({ ...conversation, ...member })),
  )
  return db.query(statement, [
    rows.map(({ tenant }) => tenant),
    rows.map(({ placementEpoch }) => placementEpoch),
    rows.map(({ conversation }) => conversation),
    rows.map(({ version }) => version),
    rows.map(({ user }) => user),
    rows.map(({ role }) => role),
    rows.map(({ joinedAt }) => joinedAt),
    changed.map(({ tenant }) => tenant),
    changed.map(({ placementEpoch }) => placementEpoch),
    changed.map(({ conversation }) => conversation),
    changed.map(({ version }) => version),
    changed.map(({ isComplete }) => isComplete),
  ])
}
