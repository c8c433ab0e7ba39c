import type { ProjectionBatch } from '../../events/projection.ts'
import { entryTexts } from '../../events/internal-events.ts'
import { indexedIn, weekOf, type IndexedMessage } from '../../search/indexed.ts'
import type { Database } from './connect.ts'

/**
 * Writes what search knows of messages. A message, its edits and its deletion may arrive in any order and again: the newest entry
 * has the text, the message itself has all else, and an entry that restores has the files again. The placement's epoch is checked in the same statement.
 */
const statement = `
INSERT INTO message_search AS known (tenant_id, conversation_id, seq, version, sent_at, week, user_id, thread, attached, text, words, deleted)
SELECT i.tenant_id, i.conversation_id, i.seq, i.version, to_timestamp(i.at_ms / 1000.0), i.week, i.user_id, i.thread, i.attached, i.text,
  with_stems(i.words, s.value), i.deleted
FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::text[], $13::boolean[])
  AS i(tenant_id, placement_epoch, conversation_id, seq, version, at_ms, week, user_id, thread, attached, text, words, deleted)
JOIN placements p ON p.tenant_id = i.tenant_id AND p.epoch = i.placement_epoch AND p.state = 'active'
LEFT JOIN search_settings s ON s.tenant_id = i.tenant_id AND s.name = 'language'
ON CONFLICT (tenant_id, conversation_id, seq) DO UPDATE SET
  version = greatest(known.version, excluded.version),
  sent_at = coalesce(known.sent_at, excluded.sent_at), week = coalesce(known.week, excluded.week),
  user_id = coalesce(known.user_id, excluded.user_id), thread = coalesce(known.thread, excluded.thread),
  attached = CASE
    WHEN CASE WHEN excluded.version > known.version THEN excluded.deleted ELSE known.deleted END THEN ''
    WHEN excluded.attached <> '' AND (known.attached = '' OR excluded.version > known.version) THEN excluded.attached
    ELSE known.attached END,
  text = CASE WHEN excluded.version > known.version THEN excluded.text ELSE known.text END,
  words = CASE WHEN excluded.version > known.version OR ($14::boolean AND excluded.version = known.version AND NOT known.deleted) THEN excluded.words ELSE known.words END,
  deleted = CASE WHEN excluded.version > known.version THEN excluded.deleted ELSE known.deleted END
WHERE excluded.version > known.version OR known.week IS NULL OR $14::boolean`

/** What entries of a conversation change, and the placement of its tenant. */
export interface IndexedConversation {
  readonly tenant: string
  readonly placementEpoch: number
  readonly conversation: string
  readonly messages: readonly IndexedMessage[]
}

/** `isAnew`: the words of messages that are known already are written again, with the stems of the language that the tenant has now. */
export function indexMessages(db: Database, conversations: readonly IndexedConversation[], isAnew = false) {
  const rows = conversations.flatMap(({ tenant, placementEpoch, conversation, messages }) =>
    messages.map((message) => ({ tenant, placementEpoch, conversation, ...message })),
  )
  return db.query(statement, [
    rows.map(({ tenant }) => tenant),
    rows.map(({ placementEpoch }) => placementEpoch),
    rows.map(({ conversation }) => conversation),
    rows.map(({ seq }) => seq),
    rows.map(({ version }) => version),
    rows.map(({ sent }) => sent?.at ?? null),
    rows.map(({ sent }) => (sent === undefined ? null : weekOf(sent.at))),
    rows.map(({ sent }) => sent?.user ?? null),
    rows.map(({ sent }) => sent?.thread ?? null),
    rows.map(({ attached }) => attached),
    rows.map(({ text }) => text),
    rows.map(({ words }) => words),
    rows.map(({ deleted }) => deleted),
    isAnew,
  ])
}

/** What the batches of conversations change in the index; each message once. */
export function indexedInBatches(batches: readonly ProjectionBatch[]): IndexedConversation[] {
  const byConversation = Map.groupBy(batches, ({ tenant, conversation, placementEpoch }) =>
    JSON.stringify([tenant, conversation, placementEpoch]),
  )
  return [...byConversation.values()].flatMap((same) => {
    const [first] = same
    if (first === undefined) return []
    const { tenant, placementEpoch, conversation } = first
    const entries = same.flatMap(({ rows }) =>
      rows.map((row) => ({ ...row, data: entryTexts?.read(row.data) ?? row.data })),
    )
    const messages = indexedIn(entries)
    return messages.length === 0 ? [] : [{ tenant, placementEpoch, conversation, messages }]
  })
}
