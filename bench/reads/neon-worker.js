/**
 * What a team would write that is on the same platform: a bare Worker that verifies the token and reads the page with Neon's
 * driver over HTTP. No framework, limits, metrics or deadlines.
 */
import { neon, neonConfig } from '@neondatabase/serverless'
import { jwtVerify } from 'jose'
import { pageOf, pageStatement } from './postgres-page.ts'

const pagePath = /^\/conversations\/([0-9a-f-]{36})\/messages$/
const bearer = /^Bearer (\S+)$/
let database
let secret

async function userOf(request) {
  const token = bearer.exec(request.headers.get('authorization') ?? '')?.[1]
  if (token === undefined) return undefined
  try {
    const { payload } = await jwtVerify(token, secret, { algorithms: ['HS256'], requiredClaims: ['exp', 'sub'] })
    return payload.sub
  } catch {
    return undefined
  }
}

const boundedInt = (text, usual, max) => {
  const number = text === null ? usual : Number(text)
  return Number.isInteger(number) && number >= 1 && number <= max ? number : undefined
}

export default {
  async fetch(request, env) {
    if (database === undefined) {
      neonConfig.fetchEndpoint = `http://${env.NEON_PROXY}/sql`
      database = neon(env.DATABASE_URL)
      secret = new TextEncoder().encode(env.TOKEN_SECRET)
    }
    const { pathname, searchParams } = new URL(request.url)
    if (pathname === '/healthz') return new Response('alive')
    const user = await userOf(request)
    if (user === undefined) return Response.json({ error: 'who are you?' }, { status: 401 })
    const conversation = pagePath.exec(pathname)?.[1]
    if (conversation === undefined) return Response.json({ error: 'no such page' }, { status: 404 })
    const before = boundedInt(searchParams.get('before'), 2_147_483_647, 2_147_483_647)
    const limit = boundedInt(searchParams.get('limit'), 50, 100)
    if (before === undefined || limit === undefined)
      return Response.json({ error: 'before and limit are numbers' }, { status: 400 })
    const rows = await database.query(pageStatement, [conversation, before, user, limit])
    if (rows.length === 0) return Response.json({ error: 'no such conversation' }, { status: 404 })
    return Response.json(pageOf(conversation, rows, limit))
  },
}
