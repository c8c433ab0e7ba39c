import type { ProjectionBatch } from '../../events/projection.ts'
import type { Database } from './connect.ts'

/**
 * Log entries of many conversations at once. A repeat is ignored: (tenant, conversation, seq) and its time never
 * change. The placement's epoch is checked in the same statement; it returns the tenants that are not placed here, or
 * no longer.
 */
export const insertStatement = `
WITH batch AS (
  SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[])
    AS b(tenant_id, placement_epoch, conversation_id, epoch, seq, at_ms, user_id, client, client_id, body)
), inserted AS (
  INSERT INTO messages (tenant_id, conversation_id, seq, sent_at, epoch, user_id, client, client_id, body)
  SELECT b.tenant_id, b.conversation_id, b.seq, to_timestamp(b.at_ms / 1000.0), b.epoch, b.user_id, b.client, b.client_id, b.body
  FROM batch b JOIN placements p ON p.tenant_id = b.tenant_id AND p.epoch = b.placement_epoch AND p.state = 'active'
  ON CONFLICT DO NOTHING
)
SELECT g.tenant_id FROM unnest($11::text[], $12::bigint[]) AS g(tenant_id, placement_epoch)
WHERE NOT EXISTS (
  SELECT 1 FROM placements p WHERE p.tenant_id = g.tenant_id AND p.epoch = g.placement_epoch AND p.state = 'active')`

export const insertMessages = (db: Database, batches: readonly ProjectionBatch[]) =>
  db.query(insertStatement, [...insertValues(batches)])

/** The values of the statement: a column of all rows each, then the tenants and their epochs. */
export function insertValues(batches: readonly ProjectionBatch[]): readonly (readonly (string | number | null)[])[] {
  const rows = batches.flatMap(({ tenant, placementEpoch, conversation, epoch, rows }) =>
    rows.map((row) => ({ tenant, placementEpoch, conversation, epoch, ...row })),
  )
  return [
    rows.map(({ tenant }) => tenant),
    rows.map(({ placementEpoch }) => placementEpoch),
    rows.map(({ conversation }) => conversation),
    rows.map(({ epoch }) => epoch),
    rows.map(({ seq }) => seq),
    rows.map(({ at }) => at),
    rows.map(({ user }) => user),
    rows.map(({ client }) => client),
    rows.map(({ clientId }) => clientId),
    rows.map(({ data }) => data),
    batches.map(({ tenant }) => tenant),
    batches.map(({ placementEpoch }) => placementEpoch),
  ]
}
