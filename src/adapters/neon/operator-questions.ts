import { z } from 'zod'
import { byRank, type FoundOnShard, type Ranked } from '../../tenants/merge-answers.ts'
import type { Reader } from './read-shard.ts'
import { setTenants } from './set-tenants.ts'

/** Tenants of one transaction: row-level security shows the rows of tenants that it names, and no others. */
const tenantsTogether = 1000

/** Row-level security hides the rows of tenants from this role, so that all but tenants are the planner's estimates. */
const counts = `
SELECT (SELECT count(*) FROM placements WHERE state = 'active')::int8 AS tenants,
  pg_database_size(current_database())::int8 AS bytes,
  (SELECT greatest(coalesce(sum(c.reltuples), 0), 0) FROM pg_class c WHERE c.oid = 'conversations'::regclass)::int8 AS conversations,
  (SELECT greatest(coalesce(sum(greatest(c.reltuples, 0)), 0), 0) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
   WHERE i.inhparent = 'messages'::regclass)::int8 AS messages,
  (SELECT greatest(coalesce(sum(c.reltuples), 0), 0) FROM pg_class c WHERE c.oid = 'archive'::regclass)::int8 AS "archivedPages"`

const shardCounts = z.object({
  tenants: z.coerce.number(),
  bytes: z.coerce.number(),
  conversations: z.coerce.number(),
  messages: z.coerce.number(),
  archivedPages: z.coerce.number(),
})
export type ShardCounts = z.output<typeof shardCounts>

/** How much a shard holds. */
export async function selectCounts(reader: Reader): Promise<ShardCounts> {
  const [found] = await reader.read((db) => [db.query(counts)])
  return z.tuple([shardCounts]).parse(found)[0]
}

const pageOfPlaced = `
SELECT tenant_id FROM placements WHERE state = 'active' AND tenant_id > $1 COLLATE "C" ORDER BY tenant_id COLLATE "C" LIMIT $2`

const placedRows = z.array(z.object({ tenant_id: z.string() }))

async function placedAfter(reader: Reader, cursor: string): Promise<string[]> {
  const [found] = await reader.read((db) => [db.query(pageOfPlaced, [cursor, tenantsTogether])])
  return placedRows.parse(found).map(({ tenant_id }) => tenant_id)
}

const ofUser = `
SELECT m.tenant_id AS tenant, count(*)::int8 AS conversations FROM members m
WHERE m.tenant_id = ANY ($1::text[]) AND m.user_id = $2 GROUP BY 1 ORDER BY m.tenant_id COLLATE "C"`

const memberships = z.array(z.object({ tenant: z.string(), conversations: z.coerce.number() }))
export type Membership = z.output<typeof memberships>[number]

/** The tenants after a cursor in which a user is a member of conversations. Looks at so many tenants of the shard only. */
export async function selectMemberships(
  reader: Reader,
  user: string,
  cursor: string,
): Promise<FoundOnShard<Membership>> {
  const tenants = await placedAfter(reader, cursor)
  if (tenants.length === 0) return { found: [], upTo: null }
  const [, rows] = await reader.read((db) => [setTenants(db, tenants), db.query(ofUser, [tenants, user])])
  const isLast = tenants.length < tenantsTogether
  return { found: memberships.parse(rows), upTo: isLast ? null : (tenants.at(-1) ?? null) }
}

/** What tenants can be ranked by; connections by their highest day, all others by their sum. */
export type RankedBy = 'messages' | 'jobs' | 'connections'

const figures: Readonly<Record<RankedBy, string>> = {
  messages: 'sum(messages)',
  jobs: 'sum(jobs)',
  connections: 'max(connections_peak)',
}

const ranking = (by: RankedBy) => `
SELECT tenant_id AS tenant, total::int8 FROM (
  SELECT tenant_id, ${figures[by]} AS total FROM usage
  WHERE tenant_id = ANY ($1::text[]) AND day BETWEEN $2::date AND $3::date GROUP BY 1) AS of_tenants
WHERE total > 0 AND ($4::int8 IS NULL OR total < $4 OR (total = $4 AND tenant_id > $5 COLLATE "C"))
ORDER BY total DESC, tenant_id COLLATE "C" LIMIT $6`

const ranked = z.array(z.object({ tenant: z.string(), total: z.coerce.number() }))

/** A question for the tenants that used the most: `after` is where the last answer ended. */
export interface TopQuestion {
  readonly by: RankedBy
  readonly from: string
  readonly to: string
  readonly after: Ranked | undefined
  readonly limit: number
}

/** The highest `limit` tenants of a shard, over all its tenants. */
export async function selectTop(
  reader: Reader,
  { by, from, to, after, limit }: TopQuestion,
  isOver: () => boolean,
): Promise<Ranked[]> {
  let top: Ranked[] = []
  let tenants = await placedAfter(reader, '')
  while (tenants.length > 0) {
    if (isOver()) throw new Error('did not count all its tenants in time')
    const values = [tenants, from, to, after?.total ?? null, after?.tenant ?? '', limit]
    const [, rows] = await reader.read((db) => [setTenants(db, tenants), db.query(ranking(by), values)])
    top = [...top, ...ranked.parse(rows)].toSorted(byRank).slice(0, limit)
    tenants = tenants.length < tenantsTogether ? [] : await placedAfter(reader, tenants.at(-1) ?? '')
  }
  return top
}
