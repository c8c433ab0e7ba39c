import { projectedProperties } from '../../src/conversations/projected-properties.ts'
import { LogChecksum, propertiesChecksum, type ConversationChecksums } from '../../src/history/checksum.ts'
import type { ConversationStore } from './conversation-store.ts'

/** Entries that are hashed at one time; other calls have their turn in between. */
const entriesAtOnce = 500

/** Checksums of what a conversation has handed to Postgres and still holds itself; undefined when there is no conversation. */
export async function checksumsOf(
  store: ConversationStore,
  sql: SqlStorage,
): Promise<ConversationChecksums | undefined> {
  const { conversation, log, members, projection } = store
  if (conversation === undefined) return undefined
  const { epoch, deletedAt = null } = conversation
  const { isRebuilding, watermark: last } = projection
  const first = log.floor()
  const old = oldEntries(sql, first)
  const properties = projection.hasProperties(conversation)
    ? await propertiesChecksum({ ...conversation, deletedAt, properties: projectedProperties(conversation) }, [
        ...members.all(),
      ])
    : undefined
  const checksum = new LogChecksum()
  // What is being replaced is compared afterwards.
  for (let after = isRebuilding ? last : first - 1; after < last;) {
    const rows = log.range(after, last, entriesAtOnce)
    await checksum.add(rows.map((row) => ({ ...row, epoch })))
    after = rows.at(-1)?.seq ?? last
  }
  const { months } = checksum
  return { epoch, first, last, months, old, isRebuilding, ...(properties === undefined ? {} : { properties }) }
}

/** How many entries came before seq `first`: those of this log, not of one that was deleted before it under the same id. */
function oldEntries(sql: SqlStorage, first: number): number {
  const oldest = sql
    .exec<{ seq: number; number: number | null; client_id: string | null }>(
      'SELECT seq, number, client_id FROM messages WHERE seq < ? ORDER BY seq LIMIT 1',
      first,
    )
    .toArray()[0]
  if (oldest === undefined) return 0
  // Of a deleted log its last entry is left, without anything in it.
  const isOfDeletedLog = oldest.seq > 1 && oldest.number === 0 && oldest.client_id === null
  return first - oldest.seq - (isOfDeletedLog ? 1 : 0)
}
