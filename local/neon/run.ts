import type { FieldDef, Pool, PoolClient } from 'pg'
import { Loan } from './borrow.ts'
import { paramToText } from './params.ts'
import type { Batch, Statement, Work } from './request.ts'

/** One statement's result in Neon's shape; values are Postgres' own text, which the SDK parses by `dataTypeID`. */
export interface Result {
  readonly command: string
  readonly rowCount: number | null
  readonly rowAsArray: true
  readonly rows: readonly (string | null)[][]
  readonly fields: readonly FieldDef[]
}

/** pg then leaves every value as the text it received. */
const asText = {
  getTypeParser:
    () =>
    <T>(value: T) =>
      value,
}

/**
 * Runs the work on a pooled connection: a statement by itself, or a batch in one transaction. Throws what Postgres
 * refuses; nothing of a failed batch stays. An aborted signal cancels the running statement on the server.
 */
export async function run(pool: Pool, work: Work, aborted: AbortSignal): Promise<Result[]> {
  const loan = await Loan.take(pool, aborted)
  try {
    if (work.kind === 'single') return [await one(loan.client, work.statement)]
    return await batch(loan.client, work, aborted)
  } finally {
    await loan.giveBack()
  }
}

async function batch(client: PoolClient, { begin, statements }: Batch, aborted: AbortSignal): Promise<Result[]> {
  const results: Result[] = []
  await client.query(begin)
  try {
    for (const statement of statements) {
      aborted.throwIfAborted()
      results.push(await one(client, statement))
    }
    aborted.throwIfAborted()
    await client.query('COMMIT')
    return results
  } catch (error) {
    // A lost connection rolls back by itself; the first error is the one to tell.
    await client.query('ROLLBACK').catch(() => {})
    throw error
  }
}

async function one(client: PoolClient, { query, params }: Statement): Promise<Result> {
  const values = params.map(paramToText)
  // Extended mode even without parameters, so that several statements in one string are refused as Neon does (42601).
  const config = { text: query, values, rowMode: 'array' as const, queryMode: 'extended', types: asText }
  const { command, rowCount, rows, fields } = await client.query<(string | null)[]>(config)
  return { command: command ?? '', rowCount, rowAsArray: true, rows, fields }
}
