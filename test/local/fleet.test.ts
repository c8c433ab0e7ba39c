import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { inspectFleet, migrateFleet, readFleet, ringsOf, type FleetDatabase } from '../../local/fleet.ts'
import { driftOf, dueSteps, ensureAppRole, migrate } from '../../local/migrate.ts'
import { startPostgres, type Postgres } from '../../local/postgres/start.ts'
import { dumpSchema, schemaDrift } from '../../local/schema-dump.ts'
import { newestMigration } from '../../src/adapters/neon/newest-migration.ts'
import { placeTenant } from '../../src/tenants/placement.ts'

const root = join(import.meta.dirname, '../..')
const shards = Array.from({ length: 8 }, (_, number) => `shard${number}`)
const tenants = Array.from({ length: 1000 }, (_, number) => `tenant-${number}`)
const placedOn = (shard: string) =>
  tenants.filter(
    (tenant) =>
      placeTenant(
        tenant,
        shards.map((name) => ({ name, weight: 1 })),
      ) === shard,
  )

let folder: string
let postgres: Postgres
let admin: Client
/** The migrations of today and two of a version to come, which change every placement. */
let coming: string
let fleet: FleetDatabase[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-fleet-'))
  postgres = await startPostgres({ dataDir: join(folder, 'postgres'), databases: ['shard0', 'other'], replica: false })
  admin = await sessionOf('postgres')
  await ensureAppRole(postgres.url('shard0'), 'secret')
  await migrate(postgres.url('shard0'), 'shard')
  for (const name of shards.slice(1)) await admin.query(`CREATE DATABASE ${name} TEMPLATE shard0`)
  coming = join(folder, 'migrations')
  await cp(join(root, 'migrations'), coming, { recursive: true })
  const next = (n: number) => join(coming, 'shard', `${String(newestMigration.shard + n).padStart(4, '0')}_next.sql`)
  await writeFile(next(1), `ALTER TABLE placements ADD COLUMN region text; SELECT pg_sleep(0.3);`)
  await writeFile(
    next(2),
    `UPDATE placements SET region = 'weur'; SELECT pg_sleep(0.3); ALTER TABLE placements ALTER COLUMN region SET NOT NULL;`,
  )
  fleet = shards.map((name) => ({ name, url: postgres.url(name), lineage: 'shard' }))
  for (const name of shards)
    await withSession(name, (session) =>
      session.query(
        `INSERT INTO placements (tenant_id, epoch, state) SELECT tenant, 1, 'active' FROM unnest($1::text[]) AS tenant`,
        [placedOn(name)],
      ),
    )
})
afterAll(async () => {
  await admin.end()
  await postgres.stop()
  await rm(folder, { recursive: true, force: true })
})

async function sessionOf(database: string): Promise<Client> {
  const session = new Client(postgres.url(database))
  session.on('error', () => undefined)
  await session.connect()
  return session
}

async function withSession<T>(database: string, work: (session: Client) => Promise<T>): Promise<T> {
  const session = await sessionOf(database)
  try {
    return await work(session)
  } finally {
    await session.end()
  }
}

