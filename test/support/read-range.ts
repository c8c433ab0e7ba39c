import type { Database } from '../../src/adapters/neon/connect.ts'
import { primaryReader as readerOf } from '../../src/adapters/neon/read-shard.ts'
import { selectPage } from '../../src/adapters/neon/select-page.ts'
import type { SeqRange } from '../../src/events/log-of.ts'
import { decodePage } from '../../src/history/page-text.ts'
import type { Publication } from '../../src/protocol/replies.ts'

/** What a shard holds of a conversation's log, as history reads it. */
export async function readRange(
  db: Database,
  at: Parameters<typeof selectPage>[1],
  range: SeqRange,
): Promise<Publication[]> {
  const entries = decodePage((await selectPage(readerOf(db), at, range)).page, range)
  if (entries === undefined) throw new Error('the shard gave what is no page')
  return entries
}
