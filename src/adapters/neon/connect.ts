import { neon, neonConfig, type NeonQueryFunction } from '@neondatabase/serverless'
import type { Config } from '../../config.ts'
import { backgroundDeadlineMs } from '../dependency.ts'

/**
 * A Postgres database reached over HTTP: one round trip per query or per transaction, no connection held in between.
 */
export type Database = NeonQueryFunction<false, false>

/**
 * Opens the database of a connection string; a configured Neon proxy stands in for Neon's own endpoints. Each query or
 * transaction is aborted `deadlineMs` after it was sent.
 */
export function connect(config: Config, url: string, deadlineMs = backgroundDeadlineMs): Database {
  const { neonProxy } = config
  if (neonProxy !== undefined) {
    neonConfig.fetchEndpoint = `http://${neonProxy}/sql`
  }
  const fetchOptions = {
    /** Read anew for each query, so that each has the whole time. */
    get signal() {
      return AbortSignal.timeout(deadlineMs)
    },
  }
  return neon(url, { fetchOptions })
}
