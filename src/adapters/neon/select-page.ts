import { z } from 'zod'
import type { LogOf, SeqRange, TimeRange } from '../../events/log-of.ts'
import type { Database } from './connect.ts'
import type { Reader } from './read-shard.ts'

/**
 * Reads the archive together with the messages, so that readers need not know where a part lies. An entry is in both
 * when it was written once more after it had been archived, which changes nothing. The page is put together here: a
 * hundred rows on the wire, each with its column names, would cost more than everything else.
 *
 * One statement instead of a transaction of four: the row-level security of the statement is opened by its first part, whose
 * row the second needs before it can begin. With the times of its entries only the months that may hold them are planned and
 * read. The placement's epoch says whether the tenant is still here.
 */
export const pageStatement = String.raw`
SELECT page, (SELECT p.epoch FROM placements p WHERE p.tenant_id = opened.tenant) AS placed
FROM (SELECT set_config('app.tenants', $1, true) AS tenant) AS opened, LATERAL (
SELECT coalesce(string_agg(concat_ws(E'\t', seq, to_json(user_id), to_json(client), body), E'\n' ORDER BY seq), '') AS page FROM (
SELECT DISTINCT ON (seq) seq, user_id, client, body FROM (
SELECT seq, user_id, client, body FROM messages
WHERE tenant_id = opened.tenant AND conversation_id = $2 AND epoch = $3 AND seq BETWEEN $4::bigint AND $5::bigint
  AND sent_at BETWEEN $6::timestamptz AND $7::timestamptz
UNION ALL
SELECT e.seq, e.user_id, e.client, e.body
FROM archive a, unnest(a.seqs, a.user_ids, a.clients, a.bodies) AS e(seq, user_id, client, body)
WHERE a.tenant_id = opened.tenant AND a.conversation_id = $2 AND a.epoch = $3
  AND a.page BETWEEN ($4::bigint - 1) / 100 AND ($5::bigint - 1) / 100 AND e.seq BETWEEN $4::bigint AND $5::bigint
) AS log) AS entries) AS pages`

const rows = z.tuple([z.object({ page: z.string(), placed: z.coerce.number().nullish() })])

/** A page as its shard has it, and the epoch of the tenant's placement there; null where the tenant was never placed. */
export interface SelectedPage {
  readonly page: string
  readonly placed?: number | null | undefined
}

const timeOf = (ms: number): string => new Date(Math.min(Math.max(ms, 0), maxTime)).toISOString()
const maxTime = 253_402_300_799_999

/**
 * Entries `first`…`last` of one conversation's log as they were stored, in the form of `history/page-text.ts`. Those of other times
 * than `times` may be left out.
 */
export async function selectPage(
  reader: Pick<Reader, 'read'>,
  at: LogOf,
  range: SeqRange,
  times?: TimeRange,
): Promise<SelectedPage> {
  const between = times === undefined ? ['-infinity', 'infinity'] : [timeOf(times.from), timeOf(times.to)]
  const params = [at.tenant, at.conversation, at.epoch, range.first, range.last, ...between]
  const [found] = await reader.read((db: Database) => [db.query(pageStatement, params)])
  return rows.parse(found)[0]
}
