import { z } from 'zod'
import type { Database } from './connect.ts'
import { setTenants } from './set-tenants.ts'

/** A statement that looks for a user is ended by Postgres after this time: it holds up no other tenant's. */
const statementMs = 10_000

/** Entries of one conversation that a user wrote, or that name them. */
export interface UserEntries {
  readonly tenant: string
  readonly conversation: string
  readonly user: string
  /** The user's id as it stands in JSON. */
  readonly name: string
  /** Whether edits by others are wanted as well: they may be edits of the user's messages. */
  readonly withEdits: boolean
}

/** A stored entry, and what says that it has not changed since it was read. */
const entryRow = z.object({
  seq: z.coerce.number(),
  user_id: z.string(),
  client: z.string(),
  client_id: z.string().nullable(),
  body: z.string(),
  digest: z.string(),
})
export type EntryRow = z.output<typeof entryRow>

const entries = `
SELECT seq, user_id, client, client_id, body, md5(body) AS digest FROM messages
WHERE tenant_id = $1 AND conversation_id = $2 AND seq > $3::bigint
  AND (user_id = $4 OR strpos(body, $5) > 0 OR ($6::boolean AND body LIKE '{"type":"message.edited"%'))
ORDER BY seq LIMIT $7`

/** Those after the seq `after`, in order. */
export async function selectUserEntries(
  db: Database,
  of: UserEntries,
  after: number,
  limit: number,
): Promise<EntryRow[]> {
  const params = [of.tenant, of.conversation, after, of.user, of.name, of.withEdits, limit]
  return z.array(entryRow).parse(await inTransaction(db, of.tenant, entries, params))
}

/** A page of the archive with its entries. */
export interface ArchivedPage {
  readonly epoch: string
  readonly page: number
  readonly digest: string
  readonly entries: readonly Omit<EntryRow, 'digest'>[]
}

const pages = `
SELECT epoch, page, md5(bodies::text) AS digest, to_json(seqs)::text AS seqs, to_json(user_ids)::text AS users,
  to_json(clients)::text AS clients, to_json(client_ids)::text AS ids, to_json(bodies)::text AS bodies
FROM archive WHERE tenant_id = $1 AND conversation_id = $2 AND (epoch, page) > ($3, $4::bigint)
  AND ($5 = ANY (user_ids) OR EXISTS (SELECT 1 FROM unnest(bodies) AS body
    WHERE strpos(body, $6) > 0 OR ($7::boolean AND body LIKE '{"type":"message.edited"%')))
ORDER BY epoch, page LIMIT $8`

const texts = z.string().transform((text) => z.array(z.string()).parse(JSON.parse(text)))
const pageRow = z.object({
  epoch: z.string(),
  page: z.coerce.number(),
  digest: z.string(),
  seqs: z.string().transform((text) => z.array(z.number()).parse(JSON.parse(text))),
  users: texts,
  clients: texts,
  ids: z.string().transform((text) => z.array(z.string().nullable()).parse(JSON.parse(text))),
  bodies: texts,
})

/** Pages of the archive with such entries, after a page, in order. */
export async function selectUserPages(
  db: Database,
  of: UserEntries,
  after: Pick<ArchivedPage, 'epoch' | 'page'>,
  limit: number,
): Promise<ArchivedPage[]> {
  const params = [of.tenant, of.conversation, after.epoch, after.page, of.user, of.name, of.withEdits, limit]
  return z
    .array(pageRow)
    .parse(await inTransaction(db, of.tenant, pages, params))
    .map(({ epoch, page, digest, seqs, users, clients, ids, bodies }) => ({
      epoch,
      page,
      digest,
      entries: seqs.map((seq, place) => ({
        seq,
        user_id: users[place] ?? '',
        client: clients[place] ?? '',
        client_id: ids[place] ?? null,
        body: bodies[place] ?? '',
      })),
    }))
}

/** Where rows are written, if the placement is still that of the tenant. */
export interface PlacedConversation {
  readonly tenant: string
  readonly placementEpoch: number
  readonly conversation: string
}

const rewriteOfEntries = `
UPDATE messages m SET user_id = n.user_id, client = n.client, client_id = n.client_id, body = n.body
FROM unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
  AS n(seq, digest, user_id, client, client_id, body)
JOIN placements p ON p.tenant_id = $1 AND p.epoch = $2::bigint AND p.state = 'active'
WHERE m.tenant_id = $1 AND m.conversation_id = $3 AND m.seq = n.seq AND md5(m.body) = n.digest
RETURNING m.seq`

/** Replaces entries that have not changed since they were read. Returns how many: none of them where the tenant is placed elsewhere. */
export async function rewriteEntries(db: Database, at: PlacedConversation, rows: readonly EntryRow[]): Promise<number> {
  const written = await inTransaction(db, at.tenant, rewriteOfEntries, [
    at.tenant,
    at.placementEpoch,
    at.conversation,
    rows.map(({ seq }) => seq),
    rows.map(({ digest }) => digest),
    rows.map(({ user_id }) => user_id),
    rows.map(({ client }) => client),
    rows.map(({ client_id }) => client_id),
    rows.map(({ body }) => body),
  ])
  return z.array(z.object({ seq: z.coerce.number() })).parse(written).length
}

