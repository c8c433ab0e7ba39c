import { NeonDbError } from '@neondatabase/serverless'
import { z } from 'zod'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { systemClock } from '../../kernel/clock.ts'
import { movePosition } from '../../tenants/replicas.ts'
import type { Database, Statement } from './connect.ts'

/**
 * Where the log of a primary ends now. All that committed before is at or below it, also with `synchronous_commit = off`, with
 * which a commit is visible before it is written: `pg_current_wal_lsn` would not have it yet.
 */
const positionStatement = `
SELECT lsn::text AS lsn, file_name AS file, file_offset AS offset
FROM (SELECT pg_current_wal_insert_lsn() AS lsn) AS now, pg_walfile_name_offset(lsn)`

/**
 * Ends the transaction of a write and begins another. A position that is taken before the commit does not have the record of
 * that commit, and a replica at that position does not show the write; after it, in the same round trip, it does.
 */
const commitStatement = 'COMMIT AND CHAIN'

const rows = z.tuple([z.object({ lsn: z.string(), file: z.string(), offset: z.coerce.number() })])

/** Bytes of a page of the log, and of the headers of a page and of the first one of a file. */
const log = { page: 8192, header: 24, fileHeader: 40 }

/** The position in the rows of a statement of `askPosition`; undefined when there is none. */
function positionIn(found: unknown): string | undefined {
  const row = rows.safeParse(found).data?.[0]
  if (row === undefined) return undefined
  const timeline = Number.parseInt(row.file.slice(0, 8), 16)
  return movePosition(`${timeline} ${row.lsn}`, -headerBefore(row.offset))
}

/**
 * The insert position may be behind the header of a page that holds nothing yet, where a replica that has replayed everything
 * is before it. No record ends right behind a header.
 */
function headerBefore(offset: number): number {
  if (offset === log.fileHeader) return log.fileHeader
  return offset > log.page && offset % log.page === log.header ? log.header : 0
}

const askPosition = (db: Database) => db.query(positionStatement)

/** Where the log of a primary is now. Throws when it says none. */
export async function selectPosition(db: Database): Promise<string> {
  const position = positionIn(await askPosition(db))
  if (position === undefined) throw new Error('the database names no position in its log')
  return position
}

/** SQLSTATEs of a database that has no such functions, or does not let the role call them. */
const withoutPositions = new Set(['0A000', '42501', '42883', '55000'])
const withoutForMs = 600_000
/** Databases that were found to name no position, and until when they are not asked. */
const silentUntil = new BoundedMap<string, number>(256)

/**
 * Runs the statements of a write in one transaction. Returns their rows, and a position that is behind the commit; undefined when
 * the database names none, which is then not asked for some minutes. `shard` names the database.
 */
export async function writeWithPosition(
  db: Database,
  shard: string,
  statements: () => readonly Statement[],
): Promise<{ readonly results: readonly unknown[]; readonly position: string | undefined }> {
  const write = async (more: readonly Statement[]) => await db.transaction([...statements(), ...more])
  if (systemClock.now() < (silentUntil.get(shard) ?? 0)) return { results: await write([]), position: undefined }
  try {
    const results = await write([db.query(commitStatement), askPosition(db)])
    return { results: results.slice(0, -2), position: positionIn(results.at(-1)) }
  } catch (thrown) {
    if (!(thrown instanceof NeonDbError) || !withoutPositions.has(thrown.code ?? '')) throw thrown
    // What was refused may be the write itself: without the position its own error is thrown.
    const results = await write([])
    silentUntil.set(shard, systemClock.now() + withoutForMs)
    return { results, position: undefined }
  }
}
