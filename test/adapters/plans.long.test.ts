import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { pageStatement } from '../../src/adapters/neon/select-page.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'
import {
  conversation,
  ofDirectory,
  ofShard,
  statementsOf,
  tenant,
  timeOf,
  type SentStatement,
} from '../support/statements.ts'

// A shard with a million messages of a thousand conversations in twelve months, and a directory of twenty thousand tenants.
let world: ShardWorld
const sessions = new Map<string, Client>()

beforeAll(async () => {
  world = await startShardWorld()
  const owner = await world.session('shard0', 'owner')
  for (let month = 1; month <= 12; month++)
    await owner.query(`SELECT create_message_partition('2025-${String(month).padStart(2, '0')}-01')`)
  await owner.query('ALTER ROLE CURRENT_USER BYPASSRLS')
  for (const filling of [
    `INSERT INTO placements SELECT 'tenant' || n, 1, 'active' FROM generate_series(1, 20000) AS n`,
    `INSERT INTO messages (tenant_id, conversation_id, seq, sent_at, epoch, user_id, client, client_id, body)
     SELECT 'tenant' || c % 10, 'c' || c, s, '2025-01-01'::timestamptz + interval '522 minutes' * s, 'e', 'alice', 'phone', 'client' || s,
       '{"type":"message","text":"words ' || s || '"}'
     FROM generate_series(1, 1000) AS s, generate_series(1, 1000) AS c`,
    `INSERT INTO archive SELECT 'tenant' || c % 10, 'c' || c, 'e', p, ARRAY[p * 100 + 1], ARRAY['2020-01-01'::timestamptz],
       ARRAY['alice'], ARRAY['phone'], ARRAY['x'], ARRAY['{}'] FROM generate_series(1000, 1049) AS p, generate_series(1, 1000) AS c`,
    `INSERT INTO conversations SELECT 'tenant' || c % 1000, 'c' || c, 'group', 'Lunch', 'e', 'alice', now(), NULL, 1
     FROM generate_series(1, 100000) AS c`,
    `INSERT INTO members SELECT 'tenant' || c % 1000, 'c' || c, 'user' || u, 'member', now(), 1
     FROM generate_series(1, 100000) AS c, generate_series(1, 5) AS u`,
    `INSERT INTO usage SELECT 'tenant' || n, '2025-01-01'::date + d, 1, 1, 1
     FROM generate_series(1, 20000) AS n, generate_series(0, 9) AS d`,
    `INSERT INTO message_search SELECT 'tenant' || c % 10, 'c' || c, s, s, '2025-01-01'::timestamptz + interval '522 minutes' * s,
       2870 + s / 2, 'alice', NULL, '', 'words', '''~words'':1', false FROM generate_series(1, 100) AS s, generate_series(1, 1000) AS c`,
    `INSERT INTO search_settings SELECT 'tenant' || n, 'filled', '{"of":"done"}' FROM generate_series(1, 20000) AS n`,
    'ANALYZE',
  ])
    await owner.query(filling)
  sessions.set('shard0', await world.session('shard0', 'app'))

  const directory = await world.session('directory', 'owner')
  await directory.query(
    `INSERT INTO tenants SELECT 'tenant' || n, 'Name', 'shard0', 1, 'active' FROM generate_series(1, 20000) AS n`,
  )
  await directory.query('ANALYZE')
  sessions.set('directory', await world.session('directory', 'app'))
}, 600_000)
afterAll(async () => await world.close())

interface Node {
  readonly 'Node Type': string
  readonly 'Relation Name'?: string | undefined
  readonly 'Index Name'?: string | undefined
  readonly 'Actual Rows'?: number | undefined
  readonly Plans?: readonly Node[] | undefined
}
const node: z.ZodType<Node> = z.lazy(() =>
  z.object({
    'Node Type': z.string(),
    'Relation Name': z.string().optional(),
    'Index Name': z.string().optional(),
    'Actual Rows': z.number().optional(),
    Plans: z.array(node).optional(),
  }),
)
const explained = z.tuple([z.object({ 'QUERY PLAN': z.tuple([z.object({ Plan: node })]) })])
const all = (plan: Node): Node[] => [plan, ...(plan.Plans ?? []).flatMap(all)]

/** The nodes of a plan: `custom` for these parameters, `generic` for any, as a pooled connection may come to use. */
async function planOf(database: string, { query, params }: SentStatement, mode: 'custom' | 'generic'): Promise<Node[]> {
  const app = sessions.get(database)
  if (app === undefined) throw new Error(database)
  await app.query('BEGIN')
  try {
    await app.query(`SELECT set_config('app.tenants', $1, true)`, [tenant])
    const { rows } =
      mode === 'custom'
        ? await app.query(`EXPLAIN (FORMAT JSON) ${query}`, [...params])
        : await app.query(`EXPLAIN (FORMAT JSON, GENERIC_PLAN) ${query}`)
    return all(explained.parse(rows)[0]['QUERY PLAN'][0].Plan)
  } finally {
    await app.query('ROLLBACK')
  }
}

