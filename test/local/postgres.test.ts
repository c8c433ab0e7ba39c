import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { PostgresError } from '../../local/postgres/errors.ts'
import type { Postgres, PostgresOptions } from '../../local/postgres/start.ts'
import { startPostgres } from '../../local/postgres/start.ts'
import { eventually } from '../contracts/neon.eventually.ts'

const fixture = new URL('postgres.fixture.ts', import.meta.url).pathname
const databases = ['shard0', 'shard1']

describe('a primary and its replica', () => {
  let dataDir: string
  let postgres: Postgres

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-pg-'))
    postgres = await startPostgres({ dataDir, databases })
    await query(postgres.url('shard0'), 'create table note (id int primary key)')
  })
  afterAll(async () => {
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  test('every database asked for is there, also one asked for later', async () => {
    expect(await query(postgres.url('shard1'), 'select current_database() as name')).toEqual([{ name: 'shard1' }])
    await postgres.stop()
    postgres = await startPostgres({ dataDir, databases: [...databases, 'late'] })
    expect(await query(postgres.url('late'), 'select current_database() as name')).toEqual([{ name: 'late' }])
    expect(await query(postgres.replicaUrl('late'), 'select 1 as n')).toEqual([{ n: 1 }])
  })

  test('the replica gets writes and refuses writes', async () => {
    await query(postgres.url('shard0'), 'insert into note values (1)')
    const read = () => query(postgres.replicaUrl('shard0'), 'select id from note where id = 1')
    await eventually(async () => expect(await read()).toEqual([{ id: 1 }]))
    const write = query(postgres.replicaUrl('shard0'), 'insert into note values (2)')
    await expect(write).rejects.toMatchObject({ code: '25006' })
  })

  test('rows outlive a stop', async () => {
    await query(postgres.url('shard0'), 'insert into note values (10)')
    await postgres.stop()
    postgres = await startPostgres({ dataDir, databases })
    for (const url of [postgres.url('shard0'), postgres.replicaUrl('shard0')]) {
      expect(await query(url, 'select id from note where id = 10')).toEqual([{ id: 10 }])
    }
  })

  test.each(['primary', 'replica'] as const)('a killed %s comes back by itself with its rows', async (which) => {
    await query(postgres.url('shard0'), `insert into note values (${which === 'primary' ? 20 : 21})`)
    const killed = await pidOf(join(dataDir, which))
    process.kill(killed, 'SIGKILL')
    const url = which === 'primary' ? postgres.url('shard0') : postgres.replicaUrl('shard0')
    await eventually(async () => {
      expect(await query(url, 'select count(*)::int as n from note where id in (20, 21)')).toEqual([
        { n: which === 'primary' ? 1 : 2 },
      ])
      expect(await pidOf(join(dataDir, which))).not.toBe(killed)
    })
    await query(postgres.url('shard0'), `insert into note values (${which === 'primary' ? 30 : 31})`)
    const followed = () => query(postgres.replicaUrl('shard0'), 'select id from note where id >= 30 order by id desc')
    await eventually(async () => expect((await followed()).length).toBe(which === 'primary' ? 1 : 2))
  })

  test('stopping while a killed server is being started again leaves nothing running', async () => {
    await postgres.stop()
    const stopped = new Promise<void>((resolve) => {
      const log = (line: string) => line.includes('starting it again') && resolve(again.then((it) => it.stop()))
      const again = startPostgres({ dataDir, databases, replica: false, log })
      void again.then(async () => process.kill(await pidOf(join(dataDir, 'primary')), 'SIGKILL'))
    })
    await stopped
    expect(existsSync(join(dataDir, 'primary', 'postmaster.pid'))).toBe(false)
    postgres = await startPostgres({ dataDir, databases })
  })

  test('fsync is on and passwords are scram', async () => {
    expect(await query(postgres.url('shard0'), 'show fsync')).toEqual([{ fsync: 'on' }])
    expect(await query(postgres.url('shard0'), 'show synchronous_commit')).toEqual([{ synchronous_commit: 'on' }])
    const stored = 'select left(rolpassword, 14) as kind from pg_authid where rolname = current_user'
    expect(await query(postgres.url('shard0'), stored)).toEqual([{ kind: 'SCRAM-SHA-256$' }])
    const wrong = postgres.url('shard0').replace(postgres.password, 'wrong')
    await expect(query(wrong, 'select 1')).rejects.toMatchObject({ code: '28P01' })
  })

  test.runIf(existsSync('/proc/self/maps'))('a killed server leaves no memory outside of its folder', async () => {
    const mapped = await readFile(`/proc/${await pidOf(join(dataDir, 'primary'))}/maps`, 'utf8')
    expect(mapped).toContain(join(dataDir, 'primary', 'pg_dynshmem'))
    expect(mapped).not.toContain('/dev/shm/')
  })

  test('a second launcher on the same folder is refused with the reason', async () => {
    await expect(startPostgres({ dataDir, databases })).rejects.toThrow(/is in use by another Postgres \(process \d+\)/)
    expect(await query(postgres.url('shard0'), 'select 1 as n')).toEqual([{ n: 1 }])
  })
})

