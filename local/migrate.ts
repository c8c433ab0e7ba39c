import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Client } from 'pg'

const folder = join(import.meta.dirname, '../migrations')

/** Which steps a database takes. */
export type Lineage = 'directory' | 'shard'

/**
 * Brings a database up to date: each numbered file once, in order, each in a transaction of its own, so that a run that
 * was interrupted goes on where it stopped. Two runs at once wait for one another. Connects as the owner.
 * @returns the numbers that were run now
 */
export async function migrate(url: string, lineage: Lineage): Promise<number[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`SELECT pg_advisory_lock(hashtext('parley migrations'))`)
    await client.query(
      'CREATE TABLE IF NOT EXISTS schema_migrations (number int PRIMARY KEY, ran_at timestamptz NOT NULL DEFAULT now())',
    )
    const done = new Set(
      (await client.query<{ number: number }>('SELECT number FROM schema_migrations')).rows.map(({ number }) => number),
    )
    const steps = (await readdir(join(folder, lineage))).filter((name) => name.endsWith('.sql')).sort()
    const due = steps
      .map((name) => ({ name, number: Number.parseInt(name, 10) }))
      .filter(({ number }) => !done.has(number))
    for (const { name, number } of due) await runStep(client, join(folder, lineage, name), number)
    return due.map(({ number }) => number)
  } finally {
    await client.end()
  }
}

/** The role the Worker connects as: it owns nothing and row-level security holds for it. Made on any one database of a cluster. */
export async function ensureAppRole(url: string, password: string): Promise<void> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rowCount } = await client.query(`SELECT 1 FROM pg_roles WHERE rolname = 'parley_app'`)
    if (rowCount === 0) await client.query('CREATE ROLE parley_app LOGIN NOBYPASSRLS')
    await client.query(`ALTER ROLE parley_app PASSWORD ${client.escapeLiteral(password)}`)
  } finally {
    await client.end()
  }
}

async function runStep(client: Client, file: string, number: number): Promise<void> {
  const sql = await readFile(file, 'utf8')
  try {
    await client.query('BEGIN')
    await client.query(sql)
    await client.query('INSERT INTO schema_migrations (number) VALUES ($1)', [number])
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}
