import type { Client } from 'pg'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { archiveMessages } from '../../src/adapters/neon/archive-messages.ts'
import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { createPartitions } from '../../src/adapters/neon/create-partitions.ts'
import { dropEmptyPartitions } from '../../src/adapters/neon/drop-partitions.ts'
import { placeOnShard } from '../../src/adapters/neon/placements.ts'
import { selectPlaced } from '../../src/adapters/neon/select-placed.ts'
import { writeBatches } from '../../src/adapters/neon/write-batches.ts'
import { loadConfig } from '../../src/config.ts'
import type { ProjectedRow, ProjectionBatch } from '../../src/events/projection.ts'
import { readRange } from '../support/read-range.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'

let world: ShardWorld
let shard: Database
let owner: Client

beforeAll(async () => {
  world = await startShardWorld()
  const config = loadConfig(world.vars)
  shard = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'))
  owner = await world.session('shard0', 'owner')
  await owner.query('ALTER ROLE CURRENT_USER BYPASSRLS')
})
afterAll(async () => await world.close())

const dayMs = 86_400_000
const start = Date.UTC(2026, 0, 1)
const everything = { first: 1, last: 100_000 }
const soon = start + 365 * dayMs

/** The `seq`-th message of a conversation in which one is said per day. */
const said = (seq: number, words = `words ${seq}`): ProjectedRow => {
  const at = start + (seq - 1) * dayMs
  const data = { type: 'message', id: `lunch.${seq}`, user: 'alice', at, clientId: `c${seq}`, text: words }
  return { seq, at, user: 'alice', client: 'phone', clientId: `c${seq}`, data: JSON.stringify(data) }
}

const edited = (seq: number, ref: number, text: string): ProjectedRow => ({
  ...said(seq),
  clientId: null,
  data: JSON.stringify({ type: 'message.edited', user: 'alice', at: start, ref, text }),
})

const batchOf = (tenant: string, rows: readonly ProjectedRow[], scrubbed: readonly number[] = []): ProjectionBatch => ({
  tenant,
  placementEpoch: 1,
  conversation: 'lunch',
  epoch: 'e',
  rows,
  scrubbed,
})

const run = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => said(from + n))

async function tenantWith(tenant: string, rows: readonly ProjectedRow[]): Promise<void> {
  await placeOnShard(shard, tenant, { shard: 'shard0', epoch: 1 })
  await writeBatches(shard, [batchOf(tenant, rows)])
}

const read = async (tenant: string, range = everything) =>
  await readRange(shard, { tenant, conversation: 'lunch', epoch: 'e' }, range)