/** Ends every migration that works on a database, as a failover would. */
const cutConnections = (database: string) =>
  admin.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'parley-migrate'`,
    [database],
  )

const noPause = async () => undefined
const newest = newestMigration.shard
const each = { pause: noPause, lockTimeoutMs: 100 }
const settings = { canaries: [], parallel: 3 }

describe('a fleet of 8 shards with 1,000 tenants', () => {
  test('a canary that fails leaves all other shards as they are', async () => {
    const broken = await mkdtemp(join(folder, 'broken-'))
    await cp(join(root, 'migrations'), broken, { recursive: true })
    await writeFile(
      join(broken, 'shard', `${String(newest + 1).padStart(4, '0')}_broken.sql`),
      'ALTER TABLE placements ADD COLUMN x int; BROKEN;',
    )
    const results = await migrateFleet(fleet, {
      ...settings,
      canaries: ['shard5'],
      each: { ...each, folder: broken },
    })
    for (const result of results)
      expect(result).toEqual(
        result.name === 'shard5'
          ? { name: 'shard5', kind: 'failed', reason: expect.stringContaining('BROKEN') }
          : { name: result.name, kind: 'untouched' },
      )
    for (const { name, url } of fleet) expect([name, await driftOf(url, 'shard')]).toEqual([name, []])
  })

  test('a dry run names the steps that each shard lacks, and changes nothing', async () => {
    expect(await dueSteps(postgres.url('shard3'), 'shard', coming)).toEqual([newest + 1, newest + 2])
    expect(await dueSteps(postgres.url('other'), 'shard')).toEqual(
      Array.from({ length: newest }, (_, index) => index + 1),
    )
    const { lines, isClean } = await inspectFleet(fleet, 'steps', 2)
    expect([lines[0], lines.length, isClean]).toEqual(['shard0: already up to date', 8, true])
    await withSession('other', async (session) => expect((await dumpSchema(session)).trim()).toBe(''))
  })

  test('ends the same everywhere, whatever connections are cut and locks are held, once the run is repeated', async () => {
    // A reader holds a table that the first step changes; it ends when the step was refused its lock.
    const reader = await sessionOf('shard4')
    await reader.query('BEGIN; SELECT count(*) FROM placements')
    const texts: string[] = []
    const cut = new Map<string, number>()
    const run = () =>
      migrateFleet(fleet, {
        ...settings,
        each: { ...each, folder: coming, attempts: 3 },
        snapshot: '-- The directory\n\n\n-- A shard\n\n',
        report: ({ text }) => {
          texts.push(text)
          if (text.startsWith('shard4: attempt 1')) void reader.query('COMMIT')
        },
        // The connections of four shards are cut while a step runs, those of shard7 more often than it tries again.
        stepBegins: (name) => {
          const times = { shard1: 1, shard2: 2, shard6: 1, shard7: 3 }[name] ?? 0
          const before = cut.get(name) ?? 0
          cut.set(name, before + 1)
          if (before < times) setTimeout(() => void cutConnections(name), 10)
        },
      })
    const first = await run()
    expect(first.filter(({ kind }) => kind === 'failed').map(({ name }) => name)).toEqual(['shard7'])
    expect(texts.filter((text) => text.includes('trying again'))).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^shard4: attempt 1 failed .*lock timeout/),
        expect.stringMatching(/^shard1: attempt 1 failed/),
        expect.stringMatching(/^shard2: attempt 2 failed/),
      ]),
    )
    await reader.end()

    const second = await run()
    expect(second.map(({ kind }) => kind)).toEqual(shards.map(() => 'migrated'))
    // What the first run did is not done again.
    const ran = (name: string) =>
      second.flatMap((result) => (result.name === name && result.kind === 'migrated' ? result.ran : []))
    expect(ran('shard1')).toEqual([])
    expect(ran('shard7')).toContain(newest + 2)

    const schemas = new Set<string>()
    const found: string[] = []
    for (const name of shards)
      await withSession(name, async (session) => {
        schemas.add(await dumpSchema(session))
        const { rows } = await session.query<{ tenant_id: string }>(
          `SELECT tenant_id FROM placements WHERE region = 'weur' AND epoch = 1`,
        )
        expect(rows.map(({ tenant_id }) => tenant_id).toSorted()).toEqual(placedOn(name).toSorted())
        found.push(...rows.map(({ tenant_id }) => tenant_id))
      })
    expect(schemas.size).toBe(1)
    expect(found.toSorted()).toEqual(tenants.toSorted())
  })

  test('reports how a shard that was changed by hand differs from the snapshot, and months are no difference', async () => {
    const { url } = { url: postgres.url('other') }
    await migrate(url, 'shard')
    await withSession('other', async (session) => {
      await session.query(`SELECT create_message_partition('2031-03-01')`)
      expect(await driftOf(url, 'shard')).toEqual([])
      await session.query('DROP INDEX members_by_user; ALTER TABLE usage ADD COLUMN extra int')
    })
    expect(await driftOf(url, 'shard')).toEqual([
      expect.stringMatching(/^- CREATE INDEX members_by_user/),
      '+ COLUMN usage.extra integer',
    ])
    const { lines, isClean } = await inspectFleet([{ name: 'other', url, lineage: 'shard' }], 'drift', 1)
    expect([isClean, lines[0]]).toEqual([false, expect.stringContaining('+ COLUMN usage.extra integer')])
  })
})

test('npm run migrate -- fleet shows how far it is, and says by its exit code whether a database failed or differs', async () => {
  const file = join(folder, 'fleet.txt')
  await writeFile(
    file,
    `# owners\nshard0 ${postgres.url('shard0')}\nother ${postgres.url('other')}\naway postgres://a:b@127.0.0.1:1/x\n`,
  )
  const { code, said } = await command(['fleet', file, '--attempts', '1', '--canary', 'shard0'])
  expect(code).toBe(1)
  expect(said).toMatch(/^\[1\/3\] shard0: already up to date/m)
  expect(said).toMatch(/^\[\d\/3\] other: already up to date, DIFFERS from schema.sql$/m)
  expect(said).toMatch(/^\[\d\/3\] away: FAILED: .*ECONNREFUSED/m)
  expect(said).not.toContain(postgres.password)
})

async function command(args: readonly string[]): Promise<{ code: unknown; said: string }> {
  const child = spawn(process.execPath, ['local/run.js', 'local/migrate-cli.ts', ...args], { cwd: root })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += String(part)))
  const [code]: unknown[] = await once(child, 'close')
  return { code, said }
}

describe('the file of a fleet', () => {
  test('has a name and a connection string in each line', () => {
    const text = '# comment\n\ndirectory postgres://o:p@h/d\nshard0  postgresql://o:p@h/s?sslmode=require\n'
    expect(readFleet(text).map(({ name, lineage }) => [name, lineage])).toEqual([
      ['directory', 'directory'],
      ['shard0', 'shard'],
    ])
  })

  test.each([
    ['', 'names no database'],
    ['a postgres://o:secret@h/d\na postgres://o:secret@h/e', 'line 2: a is there twice'],
    ['a mysql://o:secret@h/d', 'line 1: write <name>'],
    ['a', 'line 1: write <name>'],
  ])('is refused with the line, and without its secret: %j', (text, reason) => {
    expect(() => readFleet(text)).toThrow(reason)
    expect(() => readFleet(text)).not.toThrow('secret')
  })

  test('gives the first database as canary, or those that are named', () => {
    const three = readFleet(['a', 'b', 'c'].map((name) => `${name} postgres://o:p@h/${name}`).join('\n'))
    const names = (canaries: readonly string[]) =>
      ringsOf(three, canaries).map((ring) => ring.map(({ name }) => name).join(' '))
    expect(names([])).toEqual(['a', 'b c'])
    expect(names(['c', 'b'])).toEqual(['b c', 'a'])
    expect(() => names(['x'])).toThrow('--canary x')
  })
})

test('a function whose text changed is reported, and the order of lines is no difference', () => {
  expect(schemaDrift('a\n\nb\nb\n', 'b\na\nb\n')).toEqual([])
  expect(schemaDrift('a\nb\n', 'b\nb\nc\n')).toEqual(['- a', '+ b', '+ c'])
})
