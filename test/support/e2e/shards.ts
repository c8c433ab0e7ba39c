import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client } from 'pg'
import type { Entry } from '../history.ts'
import type { System } from './system.ts'
import { until } from './until.ts'

interface Row {
  readonly conversation_id: string
  readonly tenant_id: string
  readonly seq: string
  readonly user_id: string
  readonly client_id: string | null
  readonly body: string
}

const databases = ['directory', 'shard0', 'shard1'] as const
type Database = (typeof databases)[number]
export type Shard = Exclude<Database, 'directory'>

/** A system's own Postgres, asked as its owner, past the proxy and row-level security. */
export class Shards {
  readonly #dataDir: string

  constructor(system: System) {
    this.#dataDir = join(system.dataDir, 'postgres')
  }

  /** Runs one statement on one database. */
  async query<R extends object>(database: Database, text: string, values: readonly unknown[] = []): Promise<R[]> {
    const client = await this.session(database)
    try {
      return (await client.query<R>(text, [...values])).rows
    } finally {
      await client.end()
    }
  }

  /** A session of its own, which ends with the server at the latest. */
  async session(database: Database): Promise<Client> {
    const client = new Client({ connectionString: this.#url(database) })
    await client.connect()
    return client
  }

  /** Everything the shards have of these conversations, in order. */
  async logOf(conversations: readonly string[]): Promise<Entry[]> {
    const text = `SELECT tenant_id, conversation_id, seq, user_id, client_id, body FROM messages
      WHERE conversation_id = ANY($1) ORDER BY conversation_id, seq`
    const found = await Promise.all(databases.slice(1).map((shard) => this.query<Row>(shard, text, [conversations])))
    return found.flat().map((row) => ({
      tenant: row.tenant_id,
      conversation: row.conversation_id,
      seq: Number(row.seq),
      user: row.user_id,
      clientId: row.client_id,
      body: textOf(row.body),
    }))
  }

  /** The same, once everything up to `top` of each conversation is there. */
  async caughtUp(tops: ReadonlyMap<string, number>, ms = 90_000): Promise<Entry[]> {
    return await until(
      'Postgres has caught up',
      async () => {
        const log = await this.logOf([...tops.keys()])
        const there = Map.groupBy(log, ({ conversation }) => conversation)
        const all = [...tops].every(([conversation, top]) => (there.get(conversation)?.at(-1)?.seq ?? 0) >= top)
        return all ? log : undefined
      },
      ms,
    )
  }

  /** Postgres chooses its port anew at each start; its lock file says which. */
  #url(database: Database): string {
    const port = readFileSync(join(this.#dataDir, 'primary/postmaster.pid'), 'utf8').split('\n')[3]
    const password = readFileSync(join(this.#dataDir, 'password'), 'utf8').trim()
    return `postgres://postgres:${password}@127.0.0.1:${port}/${database}`
  }
}

/** What a history compares of an entry: a message's words, or all of what is no message. */
export function textOf(body: string): string {
  const entry: { text?: string } = JSON.parse(body)
  return entry.text ?? body
}
