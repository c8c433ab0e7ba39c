import { vi } from 'vitest'
import { newestMigration } from '../../../src/adapters/neon/newest-migration.ts'
import { Deadline } from '../../../src/adapters/deadline.ts'

/** One statement as it reached Postgres. */
export interface Statement {
  readonly query: string
  readonly params: readonly string[]
}

/** Rows to answer a statement with; nothing for those that only write. */
type Rows = (statement: Statement) => readonly Readonly<Record<string, string | number | boolean | null>>[]

/** Rows as Neon answers them. */
export const answerTo = (rows: ReturnType<Rows>) => ({
  command: 'SELECT',
  rowCount: rows.length,
  rowAsArray: true,
  fields: Object.entries(rows[0] ?? {}).map(([name, value]) => ({
    name,
    dataTypeID: typeof value === 'boolean' ? 16 : 25,
  })),
  rows: rows.map((row) => Object.values(row).map((value) => (value === null ? null : String(value)))),
})

/** From here on nothing reaches Postgres. */
export function postgresIsAway(): void {
  vi.stubGlobal('fetch', async () => new Response('no database is there', { status: 503 }))
}

/** From here on Postgres takes statements and never answers; every deadline is over as soon as it begins. */
export function postgresHangs(): void {
  vi.spyOn(Deadline.prototype, 'signal', 'get').mockImplementation(() => AbortSignal.abort(new Error('time is up')))
  vi.stubGlobal('fetch', (_: RequestInfo, init?: RequestInit) => {
    const { promise, reject } = Promise.withResolvers<never>()
    if (init?.signal?.aborted === true) reject(init.signal.reason)
    return promise
  })
}

/** From here on Postgres answers by `answer`, speaking just enough of Neon's HTTP. Returns the statements that come. */
export function postgresIsThere(answer: Rows = () => []): Statement[] {
  const came: Statement[] = []
  const one = (statement: Statement) => {
    if (statement.query.includes('FROM schema_migrations')) return answerTo([{ number: newestMigration.shard }])
    came.push(statement)
    return answerTo(answer(statement))
  }
  vi.stubGlobal('fetch', async (input: RequestInfo, init?: RequestInit) => {
    const request = new Request(input, init)
    if (!request.url.endsWith('/sql')) return new Response('no database is there', { status: 503 })
    const asked: Statement & { readonly queries?: readonly Statement[] } = await request.json()
    return Response.json(asked.queries === undefined ? one(asked) : { results: asked.queries.map(one) })
  })
  return came
}

/** What a statement did, by the table it names first. */
export const tableOf = ({ query }: Statement): string =>
  /(?:INSERT INTO|UPDATE|FROM) (messages|conversations|members|placements|tenants)/.exec(query)?.[1] ?? 'none'
