import { recipientActors } from '../../../../durable-objects/address.ts'
import { callConversation } from '../../../../durable-objects/open-actors.ts'
import { callNotificationCatalog, callRecipientsNumbered } from '../../../../durable-objects/open-recipients.ts'
import { selectNames } from '../../../adapters/neon/tenant-rows.ts'
import { selectUsage } from '../../../adapters/neon/usage.ts'
import { exportLine } from '../../../protocol/export-lines.ts'
import { conversationPattern } from '../../../protocol/payloads.ts'
import { BadCursor, type ExportedPart, type ExportSource } from '../../../tenants/export-page.ts'
import { conversationLine, entriesOf, linesOf, shardOf, type ExportedTenant } from './conversation-lines.ts'

const badCursor = () => new BadCursor('not a cursor of this export; give `next` of the page before')
/** Ids of conversations that are looked up at once, and members that are read at once. */
const namesAtOnce = 50
const membersAtOnce = 100

/** What is kept of users beside their conversations, actor by actor. A cursor is the number of the actor and a cursor there. */
const users =
  ({ env, tenant }: ExportedTenant): ExportSource['read'] =>
  async (cursor, limit) => {
    const [, digits = '0', rest = ''] = /^(\d{1,2}) (.*)$/s.exec(cursor) ?? []
    const actor = Number(digits)
    if (actor >= recipientActors) throw badCursor()
    const { lines, next } = await callRecipientsNumbered(env, tenant, actor, (own) => own.exportUsers(rest, limit))
    const following = actor + 1 < recipientActors ? `${actor + 1} ` : null
    return { lines, next: next === null ? following : `${actor} ${next}` }
  }

/** Subscribers topic by topic. A cursor is `<actor> <user> <topic>`, of which the user may be empty. */
const subscriptions =
  ({ env, tenant }: ExportedTenant): ExportSource['read'] =>
  async (cursor, limit) => {
    const [, digits = '', user = '', current = ''] = /^(\d{1,2}) (\S*) (.+)$/s.exec(cursor) ?? []
    const actor = Number(digits === '' ? recipientActors : digits)
    if (actor >= recipientActors) {
      const [topic] = await callNotificationCatalog(env, tenant, (catalog) => catalog.topics(current, 1))
      return { lines: [], next: topic === undefined ? null : `0  ${topic}` }
    }
    const number = await callNotificationCatalog(env, tenant, (catalog) => catalog.topic(current))
    const names =
      number === undefined
        ? []
        : await callRecipientsNumbered(env, tenant, actor, (own) => own.subscribers(number, user, limit))
    const lines = names.map((each) => exportLine('subscription', { user: each, topic: current }))
    const isOver = names.length < limit
    return { lines, next: isOver ? `${actor + 1}  ${current}` : `${actor} ${names.at(-1) ?? ''} ${current}` }
  }

/** All conversations that are not deleted, in the order of Postgres; their ids are found for a page at once. */
const conversations = (at: ExportedTenant): ExportSource['read'] => {
  let known: { after: string; readonly ids: string[] } = { after: '', ids: [] }
  const idAfter = async (after: string): Promise<string | undefined> => {
    if (known.after !== after || known.ids.length === 0) {
      const { db } = await shardOf(at)
      known = { after, ids: await selectNames(db, 'conversations', at.tenant, { after, limit: namesAtOnce }) }
    }
    const id = known.ids.shift()
    if (id !== undefined) known.after = id
    return id
  }
  return async (cursor, limit) => {
    const [, current = '', rest = 'end'] = cursor === '' ? [] : (/^(\S+) (.+)$/s.exec(cursor) ?? [])
    if (cursor !== '' && !conversationPattern.test(current)) throw badCursor()
    const id = rest === 'end' ? await idAfter(current) : current
    if (id === undefined) return { lines: [], next: null }
    const { lines, next } = await ofConversation(at, id, rest === 'end' ? '' : rest, limit)
    return { lines, next: `${id} ${next ?? 'end'}` }
  }
}

/** One conversation: its properties, its members, then its entries. A cursor is `members <user>`, or the seq of an entry. */
export async function ofConversation(
  at: ExportedTenant,
  id: string,
  cursor: string,
  limit: number,
): Promise<ExportedPart> {
  const [, after] = /^members (\S*)$/.exec(cursor) ?? []
  if (after !== undefined) {
    const count = Math.min(limit, membersAtOnce)
    const members = await callConversation(at.env, at.tenant, id, (actor) => actor.exportMembers(after, count))
    const lines = members.map((member) => exportLine('member', { conversation: id, member }))
    return { lines, next: members.length < count ? '0' : `members ${members.at(-1)?.user ?? ''}` }
  }
  if (cursor !== '' && !/^\d{1,15}$/.test(cursor)) throw badCursor()
  const { head, entries, next } = await entriesOf(at, id, { user: null, after: Number(cursor), limit })
  if (head === undefined || head.conversation.deletedAt !== undefined) return { lines: [], next: null }
  if (cursor === '') return { lines: [conversationLine(head)], next: 'members ' }
  return { lines: linesOf(id, entries), next: next === null ? null : String(next) }
}

/** Use by day. A cursor is the last day. */
const usage =
  (at: ExportedTenant): ExportSource['read'] =>
  async (cursor, limit) => {
    if (cursor !== '' && !/^\d{4}-\d\d-\d\d$/.test(cursor)) throw badCursor()
    const { db } = await shardOf(at)
    const { days } = await selectUsage(db, at.tenant, {
      from: cursor || '0001-01-01',
      to: '9999-12-31',
      limit: limit + 1,
    })
    const rest = days.filter(({ day }) => day > cursor).slice(0, limit)
    const lines = rest.map((day) => exportLine('usage', day))
    return { lines, next: rest.length < limit ? null : (rest.at(-1)?.day ?? null) }
  }

/** What the export of a tenant reads, in its order. */
export const tenantSources = (at: ExportedTenant): ExportSource[] => [
  { name: 'users', read: users(at) },
  { name: 'subscriptions', read: subscriptions(at) },
  { name: 'conversations', read: conversations(at) },
  { name: 'usage', read: usage(at) },
]
