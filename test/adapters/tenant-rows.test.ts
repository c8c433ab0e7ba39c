import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from 'pg'
import { connect, type Database } from '../../src/adapters/neon/connect.ts'
import { countRows, deleteRows, refuseRows, selectNames } from '../../src/adapters/neon/tenant-rows.ts'
import { loadConfig } from '../../src/config.ts'
import { tenantTables } from '../../src/tenants/stores.ts'
import { startShardWorld, type ShardWorld } from '../support/shard-world.ts'

let world: ShardWorld
let shard: Database
let directory: Database
let owner: Client

const table = (name: string) => {
  const found = tenantTables.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no table ${name}`)
  return found
}

/** Rows of every table of a shard. */
async function fill(tenant: string, conversations: number): Promise<void> {
  await owner.query(`INSERT INTO placements VALUES ($1, 1, 'active')`, [tenant])
  await owner.query(
    `INSERT INTO conversations SELECT $1, 'c' || lpad(n::text, 4, '0'), 'group', 'x', 'e', 'u', now(), NULL, 1 FROM generate_series(1, $2::int) n`,
    [tenant, conversations],
  )
  await owner.query(
    `INSERT INTO members SELECT $1, 'c' || lpad(n::text, 4, '0'), 'u' || m, 'member', now(), 1 FROM generate_series(1, $2::int) n, generate_series(1, 3) m`,
    [tenant, conversations],
  )
  await owner.query(
    `INSERT INTO messages SELECT $1, 'c' || lpad(n::text, 4, '0'), s, '2026-11-01'::timestamptz + s * interval '1 millisecond', 'e', 'u1', 'c', 'k', '{}'
     FROM generate_series(1, $2::int) n, generate_series(1, 10) s`,
    [tenant, conversations],
  )
  await owner.query(
    `INSERT INTO archive SELECT $1, 'c' || lpad(n::text, 4, '0'), 'e', 0, '{1}', '{now}', '{u}', '{c}', '{k}', '{x}' FROM generate_series(1, $2::int) n`,
    [tenant, conversations],
  )
  await owner.query(
    `INSERT INTO message_search SELECT $1, 'c' || lpad(n::text, 4, '0'), 1, 1, '2026-11-01'::timestamptz, 2900, 'u1', NULL, '', 'x', '''~x'':1', false FROM generate_series(1, $2::int) n`,
    [tenant, conversations],
  )
  await owner.query(`INSERT INTO search_settings VALUES ($1, 'language', 'english')`, [tenant])
  await owner.query(`INSERT INTO moves VALUES ($1, 'closed', 1)`, [tenant])
  await owner.query(
    `INSERT INTO move_notes (tenant_id, of_table, key) SELECT $1, 'usage', '{}' FROM generate_series(1, $2::int)`,
    [tenant, conversations],
  )
  await owner.query(`INSERT INTO usage SELECT $1, '2026-11-01'::date + n, 1, 1, 1 FROM generate_series(1, 40) n`, [
    tenant,
  ])
}

beforeAll(async () => {
  world = await startShardWorld()
  const config = loadConfig(world.vars)
  shard = connect(config, config.databaseUrl('DATABASE_URL_SHARD0'))
  directory = connect(config, config.directoryUrl)
  owner = await world.session('shard0', 'owner')
  await owner.query('ALTER TABLE messages DISABLE ROW LEVEL SECURITY')
  for (const { name, database } of tenantTables)
    if (database === 'shard') await owner.query(`ALTER TABLE ${name} NO FORCE ROW LEVEL SECURITY`)
  await fill('acme', 250)
  await fill('beta', 3)
})
afterAll(async () => await world.close())

describe('the rows of a deleted tenant', () => {
  test('are refused from the moment it is fenced', async () => {
    await refuseRows(shard, 'acme')
    const { rows } = await owner.query('SELECT tenant_id, state FROM placements ORDER BY 1')
    expect(rows).toEqual([
      { tenant_id: 'acme', state: 'gone' },
      { tenant_id: 'beta', state: 'active' },
    ])
  })

  test('name the conversations and users whose actors are erased, page by page', async () => {
    const first = await selectNames(shard, 'conversations', 'acme', { after: '', limit: 200 })
    const rest = await selectNames(shard, 'conversations', 'acme', { after: first.at(-1) ?? '', limit: 200 })
    expect([first.length, rest.length, rest.at(-1)]).toEqual([200, 50, 'c0250'])
    expect(await selectNames(shard, 'users', 'acme', { after: '', limit: 10 })).toEqual(['u1', 'u2', 'u3'])
  })

  test.each(tenantTables.filter(({ database }) => database === 'shard').map(({ name }) => name))(
    'go from %s in pages by its key, each row once, and those of other tenants stay',
    async (name) => {
      const [all, others] = [await countRows(shard, name, 'acme'), await countRows(shard, name, 'beta')]
      expect(all).toBeGreaterThan(0)
      let deleted = 0
      let after: readonly string[] | null = null
      do {
        const page = await deleteRows(shard, table(name), 'acme', { after, limit: 100 })
        expect(page.deleted).toBeLessThanOrEqual(100)
        deleted += page.deleted
        after = page.last
      } while (after !== null)
      expect(deleted).toBe(all)
      expect(await countRows(shard, name, 'acme')).toBe(0)
      expect(await countRows(shard, name, 'beta')).toBe(others)
      expect(await deleteRows(shard, table(name), 'acme', { after: null, limit: 100 })).toEqual({
        deleted: 0,
        last: null,
      })
    },
  )

  test('and its line of the directory', async () => {
    const session = await world.session('directory', 'owner')
    await session.query(
      `INSERT INTO tenants VALUES ('acme', 'Acme', 'shard0', 1, 'deleting'), ('beta', 'B', 'shard0', 1, 'active')`,
    )
    expect(await deleteRows(directory, table('tenants'), 'acme', { after: null, limit: 1 })).toEqual({
      deleted: 1,
      last: null,
    })
    expect(await countRows(directory, 'tenants', 'beta')).toBe(1)
  })
})
