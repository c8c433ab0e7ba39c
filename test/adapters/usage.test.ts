import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { selectCounts, selectMemberships, selectTop } from '../../src/adapters/neon/operator-questions.ts'
import { archiveMessages } from '../../src/adapters/neon/archive-messages.ts'
import { primaryReader } from '../../src/adapters/neon/read-shard.ts'
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

const november = { from: '2026-11-01', to: '2026-11-30', limit: 31 }
const read = async (tenant: string) => (await selectUsage(shard, tenant, november)).days
/** Each message is two bytes. */
const day = (name: string, messages: number, jobs = 0, connectionsPeak = 0, requests = 0, commands = 0) => ({
  day: name,
  messages,
  jobs,
  connectionsPeak,
  requests,
  commands,
  messageBytes: 2 * messages,
})
const noCalls = { requests: 0, commands: 0 }
const since = startOfDay('2026-11-20')

test('messages are counted by the day they were said on, beside what actors counted', async () => {
  await say('acme', '2026-11-21T23:59:59.999Z', '2026-11-22T00:00:00.000Z', '2026-11-22T12:00:00.000Z')
  await say('globex', '2026-11-22T01:00:00.000Z')
  const counted = [{ tenant: 'acme', day: '2026-11-20', jobs: 7, connectionsPeak: 3, requests: 50, commands: 60 }]
  await rollUpUsage(shard, ['acme', 'globex'], since, counted)
  expect(await read('acme')).toEqual([day('2026-11-20', 0, 7, 3, 50, 60), day('2026-11-21', 1), day('2026-11-22', 2)])
  expect(await read('globex')).toEqual([day('2026-11-22', 1)])
  const asked = { from: '2026-11-21', to: '2026-11-22', limit: 1 }
  expect(await selectUsage(shard, 'acme', asked)).toEqual({
    days: [day('2026-11-21', 1)],
    stored: { messages: 3, bytes: 6 },
  })
})

test('counted again it is the same, and never less: not by an older view, nor once messages were archived', async () => {
  await say('again', '2026-11-20T10:00:00.000Z', '2026-11-20T11:00:00.000Z')
  const counted = (jobs: number, connectionsPeak: number) => [
    { tenant: 'again', day: '2026-11-20', jobs, connectionsPeak, ...noCalls },
  ]
  await rollUpUsage(shard, ['again'], since, counted(5, 9))
  await archiveMessages(shard, 'again', startOfDay('2026-11-21'), 10)
  await rollUpUsage(shard, ['again'], since, counted(4, 10))
  expect(await read('again')).toEqual([day('2026-11-20', 2, 5, 10)])
})

test('no counts are written for a tenant that was not named', async () => {
  const foreign = [{ tenant: 'victim', day: '2026-11-20', jobs: 1, connectionsPeak: 1, ...noCalls }]
  await expect(rollUpUsage(shard, ['mallory'], since, foreign)).rejects.toThrow(/row-level security/)
})

describe('questions of the operator', () => {
  beforeAll(async () => {
    await say('q-acme', '2026-11-22T00:00:00.000Z', '2026-11-23T00:00:00.000Z')
    await say('q-globex', '2026-11-22T01:00:00.000Z')
    await say('q-initech', '2026-11-22T02:00:00.000Z')
    const counted = [{ tenant: 'q-globex', day: '2026-11-22', jobs: 9, connectionsPeak: 4, ...noCalls }]
    await rollUpUsage(shard, ['q-acme', 'q-globex', 'q-initech'], since, counted)
    for (const tenant of ['q-acme', 'q-globex'])
      await writeBatches(shard, [
        {
          tenant,
          placementEpoch: 1,
          conversation: 'lunch',
          epoch: 'e',
          rows: [],
          scrubbed: [],
          facts: {
            type: 'group',
            name: 'Lunch',
            createdBy: 'dora',
            createdAt: 1,
            deletedAt: null,
            version: 1,
            members: [{ user: 'dora', role: 'owner', joinedAt: 1 }],
            isComplete: true,
          },
        },
      ])
  })

  test('find a user in all tenants of the shard, and nothing under another name', async () => {
    expect(await selectMemberships(primaryReader(shard), 'dora', '')).toEqual({
      found: [
        { tenant: 'q-acme', conversations: 1 },
        { tenant: 'q-globex', conversations: 1 },
      ],
      upTo: null,
    })
    expect((await selectMemberships(primaryReader(shard), 'dora', 'q-acme')).found).toHaveLength(1)
    expect((await selectMemberships(primaryReader(shard), 'nora', '')).found).toEqual([])
  })

  test('rank the tenants of the shard by what they used, from any place of the ranking', async () => {
    const days = { from: '2026-11-22', to: '2026-11-23' }
    const ask = async (by: 'messages' | 'jobs' | 'connections', after?: { tenant: string; total: number }) =>
      (await selectTop(primaryReader(shard), { by, ...days, after, limit: 100 }, () => false)).filter(({ tenant }) =>
        tenant.startsWith('q-'),
      )
    const first = { tenant: 'q-acme', total: 2 }
    const others = ['q-globex', 'q-initech'].map((tenant) => ({ tenant, total: 1 }))
    expect(await ask('messages')).toEqual([first, ...others])
    expect(await ask('messages', first)).toEqual(others)
    expect(await ask('messages', others[0])).toEqual(others.slice(1))
    expect(await ask('jobs')).toEqual([{ tenant: 'q-globex', total: 9 }])
    expect(await ask('connections')).toEqual([{ tenant: 'q-globex', total: 4 }])
    await expect(
      selectTop(primaryReader(shard), { by: 'jobs', ...days, after: undefined, limit: 1 }, () => true),
    ).rejects.toThrow('in time')
  })

  test('count the tenants of the shard, and estimate its rows', async () => {
    const owner = await world.session('shard0', 'owner')
    await owner.query('ANALYZE')
    const { rows } = await owner.query<{ n: number }>('SELECT count(*)::int AS n FROM placements')
    expect(await selectCounts(primaryReader(shard))).toEqual({
      tenants: rows[0]?.n,
      bytes: expect.any(Number),
      conversations: 2,
      messages: expect.any(Number),
      archivedPages: expect.any(Number),
    })
  })
})
