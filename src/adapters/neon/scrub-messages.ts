import { z } from 'zod'
import type { ProjectionBatch } from '../../events/projection.ts'
import type { Database } from './connect.ts'

/**
 * Removes the content of deleted messages and of their edits; seq, author, time and thread stay (see events/tombstone.ts). A
 * message's body is not parsed: its data may hold characters that Postgres' JSON functions refuse. Its thread is in its first fields.
 * Each row only ever loses its content, to a deletion with a higher seq: a restored message is a later entry, which a late removal of before leaves alone. Returns the rows it
 * changed, since caches may hold copies.
 */
const statement = `
UPDATE messages m SET body = CASE WHEN m.seq = s.seq
  THEN json_strip_nulls(json_build_object('type', 'message',
    'alsoInConversation', CASE WHEN m.body ~ '^{"type" ?: ?"message", ?"alsoInConversation" ?: ?true,' THEN true END,
    'thread', substring(m.body FROM '^{"type" ?: ?"message", ?(?:"alsoInConversation" ?: ?true, ?)?"thread" ?: ?([0-9]{1,15}),')::bigint,
    'id', m.conversation_id || '.' || m.seq, 'user', m.user_id,
    'at', round(extract(epoch FROM m.sent_at) * 1000)::bigint, 'clientId', m.client_id, 'deleted', true))::text
  ELSE json_build_object('type', 'message.edited', 'user', m.user_id,
    'at', round(extract(epoch FROM m.sent_at) * 1000)::bigint, 'ref', s.seq, 'text', '', 'deleted', true)::text END
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[])
  AS s(tenant_id, placement_epoch, conversation_id, seq, deleted_by)
JOIN placements p ON p.tenant_id = s.tenant_id AND p.epoch = s.placement_epoch AND p.state = 'active'
WHERE m.tenant_id = s.tenant_id AND m.conversation_id = s.conversation_id AND m.seq >= s.seq AND m.seq < s.deleted_by
  AND (m.seq = s.seq OR CASE WHEN m.body LIKE '{"type":"message.edited"%' THEN (m.body::json->>'ref')::bigint = s.seq END)
RETURNING m.tenant_id, m.conversation_id, m.epoch, m.seq`

/** Beyond every entry: a batch of the version before does not say which deletion removes. */
const lastSeq = Number.MAX_SAFE_INTEGER

/** Rows whose content is removed. */
export const scrubbedPlaces = z.array(
  z.object({ tenant_id: z.string(), conversation_id: z.string(), epoch: z.string(), seq: z.coerce.number() }),
)

export function scrubMessages(db: Database, batches: readonly ProjectionBatch[]) {
  const rows = batches.flatMap(({ tenant, placementEpoch, conversation, scrubbed, scrubbedBy }) =>
    scrubbed.map((seq, place) => ({ tenant, placementEpoch, conversation, seq, by: scrubbedBy?.[place] ?? lastSeq })),
  )
  return db.query(statement, [
    rows.map(({ tenant }) => tenant),
    rows.map(({ placementEpoch }) => placementEpoch),
    rows.map(({ conversation }) => conversation),
    rows.map(({ seq }) => seq),
    rows.map(({ by }) => by),
  ])
}
