/**
 * What a competent team would write instead: one Node process before Postgres, a bearer token verified and the
 * membership looked up for each request. No limits, no metrics, no framework. One process, as Parley's worker is one.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { jwtVerify } from 'jose'
import { Pool } from 'pg'
import { z } from 'zod'
import { PostgresReads } from './postgres-reads.ts'

const config = z
  .object({ PORT: z.coerce.number(), DATABASE_URL: z.string(), TOKEN_SECRET: z.string(), POOL: z.coerce.number() })
  .parse(process.env)

const reads = new PostgresReads(new Pool({ connectionString: config.DATABASE_URL, max: config.POOL }))
const secret = new TextEncoder().encode(config.TOKEN_SECRET)
const pagePath = /^\/conversations\/([0-9a-f-]{36})\/messages$/
const pageQuery = z.object({
  before: z.coerce.number().int().min(1).default(2_147_483_647),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})

createServer((request, response) => {
  answer(request, response).catch((error: unknown) => send(response, 500, { error: String(error) }))
}).listen(config.PORT, '127.0.0.1')

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  if (url.pathname === '/healthz') return send(response, 200, 'alive')
  const user = await userOf(request)
  if (user === undefined) return send(response, 401, { error: 'who are you?' })
  if (url.pathname === '/conversations') return send(response, 200, await reads.list(user, limitIn(url)))
  if (url.pathname === '/unread') return send(response, 200, await reads.unread(user))
  const conversation = pagePath.exec(url.pathname)?.[1]
  if (conversation === undefined) return send(response, 404, { error: 'no such page' })
  const { before, limit } = pageQuery.parse(Object.fromEntries(url.searchParams))
  const page = await reads.page(user, conversation, before, limit)
  return page === undefined ? send(response, 404, { error: 'no such conversation' }) : send(response, 200, page)
}

async function userOf({ headers }: IncomingMessage): Promise<string | undefined> {
  const token = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1]
  if (token === undefined) return undefined
  try {
    const { payload } = await jwtVerify(token, secret, { algorithms: ['HS256'], requiredClaims: ['exp', 'sub'] })
    return payload.sub
  } catch {
    return undefined
  }
}

const limitIn = (url: URL): number => pageQuery.parse(Object.fromEntries(url.searchParams)).limit

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
