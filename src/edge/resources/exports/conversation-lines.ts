import { platformOf, tenantOf } from '../../../../durable-objects/address.ts'
import type { ExportedEntries } from '../../../../durable-objects/contracts.ts'
import { callConversation } from '../../../../durable-objects/open-actors.ts'
import { selectExported } from '../../../adapters/neon/export-rows.ts'
import { openShard } from '../../../adapters/neon/shards.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { inJson } from '../../../events/erased-user.ts'
import { entryTexts } from '../../../events/internal-events.ts'
import { tombstone } from '../../../events/tombstone.ts'
import { entryLine, exportLine, type ExportedEntry } from '../../../protocol/export-lines.ts'

const deadlineMs = 10_000

/** A tenant whose data is exported. */
export interface ExportedTenant {
  readonly env: Env
  readonly tenant: string
}

/** The shard of the tenant, and the epoch of its placement there. */
export async function shardOf({ env, tenant }: ExportedTenant) {
  const placement = await tenantOf(env, tenant).placement()
  if (placement === undefined) throw new Error('the tenant is placed nowhere')
  const db = await openShard(loadConfig(env), platformOf(env), placement.shard, 'read', deadlineMs)
  return { db, epoch: placement.epoch }
}

/** Entries of a conversation, and after which the following part begins; null at the end, and where there is no conversation. */
export interface EntriesPart {
  readonly head: ExportedEntries | undefined
  readonly entries: readonly ExportedEntry[]
  readonly next: number | null
}

/**
 * The next entries of a conversation in order, all of them or those that a user wrote or that name the user: old ones from Postgres and
 * its archive, the others from the conversation.
 */
export async function entriesOf(
  at: ExportedTenant,
  conversation: string,
  { user, after, limit }: { readonly user: string | null; readonly after: number; readonly limit: number },
): Promise<EntriesPart> {
  const { env, tenant } = at
  const head = await callConversation(env, tenant, conversation, (actor) => actor.exportEntries({ user, after, limit }))
  if (head === undefined) return { head, entries: [], next: null }
  if (after + 1 >= head.floor) return { head, entries: head.rows, next: head.reached < head.top ? head.reached : null }
  const { db, epoch: placementEpoch } = await shardOf(at)
  const range = { tenant, placementEpoch, conversation, after, upTo: head.upTo }
  const named = user === null ? undefined : { id: user, name: inJson(user) }
  const rows = await selectExported(db, { ...range, user: named }, limit)
  const deleted = new Set(head.deleted)
  const entries = rows.map(({ seq, at: time, user_id, client_id, body }): ExportedEntry => {
    const text = entryTexts?.read(body) ?? body
    return { seq, at: time, user: user_id, clientId: client_id, data: deleted.has(seq) ? tombstone(text) : text }
  })
  const reached = rows.length < limit ? head.upTo : (rows.at(-1)?.seq ?? head.upTo)
  return { head, entries, next: reached < head.top ? reached : null }
}

/** The line of a conversation; `of` has what else is said of it. */
export function conversationLine({ conversation }: ExportedEntries, of: object = {}): string {
  const { id, ...properties } = conversation
  return exportLine('conversation', { conversation: id, properties, ...of })
}

export const linesOf = (conversation: string, entries: readonly ExportedEntry[]): string[] =>
  entries.map((entry) => entryLine(conversation, entry))
