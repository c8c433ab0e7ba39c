import type { ProjectionBatch } from '../../events/projection.ts'
import type { Database } from './connect.ts'

/** Takes the words out of deleted messages; place, author and time stay (see events/tombstone.ts). */
const statement = `
UPDATE messages m SET body = json_build_object(
  'type', 'message', 'id', m.body::json->>'id', 'user', m.user_id, 'at', (m.body::json->>'at')::bigint,
  'clientId', m.client_id, 'deleted', true)::text
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS s(tenant_id, conversation_id, seq)
WHERE m.tenant_id = s.tenant_id AND m.conversation_id = s.conversation_id AND m.seq = s.seq`

export function scrubMessages(db: Database, batches: readonly ProjectionBatch[]) {
  const rows = batches.flatMap(({ tenant, conversation, scrubbed }) =>
    scrubbed.map((seq) => ({ tenant, conversation, seq })),
  )
  return db.query(statement, [
    rows.map(({ tenant }) => tenant),
    rows.map(({ conversation }) => conversation),
    rows.map(({ seq }) => seq),
  ])
}
