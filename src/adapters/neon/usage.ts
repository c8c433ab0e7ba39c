import { z } from 'zod'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

/** What actors counted for one tenant and day (UTC, `2026-11-22`). */
export interface Counted {
  readonly tenant: string
  readonly day: string
  readonly jobs: number
  readonly connectionsPeak: number
}

/** What a tenant used in a day. */
export interface DayOfUse {
  readonly day: string
  readonly messages: number
  readonly jobs: number
  readonly connectionsPeak: number
}

/** Counts only grow, so an older count, or one made after messages were archived, changes nothing. */
const countMessages = `
INSERT INTO usage (tenant_id, day, messages)
SELECT tenant_id, (sent_at AT TIME ZONE 'UTC')::date, count(*) FROM messages
WHERE tenant_id = ANY ($1::text[]) AND sent_at >= to_timestamp($2::bigint / 1000.0) AND client_id IS NOT NULL
GROUP BY 1, 2
ON CONFLICT (tenant_id, day) DO UPDATE SET messages = greatest(usage.messages, excluded.messages)`

const noteCounted = `
INSERT INTO usage (tenant_id, day, jobs, connections_peak)
SELECT * FROM unnest($1::text[], $2::date[], $3::bigint[], $4::bigint[])
ON CONFLICT (tenant_id, day) DO UPDATE SET
  jobs = greatest(usage.jobs, excluded.jobs), connections_peak = greatest(usage.connections_peak, excluded.connections_peak)`

const select = `
SELECT day::text AS day, messages::int8, jobs::int8, connections_peak::int8 FROM usage
WHERE tenant_id = $1 AND day BETWEEN $2::date AND $3::date ORDER BY day`

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
    })
    .transform(({ connections_peak, ...day }) => ({ ...day, connectionsPeak: connections_peak })),
)

/** Days on which a tenant used anything, from and up to (both included) a day. */
export async function selectUsage(db: Database, tenant: string, from: string, to: string): Promise<DayOfUse[]> {
  const [, found] = await db.transaction([setTenants(db, [tenant]), db.query(select, [tenant, from, to])], {
    readOnly: true,
  })
  return rows.parse(found)
}