const countIn = async (table: 'messages' | 'archive', tenant: string) =>
  (await owner.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table} WHERE tenant_id = $1`, [tenant])).rows[0]
    ?.n

const dayOf = (seq: number) => start + (seq - 1) * dayMs

test('history reads on through the archive as if nothing had moved', async () => {
  await tenantWith('through', [...run(1, 250), edited(251, 17, 'better')])
  const before = await read('through')
  expect(await archiveMessages(shard, 'through', dayOf(205), 100)).toBe(2)
  expect([await countIn('messages', 'through'), await countIn('archive', 'through')]).toEqual([51, 2])
  expect(await read('through')).toEqual(before)
  for (const [first, last] of [
    [1, 1],
    [99, 102],
    [150, 250],
    [200, 201],
    [101, 200],
  ] as const)
    expect(await read('through', { first, last })).toEqual(before.slice(first - 1, last))
})

test('words are kept as they were said, whatever they are', async () => {
  const rows = [said(1, 'Zoë 👩‍🍳 "quoted" {1,2} NULL \\'), said(2, 'a\u0000b'), { ...said(3), clientId: null }]
  await tenantWith('verbatim', rows)
  await archiveMessages(shard, 'verbatim', soon, 100)
  expect(await countIn('messages', 'verbatim')).toBe(0)
  expect((await read('verbatim')).map(({ data }) => data)).toEqual(rows.map(({ data }) => data))
})

test('it goes on where it was cut off, and once all is moved does nothing', async () => {
  await tenantWith('resumed', run(1, 350))
  const before = await read('resumed')
  const moves: number[] = []
  for (let n = 0; n < 6; n++) moves.push(await archiveMessages(shard, 'resumed', soon, 1))
  expect(moves).toEqual([1, 1, 1, 1, 0, 0])
  expect(await countIn('messages', 'resumed')).toBe(0)
  expect(await read('resumed')).toEqual(before)
})

test('two who archive at once move each page once', async () => {
  await tenantWith('twice', run(1, 350))
  const before = await read('twice')
  const moved = await Promise.all([1, 2, 3].map(() => archiveMessages(shard, 'twice', soon, 100)))
  expect(moved.reduce((sum, pages) => sum + pages)).toBe(4)
  expect(await read('twice')).toEqual(before)
})

test('a quiet conversation that goes on after it was archived is archived behind what is there', async () => {
  await tenantWith('quiet', run(1, 30))
  await archiveMessages(shard, 'quiet', soon, 100)
  await writeBatches(shard, [batchOf('quiet', run(31, 60))])
  const before = await read('quiet')
  await archiveMessages(shard, 'quiet', soon, 100)
  expect([await countIn('messages', 'quiet'), await countIn('archive', 'quiet')]).toEqual([0, 1])
  expect(await read('quiet')).toEqual(before)
})

test('a message that is deleted after it was archived loses its words there too, and so do its edits', async () => {
  await tenantWith('scrubbed', [...run(1, 100), said(101, 'secret'), ...run(102, 299), edited(300, 101, 'secret too')])
  await archiveMessages(shard, 'scrubbed', soon, 100)
  const [written] = await writeBatches(shard, [batchOf('scrubbed', [], [101])])
  expect(written).toMatchObject({ kind: 'written', scrubbed: expect.arrayContaining([101, 300]) })
  for (let night = 0; night < 2; night++) {
    const found = await read('scrubbed')
    expect(found.map(({ offset }) => offset)).toEqual(Array.from({ length: 300 }, (_, n) => n + 1))
    expect(JSON.stringify(found)).not.toContain('secret')
    await archiveMessages(shard, 'scrubbed', soon, 100)
  }
  expect(await countIn('messages', 'scrubbed')).toBe(0)
})

test('a deletion that comes in the middle of the archiving waits, and finds the message where it went', async () => {
  await tenantWith(
    'race',
    Array.from({ length: 60 }, (_, n) => said(n + 1, `secret ${n + 1}`)),
  )
  const holder = await world.session('shard0', 'owner')
  await holder.query('BEGIN')
  await holder.query(`SELECT 1 FROM messages WHERE tenant_id = 'race' AND seq = 60 FOR UPDATE`)
  const archiving = archiveMessages(shard, 'race', soon, 1)
  await isWaiting('INSERT INTO archive')
  const deleting = writeBatches(shard, [batchOf('race', [], [1])])
  await isWaiting('pg_advisory_xact_lock|UPDATE messages')
  await holder.query('COMMIT')
  await Promise.all([archiving, deleting])
  const [first, second] = await read('race')
  expect([first?.data.includes('secret'), second?.data.includes('secret')]).toEqual([false, true])
})

/** Waits until a statement like this waits for a lock. */
const isWaiting = (statement: string) =>
  vi.waitFor(async () => {
    const sql = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ $1`
    expect((await owner.query(sql, [statement])).rows).toHaveLength(1)
  }, 30_000)

test('another tenant’s messages, another incarnation’s and younger ones stay where they are', async () => {
  await tenantWith('mine', run(1, 20))
  await tenantWith('theirs', run(1, 20))
  await archiveMessages(shard, 'mine', soon, 100)
  expect([await countIn('messages', 'theirs'), await countIn('archive', 'theirs')]).toEqual([20, 0])
  expect(await readRange(shard, { tenant: 'mine', conversation: 'lunch', epoch: 'other' }, everything)).toEqual([])
  await archiveMessages(shard, 'theirs', dayOf(10), 100)
  expect(await countIn('messages', 'theirs')).toBe(20)
})

test('the archive is behind the second wall as messages are', async () => {
  const app = await world.session('shard0', 'app')
  expect((await app.query('SELECT * FROM archive')).rows).toEqual([])
})

test('a month’s partition goes when it is empty and over, not before', async () => {
  await createPartitions(shard, ['2019-01-01', '2019-02-01', '2019-03-01'])
  const at = Date.UTC(2019, 1, 5)
  await tenantWith('months', [{ ...said(1), at }])
  expect(await dropEmptyPartitions(shard, '2019-03-01')).toBe(1)
  expect(await dropEmptyPartitions(shard, '2019-03-01')).toBe(0)
  await archiveMessages(shard, 'months', soon, 100)
  expect(await dropEmptyPartitions(shard, '2019-03-01')).toBe(1)
  expect(await read('months')).toHaveLength(1)
  await writeBatches(shard, [batchOf('months', [], [1])])
  expect((await read('months'))[0]?.data).toMatch(/"deleted" ?: ?true/)
})

test('tenants of a shard are listed in pages', async () => {
  const all = await selectPlaced(shard, '', 1000)
  expect(all).toContain('months')
  expect(await selectPlaced(shard, all[0] ?? '', 2)).toEqual(all.slice(1, 3))
})
