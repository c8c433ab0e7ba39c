import { vi } from 'vitest'
import { newestMigration } from '../../../src/adapters/neon/newest-migration.ts'
import { answerTo, type Statement } from './shards.ts'

/** A database behind the stand-in: what it has, and what came to it. */
export interface FakeDatabase {
  migration: number
  isAway: boolean
  /** The error that every statement is answered with. */
  refusal: { readonly code: string; readonly message: string } | undefined
  /** Takes statements and never answers. */
  isSilent: boolean
  /** The rows that a statement is answered with. */
  rows: (statement: Statement) => readonly Readonly<Record<string, string | number | boolean | null>>[]
  /** The credentials of the connection strings that were used, `user:password@host`. */
  readonly credentials: Set<string>
  readonly statements: Statement[]
}

/** From here on Postgres is many databases, told apart by their connection strings; each exists when it is named. */
export function databasesAreThere(): (name: string) => FakeDatabase {
  const all = new Map<string, FakeDatabase>()
  const named = (name: string): FakeDatabase => {
    const known = all.get(name) ?? {
      migration: newestMigration.shard,
      isAway: false,
      refusal: undefined,
      isSilent: false,
      rows: () => [],
      credentials: new Set<string>(),
      statements: [],
    }
    all.set(name, known)
    return known
  }
  vi.stubGlobal('fetch', async (input: RequestInfo, init?: RequestInit) => {
    const request = new Request(input, init)
    const { pathname, username, password, host } = new URL(request.headers.get('neon-connection-string') ?? '')
    const database = named(pathname.slice(1))
    database.credentials.add(`${username}:${password}@${host}`)
    if (database.refusal !== undefined) return Response.json(database.refusal, { status: 400 })
    if (database.isAway) return new Response('no database is there', { status: 503 })
    if (database.isSilent) return await untilAborted(request.signal)
    const asked: Statement & { readonly queries?: readonly Statement[] } = await request.json()
    const one = (statement: Statement) => {
      if (statement.query.includes('FROM schema_migrations')) return answerTo([{ number: database.migration }])
      database.statements.push(statement)
      return answerTo(database.rows(statement))
    }
    return Response.json(asked.queries === undefined ? one(asked) : { results: asked.queries.map(one) })
  })
  return named
}

function untilAborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => reject(new Error('the caller went away')))
  return promise
}
