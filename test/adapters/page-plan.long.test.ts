import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { pageStatement } from '../../src/adapters/neon/select-page.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'

// A shard with a million messages of a thousand conversations in twelve months.
let world: ShardWorld
let app: Client

beforeAll(async () => {
  world = await startShardWorld()
  const owner = await world.session('shard0', 'owner')
  for (let month = 1; month <= 12; month++)
    await owner.query(`SELECT create_message_partition('2025-${String(month).padStart(2, '0')}-01')`)
  await owner.query('ALTER ROLE CURRENT_USER BYPASSRLS')
  await owner.query(`
    INSERT INTO messages (tenant_id, conversation_id, seq, sent_at, epoch, user_id, client, client_id, body)
    SELECT 'tenant' || c % 10, 'c' || c, s, '2025-01-01'::timestamptz + interval '522 minutes' * s, 'e', 'alice', 'phone', NULL,
      '{"type":"message","text":"words ' || s || '"}'
    FROM generate_series(1, 1000) AS s, generate_series(1, 1000) AS c`)
  await owner.query('ANALYZE messages')
  app = await world.session('shard0', 'app')
})
afterAll(async () => await world.close())

const page = (first: number) => ['tenant7', 'c7', 'e', first, first + 99]

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

test('a page of a million messages is read by index alone, and opens the security of its statement before it reads', async () => {
  // A plan for any values, as a pooled connection may come to use, and one for these.
  for (const mode of ['force_generic_plan', 'force_custom_plan']) {
    await app.query(`SET plan_cache_mode = ${mode}`)
    const { rows } = await app.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${pageStatement}`, page(201))
    const nodes = all(explained.parse(rows)[0]['QUERY PLAN'][0].Plan)
    const scans = nodes.filter((each) => each['Relation Name']?.startsWith('messages_2025') === true)
    expect(scans.length).toBeGreaterThan(0)
    expect(
      nodes.filter((each) => each['Node Type'] === 'Seq Scan' && each['Relation Name'] !== 'messages_default'),
    ).toEqual([])
    for (const scan of scans.filter(({ 'Actual Rows': count = 0 }) => count > 0))
      expect(scan['Node Type']).toMatch(/^(?:Bitmap Heap Scan|Index Scan|Index Only Scan)$/)

    const { rows: found } = await app.query(pageStatement, page(201))
    expect(
      String(found[0].page)
        .split('\n')
        .map((line) => Number.parseInt(line, 10)),
    ).toEqual(Array.from({ length: 100 }, (_, n) => 201 + n))
  }
})

test('a page of another tenant is empty, and the statement leaves nothing open behind it', async () => {
  const { rows } = await app.query(pageStatement, ['tenant8', 'c7', 'e', 1, 100])
  expect(rows).toEqual([{ page: '' }])
  await app.query(pageStatement, page(1))
  expect((await app.query('SELECT count(*)::int AS seen FROM messages')).rows).toEqual([{ seen: 0 }])
})
