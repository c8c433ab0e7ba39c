import type { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { placeOnShard } from '../../src/adapters/neon/placements.ts'
import { readChoices, readShard, type Reader } from '../../src/adapters/neon/read-shard.ts'
import { describePrimary } from '../../src/adapters/neon/replica-state.ts'
import { selectPage } from '../../src/adapters/neon/select-page.ts'
import { shardsChanged } from '../../src/adapters/neon/shards.ts'
import { writeBatches } from '../../src/adapters/neon/write-batches.ts'
import { loadConfig } from '../../src/config.ts'
import type { ProjectedRow } from '../../src/events/projection.ts'
import { countEntries } from '../../src/history/page-text.ts'
import { encrypt } from '../../src/kernel/encryption.ts'
import { replicaContext } from '../../src/tenants/replicas.ts'
import type { ShardRegistry } from '../../src/tenants/shard-cache.ts'
import type { StoredReplica } from '../../src/tenants/shards.ts'
import { replicaHost, startShardWorld, type ShardWorld } from '../support/shard-world.ts'

// Real streaming replication: one primary with a shard, and a standby whose replay is paused and resumed.
let world: ShardWorld
let config: ReturnType<typeof loadConfig>
let shard: Database
let standby: Client
let registry: ShardRegistry
let list: StoredReplica[] = []
let version = 0

const keys = 'k1:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA='
const urlAt = (host: string) => `postgresql://parley_app:secret@${host}/shard0`

beforeAll(async () => {
  world = await startShardWorld({ replica: true })
  config = loadConfig({ ...world.vars, SHARDS: 'shard0', ENCRYPTION_KEYS: keys })
  shard = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'))
  standby = await world.onReplica('shard0')
  await placeOnShard(shard, 'acme', { shard: 'shard0', epoch: 1 })
  registry = {
    shards: async () => ({ version, shards: [], schemas: { shard0: 99 }, replicas: { shard0: list } }),
    noteShardSchema: async () => undefined,
  }
})
afterAll(async () => await world.close())
beforeEach(() => replicasAre([replica('r1')]))

function replicasAre(replicas: StoredReplica[]): void {
  list = replicas
  shardsChanged(++version)
}

let system = ''
const replica = (name: string, more: Partial<StoredReplica> = {}): StoredReplica => ({
  name,
  connection: connections.get(name) ?? { kind: 'secret', variable: 'DATABASE_URL_ABSENT' },
  weight: 1,
  state: 'active',
  system,
  from: '1 0/0',
  ...more,
})
const connections = new Map<string, StoredReplica['connection']>()
async function replicaAt(name: string, host: string): Promise<void> {
  const text = await encrypt(config.encryptionKeys, urlAt(host), replicaContext('shard0', name))
  connections.set(name, { kind: 'encrypted', text })
}
beforeAll(async () => {
  await replicaAt('r1', replicaHost)
  await replicaAt('primary', 'shard0.local')
  await replicaAt('gone', 'nowhere.local')
  ;({ system } = await describePrimary(shard))
})

const rowAt = (seq: number, text = `words ${seq}`): ProjectedRow => ({
  seq,
  at: Date.UTC(2026, 10, 22) + seq,
  user: 'alice',
  client: 'phone',
  clientId: null,
  data: JSON.stringify({ type: 'message', text }),
})

let seq = 0
const log = { tenant: 'acme', conversation: 'lunch', epoch: 'e' }

/** Writes one more message; returns the position that the shard writer hands on. */
async function write(): Promise<string> {
  const batch = { ...log, placementEpoch: 1, rows: [rowAt(++seq)], scrubbed: [] }
  const [answer] = await writeBatches(shard, [batch])
  return z.object({ position: z.string() }).parse(answer).position
}

const count = async (reader: Reader) => {
  const { page } = await selectPage(reader, log, { first: 1, last: 10_000 })
  return { entries: countEntries(page), from: reader.from }
}
const read = (position: string | undefined) =>
  readShard(config, registry, 'shard0', { position, deadlineMs: 5000 }, count)

const pause = () => standby.query('SELECT pg_wal_replay_pause()')
const isPaused = async () =>
  await expect
    .poll(
      async () =>
        (await standby.query<{ state: string }>('SELECT pg_get_wal_replay_pause_state() AS state')).rows[0]?.state,
    )
    .toBe('paused')
const resume = () => standby.query('SELECT pg_wal_replay_resume()')
const hasReplayed = async (position: string) => {
  const [, lsn] = position.split(' ')
  await expect
    .poll(async () => (await standby.query('SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS has', [lsn])).rows)
    .toEqual([{ has: true }])
}

describe('a read that must see a write', () => {
  test('comes from the replica once that has replayed it, and from the primary before', async () => {
    const before = await write()
    await hasReplayed(before)
    expect(await read(before)).toEqual({ entries: seq, from: 'replica' })
    await pause()
    await isPaused()
    const after = await write()
    expect(await read(after)).toEqual({ entries: seq, from: 'primary' })
    // What a reader of before must see is still there.
    expect(await read(before)).toEqual({ entries: seq - 1, from: 'replica' })
    await resume()
    await hasReplayed(after)
    await expect.poll(async () => (await read(after)).from).toBe('replica')
    expect(await read(after)).toEqual({ entries: seq, from: 'replica' })
  })

  test('never shows less than an earlier answer to the same reader, whatever replay does', async () => {
    let position = await write()
    let shown = 0
    const froms = new Set<string>()
    for (let round = 0; round < 40; round++) {
      if (round % 8 === 2) await pause()
      if (round % 8 === 6) await resume()
      position = await write()
      for (let again = 0; again < 3; again++) {
        const { entries, from } = await read(position)
        froms.add(from)
        expect(entries).toBe(seq)
        expect(entries).toBeGreaterThanOrEqual(shown)
        shown = entries
      }
    }
    await resume()
    await hasReplayed(position)
    await expect.poll(async () => (await read(position)).from).toBe('replica')
    expect(froms).toContain('primary')
  })

  test('goes to the primary when it does not know the position of its write', async () => {
    await write()
    expect(await read(undefined)).toEqual({ entries: seq, from: 'primary' })
    expect(await read('nonsense')).toEqual({ entries: seq, from: 'primary' })
    expect(readChoices().get('shard0')?.unknown).toBeGreaterThan(1)
  })
})

describe('texts that are neither a position of a write nor a check of a read', () => {
  test('a position taken within the transaction is replayed before the transaction shows', async () => {
    const owner = await world.session('shard0', 'owner')
    await owner.query('ALTER ROLE CURRENT_USER BYPASSRLS')
    await owner.query('BEGIN')
    await owner.query(`INSERT INTO messages (tenant_id, conversation_id, seq, sent_at, epoch, user_id, client, client_id, body)
      VALUES ('acme', 'within', 1, now(), 'e', 'alice', 'phone', NULL, '{}')`)
    const { rows } = await owner.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn')
    const within = `1 ${rows[0]?.lsn ?? ''}`
    // Another write has the log sent.
    await hasReplayed(await write())
    const seen = await readShard(config, registry, 'shard0', { position: within, deadlineMs: 5000 }, async (reader) => {
      const at = { ...log, conversation: 'within' }
      return { entries: countEntries((await selectPage(reader, at, { first: 1, last: 9 })).page), from: reader.from }
    })
    expect(seen).toEqual({ entries: 0, from: 'replica' })
    await owner.query('COMMIT')
  })

  test('a check within the statement that reads passes for a snapshot that is older', async () => {
    const before = await write()
    await hasReplayed(before)
    await pause()
    await isPaused()
    const [, lsn] = (await write()).split(' ')
    const app = await world.onReplica('shard0')
    // The snapshot is taken as the statement begins, and the function called when what was written is replayed meanwhile.
    const asking = app.query(
      `WITH waited AS MATERIALIZED (SELECT pg_sleep(1)) SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS passes,
         (SELECT count(*)::int FROM messages WHERE tenant_id = 'acme' AND conversation_id = 'lunch') AS entries FROM waited`,
      [lsn],
    )
    await expect
      .poll(async () => (await standby.query(`SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'`)).rowCount)
      .toBe(1)
    await resume()
    expect((await asking).rows).toEqual([{ passes: true, entries: seq - 1 }])
  })
})

describe('a replica that is none', () => {
  const fromPrimary = () => ({ entries: seq, from: 'primary' })
  const choice = (name: 'not-yet' | 'failed' | 'none' | 'behind') => readChoices().get('shard0')?.[name] ?? 0

  test('since it takes writes: the shard itself answers, and it is not asked again for a while', async () => {
    replicasAre([replica('primary')])
    const position = await write()
    const [notYet, failed] = [choice('not-yet'), choice('failed')]
    expect(await read(position)).toEqual(fromPrimary())
    expect(await read(position)).toEqual(fromPrimary())
    expect([choice('not-yet'), choice('failed')]).toEqual([notYet + 1, failed + 1])
  })

  test('since it is one of another database, or of an older timeline', async () => {
    replicasAre([replica('r1', { system: '1' })])
    const position = await write()
    await hasReplayed(position)
    const notYet = choice('not-yet')
    expect(await read(position)).toEqual(fromPrimary())
    expect(choice('not-yet')).toBe(notYet + 1)
    replicasAre([replica('r1')])
    const [, lsn = ''] = position.split(' ')
    expect(await read(`2 ${lsn}`)).toEqual(fromPrimary())
  })

  test('since it lacks what was there when it was registered', async () => {
    const position = await write()
    await hasReplayed(position)
    replicasAre([replica('r1', { from: '1 FFFF/0' })])
    expect(await read(position)).toEqual(fromPrimary())
  })

  test('since it is gone: the shard answers, and the replica is left alone', async () => {
    replicasAre([replica('gone')])
    const position = await write()
    const failed = choice('failed')
    for (let again = 0; again < 5; again++) expect(await read(position)).toEqual(fromPrimary())
    expect(choice('failed')).toBe(failed + 5)
  })

  test('since it is paused', async () => {
    replicasAre([replica('r1', { state: 'paused' })])
    const none = choice('none')
    expect(await read(await write())).toEqual(fromPrimary())
    expect(choice('none')).toBe(none + 1)
  })
})
