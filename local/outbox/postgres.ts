import type { Client } from 'pg'
import { z } from 'zod'
import type { OutboxPorts, OutboxRow } from './relay.ts'

/** A session of Postgres, as far as the relay needs it. */
export type Session = Pick<Client, 'query'>

const rows: z.ZodType<OutboxRow[]> = z.array(z.object({ seq: z.string(), topic: z.string(), event: z.string() }))

/** The text of the event is put together from its parts, so that the data stays as it was written. */
const readRows = `
  SELECT seq::text AS seq, topic,
    left(head, length(head) - 1) || CASE WHEN data IS NULL THEN '' ELSE ',"data":' || data::text END || '}' AS event
  FROM (
    SELECT seq, topic, data, jsonb_strip_nulls(jsonb_build_object(
      'id', id, 'source', source, 'type', type, 'key', key, 'version', version,
      'time', to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))::text AS head
    FROM parley_outbox AS mine
    WHERE published_at IS NULL AND error IS NULL AND NOT EXISTS (
      SELECT 1 FROM parley_outbox AS before
      WHERE before.published_at IS NULL AND before.error IS NOT NULL AND before.topic = mine.topic
        AND before.key = mine.key AND before.seq < mine.seq)
    ORDER BY seq LIMIT $1) AS oldest
  ORDER BY oldest.seq`

/** The outbox in a customer's database. Each call is one statement. */
export function outboxOf(session: Session): Omit<OutboxPorts, 'publish'> {
  return {
    read: async (limit) => rows.parse((await session.query(readRows, [limit])).rows),
    markPublished: async (seqs) => {
      await session.query('UPDATE parley_outbox SET published_at = now() WHERE seq = ANY($1::bigint[])', [seqs])
    },
    markFailed: async (seq, error) => {
      await session.query('UPDATE parley_outbox SET error = $2 WHERE seq = $1', [seq, error.slice(0, 1000)])
    },
  }
}

/** What waits, and for how long the oldest has. */
export interface OutboxLag {
  readonly pending: number
  readonly failed: number
  readonly oldestMs: number
}

const lagRow = z.object({ pending: z.coerce.number(), failed: z.coerce.number(), oldest: z.coerce.number() })

export async function lagOf(session: Session): Promise<OutboxLag> {
  const { rows: found } = await session.query(`
    SELECT count(*) AS pending, count(error) AS failed,
      coalesce(extract(epoch FROM now() - min(time)) * 1000, 0) AS oldest
    FROM parley_outbox WHERE published_at IS NULL`)
  const { pending, failed, oldest } = lagRow.parse(found[0])
  return { pending, failed, oldestMs: Math.max(0, Math.round(oldest)) }
}

/** Deletes rows that were published longer ago, at most `limit`; returns how many. */
export async function cleanUp(session: Session, keepSeconds: number, limit: number): Promise<number> {
  const { rowCount } = await session.query(
    `DELETE FROM parley_outbox WHERE seq IN (
       SELECT seq FROM parley_outbox WHERE published_at < now() - make_interval(secs => $1) LIMIT $2)`,
    [keepSeconds, limit],
  )
  return rowCount ?? 0
}

/** Number of the advisory lock that one relay of a database holds. */
const relayLock = 7_266_431

/** Whether this session is now the relay of its database; it stays it until it ends. */
export async function becomeRelay(session: Session): Promise<boolean> {
  const { rows: found } = await session.query('SELECT pg_try_advisory_lock($1) AS got', [relayLock])
  return z.object({ got: z.boolean() }).parse(found[0]).got
}
