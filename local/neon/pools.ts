import { Pool } from 'pg'
import type { Route } from './routes.ts'

/** Milliseconds an unused connection is kept: long enough for a pause in traffic, short enough to be small when idle. */
const idleTimeoutMillis = 60_000
const usualSize = 8

/** Connections for HTTP queries: one pool per upstream, opened on first use. */
export class Pools {
  readonly #pools = new Map<string, Pool>()
  readonly #log: (line: string) => void

  constructor(log: (line: string) => void) {
    this.#log = log
  }

  /** The pool of a route's upstream; routes naming the same upstream share it, sized by the first of them. */
  for({ upstream, poolSize = usualSize }: Route): Pool {
    const pool = this.#pools.get(upstream) ?? this.#open(upstream, poolSize)
    this.#pools.set(upstream, pool)
    return pool
  }

  /** Closes all; resolves when the connections in use have come back. */
  async end(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.end()))
  }

  #open(connectionString: string, max: number): Pool {
    const pool = new Pool({ connectionString, max, idleTimeoutMillis })
    // A restarting upstream ends idle connections; the pool has dropped them already, the next query opens new ones.
    pool.on('error', (error) => this.#log(`An idle Postgres connection ended: ${error.message}`))
    return pool
  }
}
