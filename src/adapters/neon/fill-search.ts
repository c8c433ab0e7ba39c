import { z } from 'zod'
import { entryTexts } from '../../events/internal-events.ts'
import { indexedIn } from '../../search/indexed.ts'
import type { Database } from './connect.ts'
import { indexMessages } from './index-messages.ts'
import { setTenants } from './set-tenants.ts'

/** Entries, or pages of a hundred of them, that one step adds. */
const entriesTogether = 300
const pagesTogether = 3

/** How far a tenant is: its messages, then its archive; each with the key of what was added last. */
const progress = z.discriminatedUnion('of', [
  z.object({ of: z.literal('messages'), conversation: z.string(), seq: z.number() }),
  z.object({ of: z.literal('archive'), conversation: z.string(), epoch: z.string(), page: z.number() }),
  z.object({ of: z.literal('done') }),
])
export type FillProgress = z.output<typeof progress>

const beginning: FillProgress = { of: 'messages', conversation: '', seq: 0 }

const unfilled = `
SELECT p.tenant_id, p.epoch FROM placements p
WHERE p.tenant_id = ANY ($1::text[]) AND p.state = 'active' AND NOT EXISTS (
  SELECT 1 FROM search_settings s WHERE s.tenant_id = p.tenant_id AND s.name = 'filled' AND s.value = '{"of":"done"}')
ORDER BY 1`

/** A tenant whose older messages are not all in the search yet. */
export interface UnfilledTenant {
  readonly tenant: string
  readonly placementEpoch: number
}

/** Those of `tenants` whose older messages are not all in the search yet. */
export async function selectUnfilled(db: Database, tenants: readonly string[]): Promise<UnfilledTenant[]> {
  const [, rows] = await db.transaction([setTenants(db, tenants), db.query(unfilled, [tenants])])
  return z
    .array(z.object({ tenant_id: z.string(), epoch: z.coerce.number() }))
    .parse(rows)
    .map(({ tenant_id, epoch }) => ({ tenant: tenant_id, placementEpoch: epoch }))
}

const filledValue = `SELECT value FROM search_settings WHERE tenant_id = $1 AND name = 'filled'`

const entries = `
SELECT conversation_id, seq, round(extract(epoch FROM sent_at) * 1000)::int8 AS at, user_id, body FROM messages
WHERE tenant_id = $1 AND (conversation_id, seq) > ($2, $3::bigint) ORDER BY conversation_id, seq LIMIT $4`

const archived = `
SELECT a.conversation_id, a.epoch, a.page, e.seq, round(extract(epoch FROM e.sent_at) * 1000)::int8 AS at, e.user_id, e.body
FROM (
  SELECT * FROM archive WHERE tenant_id = $1 AND (conversation_id, epoch, page) > ($2, $3, $4::bigint)
  ORDER BY conversation_id, epoch, page LIMIT $5
) AS a, unnest(a.seqs, a.sent_ats, a.user_ids, a.bodies) AS e(seq, sent_at, user_id, body)
ORDER BY a.conversation_id, a.epoch, a.page, e.seq`

const save = `
INSERT INTO search_settings (tenant_id, name, value)
SELECT p.tenant_id, 'filled', $3 FROM placements p WHERE p.tenant_id = $1 AND p.epoch = $2::bigint AND p.state = 'active'
ON CONFLICT (tenant_id, name) DO UPDATE SET value = excluded.value`

const entryRow = z.object({
  conversation_id: z.string(),
  seq: z.coerce.number(),
  at: z.coerce.number(),
  user_id: z.string(),
  body: z.string(),
})
const archivedRow = entryRow.extend({ epoch: z.string(), page: z.coerce.number() })

/**
 * Adds the next messages of a tenant to the search, and notes how far it is in the same transaction. A step that is repeated changes
 * nothing: what is written meanwhile has a higher version. Returns how many entries were read, and whether that was the end.
 */
export async function fillSearch(
  db: Database,
  { tenant, placementEpoch }: UnfilledTenant,
): Promise<{ readonly read: number; readonly isDone: boolean }> {
  const ask = async (query: string, params: readonly unknown[]) =>
    (await db.transaction([setTenants(db, [tenant]), db.query(query, [...params])], { readOnly: true }))[1]
  const [stored] = z.array(z.object({ value: z.string() })).parse(await ask(filledValue, [tenant]))
  const at = stored === undefined ? beginning : progress.parse(JSON.parse(stored.value))
  if (at.of === 'done') return { read: 0, isDone: true }
  const { rows, next } =
    at.of === 'messages'
      ? afterMessages(await ask(entries, [tenant, at.conversation, at.seq, entriesTogether]))
      : afterArchive(await ask(archived, [tenant, at.conversation, at.epoch, at.page, pagesTogether]))
  const byConversation = Map.groupBy(rows, (row) => row.conversation_id)
  const indexed = [...byConversation].map(([conversation, same]) => ({
    tenant,
    placementEpoch,
    conversation,
    messages: indexedIn(
      same.map(({ seq, at: sentAt, user_id, body }) => ({
        seq,
        at: sentAt,
        user: user_id,
        data: entryTexts?.read(body) ?? body,
      })),
    ),
  }))
  const isAnew = true
  await db.transaction([
    setTenants(db, [tenant]),
    indexMessages(db, indexed, isAnew),
    db.query(save, [tenant, placementEpoch, JSON.stringify(next)]),
  ])
  return { read: rows.length, isDone: next.of === 'done' }
}

interface NextPart {
  readonly rows: readonly z.output<typeof entryRow>[]
  readonly next: FillProgress
}

function afterMessages(found: unknown): NextPart {
  const rows = z.array(entryRow).parse(found)
  const last = rows.at(-1)
  return last === undefined
    ? { rows, next: { of: 'archive', conversation: '', epoch: '', page: -1 } }
    : { rows, next: { of: 'messages', conversation: last.conversation_id, seq: last.seq } }
}

function afterArchive(found: unknown): NextPart {
  const rows = z.array(archivedRow).parse(found)
  const last = rows.at(-1)
  return last === undefined
    ? { rows, next: { of: 'done' } }
    : { rows, next: { of: 'archive', conversation: last.conversation_id, epoch: last.epoch, page: last.page } }
}
