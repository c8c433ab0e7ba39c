import type { ProjectionBatch } from '../../events/projection.ts'
import type { Database } from './connect.ts'

/**
 * Brings back from the archive the pages whose texts are to be removed: that of a deleted message, and those with its
 * edits (scrub-messages.ts then finds them among the messages). A later night archives them again.
 */
const statement = `
WITH wanted AS (
  SELECT s.tenant_id, s.conversation_id, s.seq
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[]) AS s(tenant_id, placement_epoch, conversation_id, seq)
  JOIN placements p ON p.tenant_id = s.tenant_id AND p.epoch = s.placement_epoch AND p.state = 'active'
), back AS (
  DELETE FROM archive a USING wanted w
  WHERE a.tenant_id = w.tenant_id AND a.conversation_id = w.conversation_id AND a.page >= (w.seq - 1) / 100
    AND (a.page = (w.seq - 1) / 100 OR EXISTS (SELECT 1 FROM unnest(a.bodies) AS body
      WHERE CASE WHEN body LIKE '{"type":"message.edited"%' THEN (body::json->>'ref')::bigint = w.seq END))
  RETURNING a.*
)
INSERT INTO messages (tenant_id, conversation_id, seq, sent_at, epoch, user_id, client, client_id, body)
SELECT b.tenant_id, b.conversation_id, e.seq, e.sent_at, b.epoch, e.user_id, e.client, e.client_id, e.body
FROM back b, unnest(b.seqs, b.sent_ats, b.user_ids, b.clients, b.client_ids, b.bodies)
  AS e(seq, sent_at, user_id, client, client_id, body)
ON CONFLICT DO NOTHING`

export function restoreArchived(db: Database, batches: readonly ProjectionBatch[]) {
  const rows = batches.flatMap(({ tenant, placementEpoch, conversation, scrubbed }) =>
    scrubbed.map((seq) => ({ tenant, placementEpoch, conversation, seq })),
  )
  return db.query(statement, [
    rows.map(({ tenant }) => tenant),
    rows.map(({ placementEpoch }) => placementEpoch),
    rows.map(({ conversation }) => conversation),
    rows.map(({ seq }) => seq),
  ])
}
