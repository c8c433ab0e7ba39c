import { Response, type Request } from 'miniflare'

const nothing = { command: 'SELECT', rowCount: 0, rowAsArray: true, fields: [], rows: [] }

/**
 * Nothing leaves the machine from inside workerd: this answers instead, as a Neon that takes every statement and finds
 * no rows. A test that wants more of it, or wants it away, brings its own stand-in (worker/shards.ts).
 */
export async function noddingPostgres(request: Request): Promise<Response> {
  if (!request.url.endsWith('/sql')) return new Response('no database is there', { status: 503 })
  const asked: { readonly queries?: readonly unknown[] } = JSON.parse(await request.text())
  return Response.json(asked.queries === undefined ? nothing : { results: asked.queries.map(() => nothing) })
}
