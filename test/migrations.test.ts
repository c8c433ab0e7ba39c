import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPartitions } from '../src/adapters/neon/create-partitions.ts'
import { connect } from '../src/adapters/neon/connect.ts'
import { newestMigration } from '../src/adapters/neon/newest-migration.ts'
import { selectMigration } from '../src/adapters/neon/select-migration.ts'
import { loadConfig } from '../src/config.ts'
import { monthsFrom } from '../src/cron/months.ts'
import { dumpSchema } from '../local/schema-dump.ts'
import { startShardWorld, type ShardWorld } from './support/shard-world.ts'

const folder = join(import.meta.dirname, '../migrations')
let world: ShardWorld
let owner: Client
let app: Client

beforeAll(async () => {
  world = await startShardWorld()
  owner = await world.session('shard0', 'owner')
  app = await world.session('shard0', 'app')
})
afterAll(async () => await world.close())

const numbersIn = async (lineage: string) =>
  (await readdir(join(folder, lineage))).map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b)

describe('the steps', () => {
  test('are numbered without a gap, and each runs once: a second run does nothing', async () => {
    expect(world.ran).toEqual({ directory: await numbersIn('directory'), shard0: await numbersIn('shard') })
    for (const numbers of Object.values(world.ran)) expect(numbers).toEqual(numbers.map((_, index) => index + 1))
    expect(await world.migrateAgain()).toEqual({ directory: [], shard0: [] })
  })

  test('the Worker knows the newest ones, and finds them run', async () => {
    const newest = { directory: (await numbersIn('directory')).at(-1), shard: (await numbersIn('shard')).at(-1) }
    expect(newestMigration).toEqual(newest)
    const config = loadConfig(world.vars)
    expect(await selectMigration(connect(config, config.databaseUrl('DATABASE_URL_SHARD0')))).toBe(newest.shard)
    expect(await selectMigration(connect(config, config.directoryUrl))).toBe(newest.directory)
  })

  test('make exactly what migrations/schema.sql says (UPDATE_SCHEMA=1 writes it anew)', async () => {
    const directory = await dumpSchema(await world.session('directory', 'owner'))
    const truth = `-- The directory\n\n${directory}\n-- A shard\n\n${await dumpSchema(owner)}`
    const file = join(folder, 'schema.sql')
    if (process.env['UPDATE_SCHEMA'] === '1') await writeFile(file, truth)
    expect(truth).toBe(await readFile(file, 'utf8'))
  })
})

/** A message of a tenant as the owner would never write it: straight into the table. */
const insert = (tenant: string, seq: number, at: string) => ({
  text: `INSERT INTO messages (tenant_id, conversation_id, seq, sent_at, epoch, user_id, client, client_id, body)
    VALUES ($1, 'lunch', $2, $3, 'e', 'alice', '', 'c', '{}')`,
  values: [tenant, seq, at],
})

const asTenants = async <T>(session: Client, tenants: string, work: () => Promise<T>): Promise<T> => {
  await session.query('BEGIN')
  try {
    await session.query(`SELECT set_config('app.tenants', $1, true)`, [tenants])
    return await work()
  } finally {
    await session.query('COMMIT')
  }
}

const seen = async (session: Client) =>
  (await session.query<{ tenant_id: string }>('SELECT tenant_id FROM messages ORDER BY 1')).rows.map((r) => r.tenant_id)

describe('row-level security', () => {
  beforeAll(async () => {
    await asTenants(app, 'acme,globex', async () => {
      await app.query(insert('acme', 1, '2020-01-15'))
      await app.query(insert('globex', 1, '2020-01-15'))
    })
  })

  test('the Worker’s role sees nothing before it names its tenants, and then only theirs', async () => {
    expect(await seen(app)).toEqual([])
    expect(await asTenants(app, 'acme', () => seen(app))).toEqual(['acme'])
    expect(await asTenants(app, 'acme,globex', () => seen(app))).toEqual(['acme', 'globex'])
    expect(await asTenants(app, 'initech', () => seen(app))).toEqual([])
    expect(await seen(app)).toEqual([])
  })

  test('it writes for no other tenant, and changes and deletes nothing of theirs', async () => {
    await expect(asTenants(app, 'acme', () => app.query(insert('globex', 2, '2020-01-15')))).rejects.toThrow(
      /row-level security/,
    )
    const touched = await asTenants(app, 'acme', () => app.query(`UPDATE messages SET body = 'mine'`))
    expect(touched.rowCount).toBe(1)
    const gone = await asTenants(app, 'initech', () => app.query('DELETE FROM messages'))
    expect(gone.rowCount).toBe(0)
  })

  test('it reaches no partition by its own name, owns nothing and cannot switch the wall off', async () => {
    await expect(app.query('SELECT * FROM messages_default')).rejects.toThrow(/permission denied/)
    await expect(app.query('ALTER TABLE messages DISABLE ROW LEVEL SECURITY')).rejects.toThrow(/must be owner/)
    await expect(app.query('CREATE TABLE mine (id int)')).rejects.toThrow(/permission denied/)
    const { rows } = await app.query('SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user')
    expect(rows).toEqual([{ rolsuper: false, rolbypassrls: false }])
  })
})

describe('partitions', () => {
  const partitionsOf = async (seq: number) =>
    (
      await owner.query<{ place: string }>(
        `SELECT tableoid::regclass::text AS place FROM messages WHERE tenant_id = 'early' AND seq = $1`,
        [seq],
      )
    ).rows.map(({ place }) => place)

  test('rows that came before their month’s partition move into it, others stay', async () => {
    await asTenants(app, 'early', async () => {
      await app.query(insert('early', 1, '2031-03-31T23:59:59.999Z'))
      await app.query(insert('early', 2, '2031-04-01T00:00:00Z'))
    })
    expect([await partitionsOf(1), await partitionsOf(2)]).toEqual([['messages_default'], ['messages_default']])
    const config = loadConfig(world.vars)
    await createPartitions(connect(config, config.databaseUrl('DATABASE_URL_SHARD0')), ['2031-03-01'])
    expect([await partitionsOf(1), await partitionsOf(2)]).toEqual([['messages_2031_03'], ['messages_default']])
    expect(await asTenants(app, 'early', () => seen(app))).toEqual(['early', 'early'])
  })

  test('making them again changes nothing, and new rows go where they belong', async () => {
    const config = loadConfig(world.vars)
    const months = monthsFrom(Date.UTC(2031, 10, 30), 3)
    for (let time = 0; time < 2; time++)
      await createPartitions(connect(config, config.databaseUrl('DATABASE_URL_SHARD0')), months)
    await asTenants(app, 'early', () => app.query(insert('early', 3, '2032-01-01T00:00:00Z')))
    expect(months).toEqual(['2031-11-01', '2031-12-01', '2032-01-01'])
    expect(await partitionsOf(3)).toEqual(['messages_2032_01'])
  })

  test('two who make the same one at once do not stumble over each other', async () => {
    const config = loadConfig(world.vars)
    const db = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'))
    await Promise.all(Array.from({ length: 4 }, () => createPartitions(db, ['2033-01-01'])))
    await asTenants(app, 'early', () => app.query(insert('early', 4, '2033-01-31T00:00:00Z')))
    expect(await partitionsOf(4)).toEqual(['messages_2033_01'])
  })
})