describe('starting over what was left behind', () => {
  test('the servers of a killed launcher end, and their rows are there for the next', async () => {
    const dataDir = await folder()
    const launcher = spawn(process.execPath, [fixture, dataDir], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = await once(createInterface({ input: launcher.stdout }), 'line')
    await query(String(line), 'create table kept as select 1 as n')
    launcher.kill('SIGKILL')
    const postgres = await startPostgres({ dataDir, databases })
    onTestFinished(() => postgres.stop())
    expect(await query(postgres.url('shard0'), 'select n from kept')).toEqual([{ n: 1 }])
    expect(await query(postgres.replicaUrl('shard0'), 'select n from kept')).toEqual([{ n: 1 }])
  })

  test('a lock naming some other program is no obstacle', async () => {
    const dataDir = await stoppedCluster()
    const other = spawn('sleep', ['60'])
    onTestFinished(() => void other.kill())
    await writeFile(join(dataDir, 'primary', 'postmaster.pid'), `${other.pid}\n`)
    const postgres = await startPostgres({ dataDir, databases })
    await postgres.stop()
  })

  test('a replica is made for a primary that already has rows', async () => {
    const dataDir = await stoppedCluster()
    const alone = await startPostgres({ dataDir, databases, replica: false })
    expect(alone.replicaPort).toBe(alone.port)
    await query(alone.url('shard1'), 'create table old as select 1 as n')
    await alone.stop()
    const both = await startPostgres({ dataDir, databases })
    onTestFinished(() => both.stop())
    expect(await query(both.replicaUrl('shard1'), 'select n from old')).toEqual([{ n: 1 }])
  })

  test('a replica that went its own way is replaced', async () => {
    const dataDir = await stoppedCluster()
    await rm(join(dataDir, 'replica', 'standby.signal'))
    const mended = await startPostgres({ dataDir, databases })
    onTestFinished(() => mended.stop())
    await query(mended.url('shard0'), 'create table fresh as select 1 as n')
    await eventually(async () =>
      expect(await query(mended.replicaUrl('shard0'), 'select n from fresh')).toHaveLength(1),
    )
  })

  test('a creation cut short is begun again', async () => {
    const dataDir = await folder()
    await mkdir(join(dataDir, 'primary.new'))
    await writeFile(join(dataDir, 'primary.new', 'PG_VERSION'), '18\n')
    const postgres = await startPostgres({ dataDir, databases, replica: false })
    await postgres.stop()
    expect(existsSync(join(dataDir, 'primary.new'))).toBe(false)
  })
})

describe('an impossible start is reported in one sentence', () => {
  const refusals: [string, () => Promise<Partial<PostgresOptions>>, RegExp][] = [
    ['a data folder that cannot be written', unwritable, /^Postgres cannot keep its data in .+: .+$/],
    [
      'programs that are not there',
      async () => ({ binDir: '/nonexistent' }),
      /^No usable Postgres in \/nonexistent: .+$/,
    ],
    ['data of another version', otherVersion, /^.+ was made by Postgres 9 but the one found here is \d+: .+$/],
    ['a taken port', takenPort, /^The Postgres primary on .+ did not start: .+Address already in use$/],
  ]
  test.each(refusals)('%s', async (_what, situation, sentence) => {
    const refused = startPostgres({ dataDir: await folder(), databases, replica: false, ...(await situation()) })
    await expect(refused).rejects.toThrow(PostgresError)
    await expect(refused).rejects.toThrow(sentence)
  })
})

/** A folder for this test. Removed last: what a test registers to stop later than this is stopped before. */
async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'parley-pg-'))
  onTestFinished(() => rm(made, { recursive: true, force: true }))
  return made
}

/** A folder some launcher has used and left; copied, as making one takes longer. */
async function stoppedCluster(): Promise<string> {
  template ??= makeTemplate()
  const dataDir = await folder()
  await promisify(execFile)('cp', ['-a', `${await template}/.`, dataDir])
  return dataDir
}

let template: Promise<string> | undefined
afterAll(async () => {
  if (template !== undefined) await rm(await template, { recursive: true, force: true })
})

async function makeTemplate(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-pg-'))
  const postgres = await startPostgres({ dataDir, databases })
  await postgres.stop()
  return dataDir
}

async function unwritable(): Promise<Partial<PostgresOptions>> {
  const file = join(await folder(), 'file')
  await writeFile(file, '')
  return { dataDir: join(file, 'data') }
}

async function otherVersion(): Promise<Partial<PostgresOptions>> {
  const dataDir = await folder()
  await mkdir(join(dataDir, 'primary'), { mode: 0o700 })
  await writeFile(join(dataDir, 'primary', 'PG_VERSION'), '9\n')
  await writeFile(join(dataDir, 'password'), 'secret\n')
  return { dataDir }
}

async function takenPort(): Promise<Partial<PostgresOptions>> {
  const taker = createServer()
  onTestFinished(() => void taker.close())
  await once(taker.listen(0, '127.0.0.1'), 'listening')
  return { dataDir: await stoppedCluster(), port: z.object({ port: z.number() }).parse(taker.address()).port }
}

async function pidOf(dataFolder: string): Promise<number> {
  return Number((await readFile(join(dataFolder, 'postmaster.pid'), 'utf8')).split('\n', 1)[0])
}

async function query(url: string, text: string): Promise<unknown[]> {
  const client = new Client(url)
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query(text)).rows
  } finally {
    await client.end().catch(() => {})
  }
}
