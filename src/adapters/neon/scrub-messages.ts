import type { ProjectionBatch } from '../../events/projection.ts'
import type { Database } from './connect.ts'

/** Takes the words out of deleted messages; their places stay. */
const statement = `
UPDATE messages m SET body = s.body
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[]) AS s(tenant_id, conversation_id, seq, body)
WHERE m.tenant_id = s.tenant_id AND m.conversation_id = s.conversation_id AND m.seq = s.seq`

export function scrubMessages(db: Database, batches: readonly ProjectionBatch[]) {
  const rows = batches.flatMap(({ tenant, conversation, scrubbed }) =>
    scrubbed.map((row) => ({ tenant, conversation, ...row })),
  )
  return db.query(statement, [
    rows.map(({ tenant }) => tenant),
    rows.map(({ conversation }) => conversation),
    rows.map(({ seq }) => seq),
    rows.map(({ data }) => data),
  ])
}
