import { neon, neonConfig, type NeonQueryFunction } from '@neondatabase/serverless'
import type { Config } from '../../config.ts'

/** A Postgres database reached over HTTP: one round trip per query or per transaction, nothing held in between. */
export type Database = NeonQueryFunction<false, false>

/** Opens the database of a connection string; a configured Neon proxy stands in for Neon's own endpoints. */
export function connect(config: Config, url: string): Database {
  const { neonProxy } = config
  if (neonProxy !== undefined) {
    neonConfig.fetchEndpoint = `http://${neonProxy}/sql`
  }
  return neon(url)
}
