import { afterAll, beforeAll, expect, test } from 'vitest'
import { archiveMessages } from '../../src/adapters/neon/archive-messages.ts'
import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { placeOnShard } from '../../src/adapters/neon/placements.ts'
import { rollUpUsage, selectUsage } from '../../src/adapters/neon/usage.ts'
import { writeBatches } from '../../src/adapters/neon/write-batches.ts'
import { loadConfig } from '../../src/config.ts'
import type { ProjectedRow } from '../../src/events/projection.ts'
import { startOfDay } from '../../src/kernel/day.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'

let world: ShardWorld
let shard: Database

beforeAll(async () => {
  world = await startShardWorld()
  const config = loadConfig(world.vars)
  shard = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'))
})
afterAll(async () => await world.close())

/** Messages said at these moments, `2026-11-21T23:59:59.999Z`, and one entry that is no message beside each. */
async function say(tenant: string, ...moments: string[]): Promise<void> {
  await placeOnShard(shard, tenant, { shard: 'shard0', epoch: 1 })
  const row = (seq: number, at: number, clientId: string | null): ProjectedRow => ({
    seq,
    at,
    user: 'alice',
    client: '',
    clientId,
    data: '{}',
  })
  const rows = moments.flatMap((moment, n) => [
    row(2 * n + 1, Date.parse(moment), `c${n}`),
    row(2 * n + 2, Date.parse(moment), null),
  ])
  const facts = { tenant, placementEpoch: 1, conversation: 'lunch', epoch: 'e', scrubbed: [] }
  await writeBatches(shard, [{ ...facts, rows }])
}

const read = (tenant: string) => selectUsage(shard, tenant, '2026-11-01', '2026-11-30')
const day = (name: string, messages: number, jobs = 0, connectionsPeak = 0) => ({
  day: name,
  messages,
  jobs,
  connectionsPeak,
})
const since = startOfDay('2026-11-20')

test('messages are counted by the day they were said on, beside what actors counted', async () => {
  await say('acme', '2026-11-21T23:59:59.999Z', '2026-11-22T00:00:00.000Z', '2026-11-22T12:00:00.000Z')
  await say('globex', '2026-11-22T01:00:00.000Z')
  const counted = [{ tenant: 'acme', day: '2026-11-20', jobs: 7, connectionsPeak: 3 }]
  await rollUpUsage(shard, ['acme', 'globex'], since, counted)
  expect(await read('acme')).toEqual([day('2026-11-20', 0, 7, 3), day('2026-11-21', 1), day('2026-11-22', 2)])
  expect(await read('globex')).toEqual([day('2026-11-22', 1)])
  expect(await selectUsage(shard, 'acme', '2026-11-21', '2026-11-21')).toEqual([day('2026-11-21', 1)])
})

test('counted again it is the same, and never less: not by an older view, nor once messages were archived', async () => {
  await say('again', '2026-11-20T10:00:00.000Z', '2026-11-20T11:00:00.000Z')
  const counted = (jobs: number, connectionsPeak: number) => [
    { tenant: 'again', day: '2026-11-20', jobs, connectionsPeak },
  ]
  await rollUpUsage(shard, ['again'], since, counted(5, 9))
  await archiveMessages(shard, 'again', startOfDay('2026-11-21'), 10)
  await rollUpUsage(shard, ['again'], since, counted(4, 10))
  expect(await read('again')).toEqual([day('2026-11-20', 2, 5, 10)])
})

test('no counts are written for a tenant that was not named', async () => {
  const foreign = [{ tenant: 'victim', day: '2026-11-20', jobs: 1, connectionsPeak: 1 }]
  await expect(rollUpUsage(shard, ['mallory'], since, foreign)).rejects.toThrow(/row-level security/)
})
