import type { Client } from 'pg'
import { z } from 'zod'

/** Old messages of a tenant: so many, of a thousand conversations, over three months. */
export const fillStatement = (tenant: string, messages: number) => `
INSERT INTO messages (tenant_id, conversation_id, seq, sent_at, epoch, user_id, client, client_id, body)
SELECT '${tenant}', 'old' || (n % 1000), n / 1000 + 1, now() - interval '90 days' + interval '90 days' * (n::float8 / ${messages}),
  'e', 'alice', 'phone', 'c' || n, json_build_object('type', 'message', 'user', 'alice', 'text', repeat('words ', 20) || n)::text
FROM generate_series(0, ${messages - 1}) AS n`

const counted = z.tuple([z.object({ rows: z.coerce.number(), places: z.coerce.number() })])

/** The rows of a tenant, and how many places in conversations they are: fewer when a message is there twice. */
export async function countMessages(
  session: Client,
  tenant: string,
  where = 'true',
): Promise<{ readonly rows: number; readonly places: number }> {
  const { rows } = await session.query(
    `SELECT count(*) AS rows, count(DISTINCT (conversation_id, seq)) AS places FROM messages WHERE tenant_id = $1 AND ${where}`,
    [tenant],
  )
  return counted.parse(rows)[0]
}
