import { setTimeout as pause } from 'node:timers/promises'
import { Client, DatabaseError } from 'pg'
import { PostgresError, words } from './errors.ts'

/** How a launcher's own session reaches a server. */
export interface Door {
  readonly port: number
  readonly password: string
}

/** The superuser initdb makes. */
export const superuser = 'postgres'

/** Crash recovery replays at most max_wal_size; a minute is ample. */
const patience = 60_000
/** A starting server never says "wrong password", so a few of those mean the folder and its password file differ. */
const refusals = 20

/** Resolves once the server takes queries. Throws {@link PostgresError} if it stays silent for a minute. */
export async function answers({ port, password, signal }: Door & { signal: AbortSignal }): Promise<void> {
  const deadline = Date.now() + patience
  let refused = 0
  for (;;) {
    const failure = await asSuperuser({ port, password }, (client) => client.query('select 1')).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (failure === undefined || signal.aborted) return
    if (failure instanceof DatabaseError && failure.code === '28P01') refused++
    if (refused > refusals || Date.now() > deadline) {
      throw new PostgresError(`Postgres on port ${port} does not let us in: ${words(failure)}`, { cause: failure })
    }
    await pause(15)
  }
}

/** Runs something in a session of its own on database `postgres`, and closes it. */
export async function asSuperuser<T>({ port, password }: Door, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ host: '127.0.0.1', port, user: superuser, password, database: 'postgres' })
  // Without a listener a connection lost between queries would end the process.
  client.on('error', () => {})
  try {
    await client.connect()
    return await work(client)
  } finally {
    await client.end().catch(() => {})
  }
}