const hasPlan = ({ query }: SentStatement) => /^\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b/.test(query)

/** Tables that are small or empty whatever the shard holds. */
const small = new Set(['messages_default', 'schema_migrations', 'moves', 'move_notes'])

/** A count of all rows reads all rows: one for each tenant of the shard. */
const countsAllRows = (of: string, table: string) => of === 'selectCounts' && table === 'placements'

describe.each([
  ['shard0', ofShard],
  ['directory', ofDirectory],
] as const)('every statement sent to %s', (database, uses) => {
  test.each(['custom', 'generic'] as const)('is planned without a sequential scan: %s plan', async (mode) => {
    const scans: string[] = []
    for (const sent of (await statementsOf(uses)).filter(hasPlan))
      for (const each of await planOf(database, sent, mode)) {
        const table = each['Relation Name'] ?? ''
        if (each['Node Type'] !== 'Seq Scan' || small.has(table) || table.startsWith('pg_')) continue
        if (!countsAllRows(sent.of, table)) scans.push(`${sent.of}: ${table}: ${sent.query.trim().slice(0, 50)}`)
      }
    expect([...new Set(scans)]).toEqual([])
  })
})

describe('a page of old history', () => {
  const page = async (params: readonly unknown[]) => {
    const app = sessions.get('shard0')
    if (app === undefined) throw new Error('no session')
    const { rows } = await app.query(pageStatement, [...params])
    return z.tuple([z.object({ page: z.string(), placed: z.coerce.number() })]).parse(rows)[0]
  }
  const seqsIn = (text: string) => text.split('\n').map((line) => Number.parseInt(line, 10))
  const hundred = Array.from({ length: 100 }, (_, n) => 201 + n)
  const at = (seq: number) => new Date(timeOf(seq)).toISOString()

  test('is read from the months that may hold it, by the index of messages, and from no other', async () => {
    const [sent] = (await statementsOf(ofShard)).filter(({ of }) => of === 'selectPage')
    if (sent === undefined) throw new Error('no statement')
    const nodes = await planOf('shard0', sent, 'custom')
    const scanned = nodes.map((each) => each['Relation Name'] ?? '').filter((name) => name.startsWith('messages_2025'))
    // A page of 36 days and a day on either side.
    expect([...new Set(scanned)].toSorted()).toEqual(['messages_2025_03', 'messages_2025_04'])
    const without = { ...sent, params: [...sent.params.slice(0, 5), '-infinity', 'infinity'] }
    const everywhere = (await planOf('shard0', without, 'custom')).map((each) => each['Relation Name'] ?? '')
    expect(new Set(everywhere.filter((name) => name.startsWith('messages_2025'))).size).toBe(12)
    const indexes = nodes.flatMap((each) => each['Index Name'] ?? [])
    expect(indexes).toEqual(expect.arrayContaining(['archive_pkey', 'placements_pkey']))
    expect(indexes.some((name) => /^messages_2025_03_(?:pkey|tenant_id)/.test(name))).toBe(true)
  })

  test('is the same with and without the times of its entries, for one tenant alone, and leaves nothing open', async () => {
    const of = ['tenant7', conversation, 'e', 201, 300]
    const pruned = await page([...of, at(201), at(300)])
    expect([seqsIn(pruned.page), pruned.placed]).toEqual([hundred, 1])
    expect(await page([...of, '-infinity', 'infinity'])).toEqual(pruned)
    expect(await page(['tenant8', conversation, 'e', 1, 100, '-infinity', 'infinity'])).toEqual({ page: '', placed: 1 })
    const { rows = [] } = (await sessions.get('shard0')?.query('SELECT count(*)::int AS seen FROM messages')) ?? {}
    expect(rows).toEqual([{ seen: 0 }])
  })
})

test('usage is counted from the months since the given day, and whole pages are archived by index', async () => {
  const sent = await statementsOf(ofShard)
  const counting = sent.find(({ of, query }) => of === 'rollUpUsage' && query.includes('FROM messages'))
  const moving = sent.find(({ of, query }) => of === 'archiveMessages' && query.includes('INTO archive'))
  if (counting === undefined || moving === undefined) throw new Error('no statement')
  const scanned = (await planOf('shard0', counting, 'custom')).map((each) => each['Relation Name'] ?? '')
  expect([...new Set(scanned.filter((name) => name.startsWith('messages_2025')))]).toEqual(['messages_2025_12'])
  const old = (await planOf('shard0', moving, 'custom')).filter((each) => each['Node Type'].includes('Scan'))
  expect(old.every((each) => each['Node Type'] !== 'Seq Scan' || small.has(each['Relation Name'] ?? ''))).toBe(true)
})
