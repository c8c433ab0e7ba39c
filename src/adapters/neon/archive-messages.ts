import { z } from 'zod'
import type { Database } from './connect.ts'
import { lockArchive } from './lock-archive.ts'
import { setTenants } from './set-tenants.ts'

/**
 * Moves whole pages into the archive: those with no message from `$2` or later. Entries written to a page afterwards
 * are added to it another night. One statement, so a message is always in exactly one of both places.
 */
const statement = `
WITH due AS (
  SELECT conversation_id, epoch, (seq - 1) / 100 AS page FROM messages old
  WHERE tenant_id = $1 AND sent_at < to_timestamp($2::bigint / 1000.0) AND NOT EXISTS (
    SELECT 1 FROM messages young WHERE young.tenant_id = $1 AND young.conversation_id = old.conversation_id
      AND young.epoch = old.epoch AND (young.seq - 1) / 100 = (old.seq - 1) / 100
      AND young.seq BETWEEN (old.seq - 1) / 100 * 100 + 1 AND (old.seq - 1) / 100 * 100 + 100
      AND young.sent_at >= to_timestamp($2::bigint / 1000.0))
  GROUP BY 1, 2, 3 LIMIT $3
), moved AS (
  DELETE FROM messages m USING due d
  WHERE m.tenant_id = $1 AND m.conversation_id = d.conversation_id AND m.epoch = d.epoch
    AND m.seq BETWEEN d.page * 100 + 1 AND d.page * 100 + 100 AND m.sent_at < to_timestamp($2::bigint / 1000.0)
  RETURNING m.tenant_id, m.conversation_id, m.epoch, d.page, m.seq, m.sent_at, m.user_id, m.client, m.client_id, m.body
)
INSERT INTO archive (tenant_id, conversation_id, epoch, page, seqs, sent_ats, user_ids, clients, client_ids, bodies)
SELECT tenant_id, conversation_id, epoch, page, array_agg(seq ORDER BY seq), array_agg(sent_at ORDER BY seq),
  array_agg(user_id ORDER BY seq), array_agg(client ORDER BY seq), array_agg(client_id ORDER BY seq), array_agg(body ORDER BY seq)
FROM moved GROUP BY tenant_id, conversation_id, epoch, page
ON CONFLICT (tenant_id, conversation_id, epoch, page) DO UPDATE SET
  seqs = archive.seqs || excluded.seqs, sent_ats = archive.sent_ats || excluded.sent_ats,
  user_ids = archive.user_ids || excluded.user_ids, clients = archive.clients || excluded.clients,
  client_ids = archive.client_ids || excluded.client_ids, bodies = archive.bodies || excluded.bodies
RETURNING page`

/** Archives at most `pages` pages of a tenant that ended before `before` (milliseconds since the epoch); returns how many. */
export async function archiveMessages(db: Database, tenant: string, before: number, pages: number): Promise<number> {
  const move = db.query(statement, [tenant, before, pages])
  const [, , moved] = await db.transaction([setTenants(db, [tenant]), lockArchive(db, [tenant]), move])
  return z.array(z.object({ page: z.coerce.number() })).parse(moved).length
}
