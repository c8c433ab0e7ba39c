import { newestMigration } from '../../src/adapters/neon/newest-migration.ts'
import { Response, type Request } from 'miniflare'

/** Every shard has all migrations, since work of one that is behind is refused. */
const migrated = {
  command: 'SELECT',
  rowCount: 1,
  rowAsArray: true,
  fields: [{ name: 'number', dataTypeID: 25 }],
  rows: [[String(newestMigration.shard)]],
}
const nothing = { command: 'SELECT', rowCount: 0, rowAsArray: true, fields: [], rows: [] }

/**
 * Nothing leaves the machine from inside workerd: this answers instead, as a Neon that takes every statement and finds
 * no rows. A test that wants more of it, or wants it away, brings its own stand-in (worker/shards.ts).
 */
export async function noddingPostgres(request: Request): Promise<Response> {
  if (!request.url.endsWith('/sql')) return new Response('no database is there', { status: 503 })
  const asked: { readonly query?: string; readonly queries?: readonly unknown[] } = JSON.parse(await request.text())
  if (asked.query?.includes('schema_migrations') === true) return Response.json(migrated)
  return Response.json(asked.queries === undefined ? nothing : { results: asked.queries.map(() => nothing) })
}
