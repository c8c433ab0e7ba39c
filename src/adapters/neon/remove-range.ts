import type { ProjectionBatch } from '../../events/projection.ts'
import type { Database } from './connect.ts'

/**
 * Removes what a rebuild writes anew: the entries of a range, from the messages, from the archive and from the search. The rest of an archived
 * page goes back to the messages, and a later night archives it again.
 */
const entries = `
WITH ranges AS (
  SELECT r.* FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) AS r(tenant_id, placement_epoch, conversation_id, first, last)
  JOIN placements p ON p.tenant_id = r.tenant_id AND p.epoch = r.placement_epoch AND p.state = 'active'
), pages AS (
  DELETE FROM archive a USING ranges r
  WHERE a.tenant_id = r.tenant_id AND a.conversation_id = r.conversation_id
    AND a.page BETWEEN (r.first - 1) / 100 AND (r.last - 1) / 100
  RETURNING a.*, r.first, r.last
), kept AS (
  INSERT INTO messages (tenant_id, conversation_id, seq, sent_at, epoch, user_id, client, client_id, body)
  SELECT p.tenant_id, p.conversation_id, e.seq, e.sent_at, p.epoch, e.user_id, e.client, e.client_id, e.body
  FROM pages p, unnest(p.seqs, p.sent_ats, p.user_ids, p.clients, p.client_ids, p.bodies)
    AS e(seq, sent_at, user_id, client, client_id, body)
  WHERE e.seq NOT BETWEEN p.first AND p.last
  ON CONFLICT DO NOTHING
), unindexed AS (
  DELETE FROM message_search s USING ranges r
  WHERE s.tenant_id = r.tenant_id AND s.conversation_id = r.conversation_id AND s.seq BETWEEN r.first AND r.last
)
DELETE FROM messages m USING ranges r
WHERE m.tenant_id = r.tenant_id AND m.conversation_id = r.conversation_id AND m.seq BETWEEN r.first AND r.last`

/** Versions decide which properties and members win; without a row the next write wins. */
const properties = `
WITH given AS (
  SELECT g.* FROM unnest($1::text[], $2::bigint[], $3::text[]) AS g(tenant_id, placement_epoch, conversation_id)
  JOIN placements p ON p.tenant_id = g.tenant_id AND p.epoch = g.placement_epoch AND p.state = 'active'
), without_members AS (
  DELETE FROM members m USING given g WHERE m.tenant_id = g.tenant_id AND m.conversation_id = g.conversation_id
)
DELETE FROM conversations c USING given g WHERE c.tenant_id = g.tenant_id AND c.conversation_id = g.conversation_id`

/** The entries that batches of a rebuild replace. */
export function removeRanges(db: Database, batches: readonly ProjectionBatch[]) {
  const ranges = batches.flatMap(({ replaced, ...batch }) =>
    replaced === undefined ? [] : [{ ...batch, ...replaced }],
  )
  return db.query(entries, [
    ranges.map(({ tenant }) => tenant),
    ranges.map(({ placementEpoch }) => placementEpoch),
    ranges.map(({ conversation }) => conversation),
    ranges.map(({ first }) => first),
    ranges.map(({ last }) => last),
  ])
}

/** The properties and members that batches of a rebuild replace. */
export function removeProperties(db: Database, batches: readonly ProjectionBatch[]) {
  const given = batches.filter(({ replaced }) => replaced?.hasProperties === true)
  return db.query(properties, [
    given.map(({ tenant }) => tenant),
    given.map(({ placementEpoch }) => placementEpoch),
    given.map(({ conversation }) => conversation),
  ])
}
