import { z } from 'zod'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

/** What actors counted for one tenant and day (UTC, `2026-11-22`). */
export interface Counted {
  readonly tenant: string
  readonly day: string
  readonly jobs: number
  readonly connectionsPeak: number
  /** HTTP requests, and commands of connections. */
  readonly requests: number
  readonly commands: number
}

/** What a tenant used in a day. */
export interface DayOfUse {
  readonly day: string
  readonly messages: number
  readonly jobs: number
  readonly connectionsPeak: number
  readonly requests: number
  readonly commands: number
  /** What the messages of the day take, without indexes. */
  readonly messageBytes: number
}

/** Messages of a tenant and what they take, since its first day. */
export interface StoredMessages {
  readonly messages: number
  readonly bytes: number
}

/** Counts only grow, so an older count, or one made after messages were archived, changes nothing. */
const countMessages = `
INSERT INTO usage (tenant_id, day, messages, message_bytes)
SELECT tenant_id, (sent_at AT TIME ZONE 'UTC')::date, count(*), sum(octet_length(body)) FROM messages
WHERE tenant_id = ANY ($1::text[]) AND sent_at >= to_timestamp($2::bigint / 1000.0) AND client_id IS NOT NULL
GROUP BY 1, 2
ON CONFLICT (tenant_id, day) DO UPDATE SET
  messages = greatest(usage.messages, excluded.messages), message_bytes = greatest(usage.message_bytes, excluded.message_bytes)`

const noteCounted = `
INSERT INTO usage (tenant_id, day, jobs, connections_peak, requests, commands)
SELECT * FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT (tenant_id, day) DO UPDATE SET
  jobs = greatest(usage.jobs, excluded.jobs), connections_peak = greatest(usage.connections_peak, excluded.connections_peak),
  requests = greatest(usage.requests, excluded.requests), commands = greatest(usage.commands, excluded.commands)`

const select = `
SELECT day::text AS day, messages, jobs, connections_peak, requests, commands, message_bytes FROM usage
WHERE tenant_id = $1 AND day BETWEEN $2::date AND $3::date ORDER BY day LIMIT $4`

const selectStored = `
SELECT coalesce(sum(messages), 0) AS messages, coalesce(sum(message_bytes), 0) AS bytes FROM usage
WHERE tenant_id = $1 AND day <= $2::date`

/**
 * Counts anew the messages that these tenants sent since `since` (milliseconds, a midnight UTC), and notes what actors
 * counted.
 */
export async function rollUpUsage(
  db: Database,
  tenants: readonly string[],
  since: number,
  counted: readonly Counted[],
): Promise<void> {
  const note = db.query(noteCounted, [
    counted.map(({ tenant }) => tenant),
    counted.map(({ day }) => day),
    counted.map(({ jobs }) => jobs),
    counted.map(({ connectionsPeak }) => connectionsPeak),
    counted.map(({ requests }) => requests),
    counted.map(({ commands }) => commands),
  ])
  await db.transaction([setTenants(db, tenants), db.query(countMessages, [tenants, since]), note])
}

const rows = z.array(
  z
    .object({
      day: z.string(),
      messages: z.coerce.number(),
      jobs: z.coerce.number(),
      connections_peak: z.coerce.number(),
      requests: z.coerce.number(),
      commands: z.coerce.number(),
      message_bytes: z.coerce.number(),
    })
    .transform(({ connections_peak, message_bytes, ...day }) => ({
      ...day,
      connectionsPeak: connections_peak,
      messageBytes: message_bytes,
    })),
)

const stored = z.array(z.object({ messages: z.coerce.number(), bytes: z.coerce.number() }))

/** Days on which a tenant used anything, from and up to (both included) a day, at most `limit`; and what its messages take on the last. */
export async function selectUsage(
  db: Database,
  tenant: string,
  { from, to, limit }: { readonly from: string; readonly to: string; readonly limit: number },
): Promise<{ readonly days: DayOfUse[]; readonly stored: StoredMessages }> {
  const [, days, sums] = await db.transaction(
    [setTenants(db, [tenant]), db.query(select, [tenant, from, to, limit]), db.query(selectStored, [tenant, to])],
    { readOnly: true },
  )
  return { days: rows.parse(days), stored: stored.parse(sums)[0] ?? { messages: 0, bytes: 0 } }
}
