import { join } from 'node:path'
import { SignJWT } from 'jose'
import { Client } from 'pg'
import { startPostgres } from '../../local/postgres/start.ts'
import { answers, freePort } from '../ports.ts'
import type { Processes } from '../processes.ts'
import { startNeonWorker } from './neon-side.ts'
import { pageSize } from './reading.ts'
import { schema } from './postgres-reads.ts'
import { readBy, textAt, type WrittenConversation } from './conversations.ts'
import type { Side, Way } from './side.ts'

const secret = 'a secret that only this bench and its server know'

/** The peer with the conversations in it. */
export interface PostgresSide extends Side {
  readonly http: Way
  /** A bare Worker with Neon's driver before the same database; it reads pages only. */
  readonly worker: Way
}

/** Starts Postgres as `npm start` sets it up, fills it, and puts the server before it. */
export async function startPostgresSide(
  directory: string,
  processes: Processes,
  conversations: readonly WrittenConversation[],
  pool: number,
): Promise<PostgresSide> {
  const postgres = await startPostgres({ dataDir: join(directory, 'peer'), databases: ['reads'], replica: false })
  try {
    const version = await fill(postgres.url('reads'), conversations)
    const port = await freePort()
    const env = {
      NODE_ENV: 'production',
      PORT: String(port),
      DATABASE_URL: postgres.url('reads'),
      TOKEN_SECRET: secret,
      POOL: String(pool),
    }
    const args = [join(import.meta.dirname, 'postgres-server.ts')]
    const server = processes.start({ name: 'reads', command: process.execPath, args, env, logs: directory })
    await server.ready(() => answers(`http://127.0.0.1:${port}/healthz`), 15_000)
    const neon = await startNeonWorker(directory, processes, { upstream: postgres.url('reads'), secret, pool })
    return {
      what: `one Node process (node:http, pg with ${pool} connections, prepared statements) before Postgres`,
      versions: { postgres: version, node: process.version },
      http: { over: 'http', url: `http://127.0.0.1:${port}`, ask: pathOf },
      worker: { over: 'http', url: neon.url, ask: pathOf },
      token: (user) => tokenOf(user),
      async stop() {
        await neon.stop()
        await server.stop()
        await postgres.stop()
      },
    }
  } catch (error) {
    await postgres.stop()
    throw error
  }
}

const pathOf: Way['ask'] = (reading, { conversation, before }) => {
  if (reading === 'unread') return '/unread'
  if (conversation === undefined) return `/conversations?limit=${pageSize}`
  return `/conversations/${conversation.id}/messages?limit=${pageSize}${before === undefined ? '' : `&before=${before}`}`
}

const tokenOf = (user: string) =>
  new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(secret))

/** Everything in one transaction, then as tidy as autovacuum would leave it in time. Returns the server's version. */
async function fill(url: string, conversations: readonly WrittenConversation[]): Promise<string> {
  const client = new Client({ connectionString: url })
  await client.connect()
  await client.query(schema)
  await client.query('begin')
  for (const conversation of conversations) await write(client, conversation)
  await client.query('commit')
  await client.query('vacuum analyze')
  const { rows } = await client.query<string[]>({ text: 'show server_version', rowMode: 'array' })
  await client.end()
  return rows[0]?.[0] ?? 'unknown'
}

async function write(client: Client, conversation: WrittenConversation): Promise<void> {
  const { id, name, members, author, log } = conversation
  await client.query('insert into conversations (id, type, name) values ($1, $2, $3)', [id, 'group', name])
  await client.query(
    'insert into members (conversation, user_id, last_read) select $1, * from unnest($2::text[], $3::integer[])',
    [id, members, members.map((user) => readBy(conversation, user))],
  )
  await client.query(
    `insert into messages (conversation, user_id, seq, client_id, text, at)
     select $1, $2, * from unnest($3::integer[], $4::uuid[], $5::text[], $6::double precision[])`,
    [
      id,
      author,
      log.map(({ seq }) => seq),
      log.map(({ clientId }) => clientId),
      log.map(({ seq }) => textAt(conversation, seq)),
      log.map(({ at }) => at),
    ],
  )
}
