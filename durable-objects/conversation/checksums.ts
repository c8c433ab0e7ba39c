import { LogChecksum, propertiesChecksum, type ConversationChecksums } from '../../src/history/checksum.ts'
import type { ConversationStore } from './conversation-store.ts'

/** Entries that are hashed at one time; other calls have their turn in between. */
const entriesAtOnce = 500

/** Checksums of what a conversation has handed to Postgres and still holds itself; undefined when there is no conversation. */
export async function checksumsOf(store: ConversationStore): Promise<ConversationChecksums | undefined> {
  const { conversation, log, members, projection } = store
  if (conversation === undefined) return undefined
  const { epoch, deletedAt = null } = conversation
  const { isRebuilding, watermark: last } = projection
  const first = log.floor()
  const old = log.oldEntries()
  const properties = projection.hasProperties(conversation)
    ? await propertiesChecksum({ ...conversation, deletedAt }, [...members.all()])
    : undefined
  const checksum = new LogChecksum()
  for (let after = first - 1; after < last && !isRebuilding;) {
    const rows = log.range(after, last, entriesAtOnce)
    await checksum.add(rows.map((row) => ({ ...row, epoch })))
    after = rows.at(-1)?.seq ?? last
  }
  const { months } = checksum
  return { epoch, first, last, months, old, isRebuilding, ...(properties === undefined ? {} : { properties }) }
}
