import { inboxNotesOf, inboxOf, jobQueueOf } from '../../../../durable-objects/address.ts'
import { callNotificationCatalog, callRecipients } from '../../../../durable-objects/open-recipients.ts'
import { selectConversationsOfUser } from '../../../adapters/neon/export-rows.ts'
import { conversationPattern } from '../../../protocol/payloads.ts'
import { entryLine, exportLine, type ExportedEntry } from '../../../protocol/export-lines.ts'
import { BadCursor, mergedNames, type ExportSource } from '../../../tenants/export-page.ts'
import type { ExportedOfUser } from '../../../tenants/stores.ts'
import { conversationLine, entriesOf, shardOf, type ExportedTenant } from './conversation-lines.ts'

/** A user whose data is exported. */
export interface ExportedUser extends ExportedTenant {
  readonly user: string
}

/** Ids of conversations that are looked up at once. */
const namesAtOnce = 50

type MakeSource = (at: ExportedUser) => ExportSource['read']

/** The profile, preferences, feed and notices. */
const profile: MakeSource =
  ({ env, tenant, user }) =>
  async (cursor, limit) =>
    await callRecipients(env, tenant, user, (own) => own.exportUser(user, cursor, limit))

const subscriptions: MakeSource =
  ({ env, tenant, user }) =>
  async () => {
    const topics = await callRecipients(env, tenant, user, (own) => own.topicsOf(user))
    if (topics.length === 0) return { lines: [], next: null }
    const names = await callNotificationCatalog(env, tenant, (catalog) => catalog.topicNames(topics))
    return { lines: names.map((topic) => exportLine('subscription', { user, topic })), next: null }
  }

/**
 * The conversations that the erasure of the user would go through, in the order of their ids: the membership, what the user wrote, and
 * what names the user. A cursor is `<conversation> <seq>`, or `<conversation> end`.
 */
const conversations: MakeSource = (at) => {
  const { env, tenant, user } = at
  const lists = [
    async (after: string, limit: number) => await inboxOf(env, tenant, user).conversationsOf(after, limit),
    async (after: string, limit: number) => await inboxNotesOf(env, tenant, user).conversationsOf(user, after, limit),
    async (after: string, limit: number) => await selectConversationsOfUser((await shardOf(at)).db, at, after, limit),
  ]
  /** Ids after `known.after`, as they were found for this page. */
  let known: { readonly after: string; readonly ids: readonly string[] } | undefined
  const idAfter = async (after: string): Promise<string | undefined> => {
    const place = known === undefined || after < known.after ? -1 : known.ids.findIndex((id) => id > after)
    if (known !== undefined && place >= 0) return known.ids[place]
    known = { after, ids: await mergedNames(lists, after, namesAtOnce) }
    return known.ids[0]
  }
  return async (cursor, limit) => {
    const [current, position] = placeOf(cursor)
    const isEnded = position === 'end'
    const id = isEnded ? await idAfter(current) : current
    if (id === undefined) return { lines: [], next: null }
    const after = isEnded ? 0 : Number(position)
    const { head, entries, next } = await entriesOf(at, id, { user, after, limit })
    const lines = entries.flatMap((entry) => lineFor(user, id, entry))
    const isNew = isEnded && head !== undefined
    // A channel that the user has nothing to do with is only searched.
    const isTheirs = head?.member !== null || head.conversation.createdBy === user || lines.length > 0
    if (isNew && isTheirs) lines.unshift(conversationLine(head, { member: head.member }))
    return { lines, next: `${id} ${next ?? 'end'}` }
  }
}

function placeOf(cursor: string): readonly [string, string] {
  if (cursor === '') return ['', 'end']
  const [, id = '', position = ''] = /^(\S+) (\d{1,15}|end)$/.exec(cursor) ?? []
  if (!conversationPattern.test(id)) throw new BadCursor('not a cursor of this export; give `next` of the page before')
  return [id, position]
}

/** What the user wrote, and changes of their membership, as they are; of messages of others that mention the user only where they are. */
function lineFor(user: string, conversation: string, entry: ExportedEntry): string[] {
  if (entry.user === user) return [entryLine(conversation, entry)]
  const { type, member, mentions }: { type?: string; member?: string; mentions?: { users?: string[] } | string[] } =
    JSON.parse(entry.data)
  if (type?.startsWith('member.') === true) return member === user ? [entryLine(conversation, entry)] : []
  const named = Array.isArray(mentions) ? mentions : mentions?.users
  const { seq, at } = entry
  return named?.includes(user) === true ? [exportLine('mention', { conversation, seq, at })] : []
}

/** One queue after the other; a cursor is `<seq> <queue>`. */
const scheduledMessages: MakeSource =
  ({ env, tenant, user }) =>
  async (cursor, limit) => {
    const others = await jobQueueOf(env, tenant, 'default').queueNames()
    const names = ['default', ...others.filter((name) => name !== 'default').toSorted()]
    const [, digits = '0', queue = 'default'] = /^(\d{1,15}) (.+)$/s.exec(cursor) ?? []
    const place = names.indexOf(queue)
    if (place < 0) throw new BadCursor('a queue of this export is gone; begin it again')
    const { lines, next } = await jobQueueOf(env, tenant, queue).exportMessages(user, Number(digits), limit)
    const following = names[place + 1]
    const after = following === undefined ? null : `0 ${following}`
    return { lines, next: next === null ? after : `${next} ${queue}` }
  }

const sources = { profile, subscriptions, conversations, scheduled: scheduledMessages } as const

/** Which source has what each store of the registry holds of a user. A store that is exported without one does not compile. */
export const sourcesOfStores: Readonly<Record<ExportedOfUser, readonly (keyof typeof sources)[]>> = {
  Recipients: ['profile', 'subscriptions'],
  Inbox: ['conversations'],
  Conversation: ['conversations'],
  messages: ['conversations'],
  archive: ['conversations'],
  JobQueue: ['scheduled'],
}

/** What the export of a user reads, in its order. */
export const userSources = (at: ExportedUser): ExportSource[] =>
  Object.entries(sources).map(([name, make]) => ({ name, read: make(at) }))
