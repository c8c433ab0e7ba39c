import type { Database } from '../../src/adapters/neon/connect.ts'
import { selectPage } from '../../src/adapters/neon/select-page.ts'
import type { SeqRange } from '../../src/history/page.ts'
import { decodePage } from '../../src/history/page-text.ts'
import type { Publication } from '../../src/protocol/replies.ts'

/** What a shard holds of a conversation's log, as history reads it. */
export async function readRange(
  db: Database,
  at: Parameters<typeof selectPage>[1],
  range: SeqRange,
): Promise<Publication[]> {
  const entries = decodePage(await selectPage(db, at, range), range)
  if (entries === undefined) throw new Error('the shard gave what is no page')
  return entries
}
