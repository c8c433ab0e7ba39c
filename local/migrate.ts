import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'
import { z } from 'zod'
import { oneLine } from './local-error.ts'
import { dumpSchema, schemaDrift } from './schema-dump.ts'

const migrations = join(import.meta.dirname, '../migrations')

/** Which steps a database takes. */
export type Lineage = 'directory' | 'shard'

/** How a migration goes about its work. */
export interface MigrateOptions {
  /** The folder with a folder of steps for each lineage. */
  readonly folder: string
  /** How long a step waits for a lock that another transaction holds: meanwhile every query behind it waits, too. */
  readonly lockTimeoutMs: number
  /** How often a step is tried that a lock, a deadlock or a lost connection stopped. */
  readonly attempts: number
  readonly pause: (ms: number) => Promise<unknown>
  /** Called before each attempt of a step, and with the reason when one has to be repeated. */
  readonly stepBegins?: (step: number) => unknown
  readonly repeats?: (attempt: number, reason: string) => void
}

const usual: MigrateOptions = { folder: migrations, lockTimeoutMs: 3000, attempts: 5, pause }

/**
 * Brings a database up to date: each numbered file once, in order, each in a transaction of its own, so that a run that
 * was interrupted goes on where it stopped. Two runs at once wait for one another. Connects as the owner.
 * @returns the numbers that were run now
 */
export async function migrate(url: string, lineage: Lineage, changed: Partial<MigrateOptions> = {}): Promise<number[]> {
  const options = { ...usual, ...changed }
  const steps = await stepsOf(options.folder, lineage)
  const ran: number[] = []
  for (let attempt = 1; ; attempt++)
    try {
      await withClient(url, (client) => runDue(client, steps, options, ran))
      return ran
    } catch (thrown) {
      if (attempt >= options.attempts || !isPassing(thrown)) throw thrown
      options.repeats?.(attempt, oneLine(thrown))
      await options.pause(Math.min(30_000, 250 * 2 ** attempt) * (0.5 + Math.random() / 2))
    }
}

/** The numbers of the steps that a database lacks. Changes nothing. */
export async function dueSteps(url: string, lineage: Lineage, folder = migrations): Promise<number[]> {
  const steps = await stepsOf(folder, lineage)
  return await withClient(url, async (client) => {
    const { rows } = await client.query(`SELECT to_regclass('public.schema_migrations') IS NOT NULL AS found`)
    const isBegun = z.tuple([z.object({ found: z.boolean() })]).parse(rows)[0].found
    const done = isBegun ? await doneIn(client) : new Set<number>()
    return steps.map(({ number }) => number).filter((number) => !done.has(number))
  })
}

/** How a database differs from the snapshot in migrations/schema.sql; see `schemaDrift`. Changes nothing. */
export async function driftOf(url: string, lineage: Lineage, snapshot?: string): Promise<string[]> {
  const text = snapshot ?? (await readFile(join(migrations, 'schema.sql'), 'utf8'))
  const [, directory, shard] = /^-- The directory\n\n([^]*)\n-- A shard\n\n([^]*)$/.exec(text) ?? []
  const expected = lineage === 'directory' ? directory : shard
  if (expected === undefined) throw new Error('migrations/schema.sql has no section of this lineage')
  return schemaDrift(expected, await withClient(url, dumpSchema))
}

/** The role the Worker connects as: it owns nothing and row-level security holds for it. Made on any one database of a cluster. */
export async function ensureAppRole(url: string, password: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rowCount } = await client.query(`SELECT 1 FROM pg_roles WHERE rolname = 'parley_app'`)
    if (rowCount === 0) await client.query('CREATE ROLE parley_app LOGIN NOBYPASSRLS')
    await client.query(`ALTER ROLE parley_app PASSWORD ${client.escapeLiteral(password)}`)
  })
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({
    connectionString: url,
    application_name: 'parley-migrate',
    connectionTimeoutMillis: 10_000,
  })
  // A connection that is lost between two queries fails the next one; without a listener it would end the process.
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

interface Step {
  readonly number: number
  readonly sql: string
}

async function stepsOf(folder: string, lineage: Lineage): Promise<Step[]> {
  const names = (await readdir(join(folder, lineage))).filter((name) => name.endsWith('.sql')).toSorted()
  return await Promise.all(
    names.map(async (name) => ({
      number: Number.parseInt(name, 10),
      sql: await readFile(join(folder, lineage, name), 'utf8'),
    })),
  )
}

async function doneIn(client: Client): Promise<Set<number>> {
  const { rows } = await client.query<{ number: number }>('SELECT number FROM schema_migrations')
  return new Set(rows.map(({ number }) => number))
}

async function runDue(client: Client, steps: readonly Step[], options: MigrateOptions, ran: number[]): Promise<void> {
  await client.query(`SELECT pg_advisory_lock(hashtext('parley migrations'))`)
  await client.query(
    'CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, ran_at timestamptz NOT NULL DEFAULT now())',
  )
  const done = await doneIn(client)
  for (const step of steps) {
    if (done.has(step.number)) continue
    await options.stepBegins?.(step.number)
    await runStep(client, step, options.lockTimeoutMs)
    ran.push(step.number)
  }
}

async function runStep(client: Client, { number, sql }: Step, lockTimeoutMs: number): Promise<void> {
  try {
    await client.query('BEGIN')
    await client.query(`SET LOCAL lock_timeout = ${Math.ceil(lockTimeoutMs)}`)
    await client.query(sql)
    await client.query('INSERT INTO schema_migrations (number) VALUES ($1)', [number])
    await client.query('COMMIT')
  } catch (error) {
    // A lost connection cannot roll back; Postgres does.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

/**
 * Locks not available in time, deadlocks and serialization failures, a server that starts, stops or has no connection left,
 * and connections that were lost or not made.
 */
const passing = /^(?:55P03|40P01|40001|57P0[1-3]|53300|08...)$/

function isPassing(thrown: unknown): boolean {
  if (thrown instanceof DatabaseError) return passing.test(thrown.code ?? '')
  if (!(thrown instanceof Error)) return false
  const code = 'code' in thrown ? String(thrown.code) : ''
  return (
    /^(?:ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|EAI_AGAIN)$/.test(code) ||
    /terminated|timeout|not queryable/i.test(thrown.message)
  )
}