const rewriteOfPage = `
UPDATE archive a SET user_ids = $7::text[], clients = $8::text[], client_ids = $9::text[], bodies = $10::text[]
FROM placements p
WHERE p.tenant_id = $1 AND p.epoch = $2::bigint AND p.state = 'active'
  AND a.tenant_id = $1 AND a.conversation_id = $3 AND a.epoch = $4 AND a.page = $5::bigint AND md5(a.bodies::text) = $6
RETURNING a.page`

/** Replaces the entries of a page, where it lies, if it has not changed since it was read. False where the tenant is placed elsewhere. */
export async function rewritePage(db: Database, at: PlacedConversation, page: ArchivedPage): Promise<boolean> {
  const written = await inTransaction(db, at.tenant, rewriteOfPage, [
    at.tenant,
    at.placementEpoch,
    at.conversation,
    page.epoch,
    page.page,
    page.digest,
    page.entries.map(({ user_id }) => user_id),
    page.entries.map(({ client }) => client),
    page.entries.map(({ client_id }) => client_id),
    page.entries.map(({ body }) => body),
  ])
  return z.array(z.object({ page: z.coerce.number() })).parse(written).length > 0
}

const rewriteOfCreator = `
UPDATE conversations c SET created_by = $5 FROM placements p
WHERE p.tenant_id = $1 AND p.epoch = $2::bigint AND p.state = 'active'
  AND c.tenant_id = $1 AND c.conversation_id = $3 AND c.created_by = $4
RETURNING c.conversation_id`

/** Replaces the creator of a conversation; returns whether it was `user`. */
export async function rewriteCreator(
  db: Database,
  at: PlacedConversation,
  user: string,
  pseudonym: string,
): Promise<boolean> {
  const params = [at.tenant, at.placementEpoch, at.conversation, user, pseudonym]
  return z.array(z.unknown()).parse(await inTransaction(db, at.tenant, rewriteOfCreator, params)).length > 0
}

const renameFound = `
UPDATE message_search m SET user_id = $5,
  text = CASE WHEN $6::boolean THEN '' ELSE m.text END, words = CASE WHEN $6::boolean THEN '' ELSE m.words END,
  attached = CASE WHEN $6::boolean THEN '' ELSE m.attached END, deleted = m.deleted OR $6::boolean
FROM placements p
WHERE p.tenant_id = $1 AND p.epoch = $2::bigint AND p.state = 'active'
  AND m.tenant_id = $1 AND m.conversation_id = $3 AND m.user_id = $4
RETURNING m.seq`

/** Replaces the author of messages in what is searched, and removes their texts with `isDeleted`. Returns how many there were. */
export async function rewriteSearched(
  db: Database,
  at: PlacedConversation,
  { user, pseudonym, isDeleted }: { readonly user: string; readonly pseudonym: string; readonly isDeleted: boolean },
): Promise<number> {
  const params = [at.tenant, at.placementEpoch, at.conversation, user, pseudonym, isDeleted]
  return z.array(z.unknown()).parse(await inTransaction(db, at.tenant, renameFound, params)).length
}

/** Every user may have been mentioned in a channel without being its member. */
const conversations = `
SELECT conversation_id AS name FROM (
  SELECT conversation_id FROM members WHERE tenant_id = $1 AND user_id = $2
  UNION SELECT conversation_id FROM conversations WHERE tenant_id = $1 AND (type = 'channel' OR created_by = $2)
) AS found WHERE conversation_id > $3 ORDER BY conversation_id LIMIT $4`

const members = `
SELECT user_id AS name FROM members WHERE tenant_id = $1 AND conversation_id = $2 AND user_id > $3 ORDER BY user_id LIMIT $4`

/** Conversations that a user is a member of or has made, and channels, after `after`, in order. */
export const selectUserConversations = async (
  db: Database,
  tenant: string,
  user: string,
  after: string,
  limit: number,
): Promise<string[]> => await names(db, tenant, conversations, [tenant, user, after, limit])

/** Members of a conversation after `after`, in order. */
export const selectMembers = async (
  db: Database,
  tenant: string,
  conversation: string,
  after: string,
  limit: number,
): Promise<string[]> => await names(db, tenant, members, [tenant, conversation, after, limit])

async function names(db: Database, tenant: string, statement: string, params: readonly unknown[]): Promise<string[]> {
  const rows = z.array(z.object({ name: z.string() })).parse(await inTransaction(db, tenant, statement, params))
  return rows.map(({ name }) => name)
}

async function inTransaction(db: Database, tenant: string, statement: string, params: readonly unknown[]) {
  const limit = db.query(`SELECT set_config('statement_timeout', $1, true)`, [String(statementMs)])
  const [, , found] = await db.transaction([setTenants(db, [tenant]), limit, db.query(statement, [...params])])
  return found
}
