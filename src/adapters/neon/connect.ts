import { neon, neonConfig, type NeonQueryFunction } from '@neondatabase/serverless'
import type { Config } from '../../config.ts'
import { Deadline } from '../deadline.ts'
import { backgroundDeadlineMs } from '../dependency.ts'

/**
 * A Postgres database reached over HTTP: one round trip per query or per transaction, no connection held in between.
 */
export type Database = NeonQueryFunction<false, false>

/** Where the client notes how long a request may take, for `fetchInTime`. */
const deadlineKey = 'deadlineMs'

/**
 * Opens the database of a connection string; a configured Neon proxy stands in for Neon's own endpoints. Each query or
 * transaction is aborted `deadlineMs` after it was sent.
 */
export function connect(config: Config, url: string, deadlineMs = backgroundDeadlineMs): Database {
  const { neonProxy } = config
  if (neonProxy !== undefined) {
    neonConfig.fetchEndpoint = `http://${neonProxy}/sql`
  }
  neonConfig.fetchFunction = fetchInTime
  return neon(url, { fetchOptions: { [deadlineKey]: deadlineMs } })
}

/** The whole answer of a request, read within its deadline. */
async function fetchInTime(
  url: string,
  { [deadlineKey]: deadlineMs = backgroundDeadlineMs, ...init }: RequestInit & { readonly [deadlineKey]?: number },
): Promise<Response> {
  const deadline = new Deadline(deadlineMs)
  try {
    const answer = await fetch(url, { ...init, signal: deadline.signal })
    return new Response(await answer.arrayBuffer(), answer)
  } finally {
    deadline.end()
  }
}
