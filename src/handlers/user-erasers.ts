import {
  activityOf,
  actorNamesNumbered,
  inboxNotesNumbered,
  inboxNotesOf,
  inboxOf,
  jobQueueOf,
  limiterNamed,
  moderationOf,
  platformOf,
  recipientActors,
  recipientsNumbered,
  recipientsOf,
  tenantOf,
} from '../../durable-objects/address.ts'
import type { ErasedPart } from '../../durable-objects/contracts.ts'
import { callConversation, whenPlaceIsFree } from '../../durable-objects/open-actors.ts'
import { callEventCatalog, callEventConsumer, callEventLog } from '../../durable-objects/open-event-actors.ts'
import { parentOf } from '../activity/growing.ts'
import type { Database } from '../adapters/neon/connect.ts'
import { openShard } from '../adapters/neon/shards.ts'
import {
  rewriteCreator,
  rewriteEntries,
  rewritePage,
  rewriteSearched,
  selectMembers,
  selectUserConversations,
  selectUserEntries,
  selectUserPages,
  type EntryRow,
  type PlacedConversation,
} from '../adapters/neon/user-rows.ts'
import { loadConfig } from '../config.ts'
import { entryWithout } from '../conversations/erase-user.ts'
import type { Env } from '../env.ts'
import { activityNumberOf, bucketOf } from '../events/activity.ts'
import { inJson, type ErasedUser } from '../events/erased-user.ts'
import { entryTexts } from '../events/internal-events.ts'
import { ownTopic } from '../events/own-topic.ts'
import { notesActors } from '../inbox/notes.ts'
import { inLanes } from '../kernel/in-lanes.ts'
import { within } from '../kernel/retry.ts'
import { userPolicies } from '../limits/built-in-policies.ts'
import { keyedLimiterName, limiterName } from '../limits/limiter-names.ts'
import { erasedInboxName, namesActors, namesNumberOf } from '../tenants/actor-names.ts'
import type { ErasedOfUser } from '../tenants/stores.ts'
import type { ErasureStage } from '../tenants/user-erasure.ts'

const actorMs = 10_000
const deadlineMs = 10_000
const entriesPerPart = 200
/** A page has a hundred entries. */
const pagesPerPart = 2
const inboxesPerPart = 32
const inboxesTogether = 4
const jobsPerPart = 500

/** A user that is erased, with the tenant. */
export interface ErasedUserOf extends ErasedUser {
  readonly env: Env
  readonly tenant: string
}

/** Erases a part of a store: `cursor` is "" for the first part, and then `next` of the part before. Every part may be repeated. */
export type EraseSome = (at: ErasedUserOf, cursor: string) => Promise<ErasedPart>

const nothing: ErasedPart = { erased: 0, next: null }
const inTime = async <T>(what: string, call: Promise<T>): Promise<T> => await within(actorMs, what, call)

/** The shard of the tenant, and its placement there, which every statement checks. */
async function shardOf({ env, tenant }: ErasedUserOf): Promise<{ readonly db: Database; readonly epoch: number }> {
  const placement = await inTime('the tenant', tenantOf(env, tenant).placement())
  if (placement === undefined) throw new Error('the tenant is placed nowhere')
  const db = await openShard(loadConfig(env), platformOf(env), placement.shard, 'write', deadlineMs)
  return { db, epoch: placement.epoch }
}

/** Where conversations of a user are listed. Each gives the next one after `after`. */
const sources: readonly ((at: ErasedUserOf, after: string) => Promise<readonly string[]>)[] = [
  async ({ env, tenant, user }, after) => await inboxOf(env, tenant, user).conversationsOf(after, 1),
  async ({ env, tenant, user }, after) => await inboxNotesOf(env, tenant, user).conversationsOf(user, after, 1),
  async (at, after) => await selectUserConversations((await shardOf(at)).db, at.tenant, at.user, after, 1),
]

/** Goes through the conversations of the user, one after the other; the cursor has the source, the conversation and a cursor of its own. */
const byConversation =
  (work: (at: ErasedUserOf, conversation: string, cursor: string) => Promise<ErasedPart>): EraseSome =>
  async (at, cursor) => {
    const [, digits = '0', current = '', inner = ''] = /^(\d+) (\S*) (.*)$/s.exec(cursor) ?? []
    const source = Number(digits)
    const [id = ''] = inner === '' ? ((await sources[source]?.(at, current)) ?? []) : [current]
    if (id === '') return source + 1 < sources.length ? { erased: 0, next: `${source + 1}  ` } : nothing
    const { erased, next } = await work(at, id, inner)
    return { erased, next: `${source} ${id} ${next ?? ''}` }
  }

const conversationLog = byConversation(async ({ env, tenant, ...erased }, conversation, cursor) => {
  const { user, pseudonym, messages } = erased
  return await callConversation(env, tenant, conversation, (actor) =>
    actor.eraseUser({ user, pseudonym, messages }, cursor),
  )
})

/** Asks a conversation; throws until Postgres has all that it holds, since what arrives there later would not be seen. */
async function writtenBy(
  at: ErasedUserOf,
  conversation: string,
  refs: readonly number[],
): Promise<ReadonlySet<number>> {
  const { user, pseudonym, messages } = at
  const { isWritten, theirs } = await callConversation(at.env, at.tenant, conversation, (actor) =>
    actor.writtenWithout({ user, pseudonym, messages }, refs),
  )
  if (!isWritten) throw new Error('a conversation is not copied to Postgres yet')
  return new Set(theirs)
}

type Entry = Omit<EntryRow, 'digest'>

/** Stored entries as they stand without the user; undefined for those that stay as they are. */
async function withoutUser<E extends Entry>(
  at: ErasedUserOf,
  conversation: string,
  rows: readonly E[],
): Promise<(E | undefined)[]> {
  const texts = rows.map(({ body }) => entryTexts?.read(body) ?? body)
  const refs = rows.map((row, place) => (row.user_id === at.user ? undefined : editedIn(texts[place] ?? '')))
  const theirs = await writtenBy(
    at,
    conversation,
    refs.filter((ref) => ref !== undefined),
  )
  return rows.map((row, place) => {
    const { seq, user_id, client, client_id } = row
    const entry = { seq, user: user_id, client, clientId: client_id, data: texts[place] ?? '' }
    const ref = refs[place]
    const without = entryWithout(entry, at, ref !== undefined && theirs.has(ref))
    if (without === undefined) return undefined
    const body = entryTexts?.write(without.data) ?? without.data
    return { ...row, user_id: without.user, client: without.client, client_id: without.clientId, body }
  })
}

function editedIn(text: string): number | undefined {
  if (!text.startsWith('{"type":"message.edited"')) return undefined
  const { ref }: { ref?: number } = JSON.parse(text)
  return ref
}

const entriesOf = ({ tenant, user, messages }: ErasedUserOf, conversation: string) => ({
  tenant,
  conversation,
  user,
  name: inJson(user),
  withEdits: messages === 'delete',
})

const noteRewritten = async ({ env, tenant }: ErasedUserOf, conversation: string, seqs: readonly number[]) =>
  await callConversation(env, tenant, conversation, (actor) => actor.entriesRewritten(seqs))

const placedAt = ({ tenant }: ErasedUserOf, conversation: string, placementEpoch: number): PlacedConversation => ({
  tenant,
  conversation,
  placementEpoch,
})

const changedMeanwhile = () => new Error('rows changed meanwhile, or the tenant moves')

const messages = byConversation(async (at, conversation, cursor) => {
  if (cursor === '') await writtenBy(at, conversation, [])
  const { db, epoch } = await shardOf(at)
  const rows = await selectUserEntries(db, entriesOf(at, conversation), Number(cursor), entriesPerPart)
  const changed = (await withoutUser(at, conversation, rows)).filter((row) => row !== undefined)
  if (changed.length > 0) {
    const written = await rewriteEntries(db, placedAt(at, conversation, epoch), changed)
    await noteRewritten(
      at,
      conversation,
      changed.map(({ seq }) => seq),
    )
    if (written < changed.length) throw changedMeanwhile()
  }
  const next = rows.length < entriesPerPart ? null : String(rows.at(-1)?.seq ?? 0)
  return { erased: changed.length, next }
})

const archive = byConversation(async (at, conversation, cursor) => {
  const [, page = '-1', epoch = ''] = /^(\d+) (.*)$/s.exec(cursor) ?? []
  const shard = await shardOf(at)
  const after = { epoch, page: Number(page) }
  const pages = await selectUserPages(shard.db, entriesOf(at, conversation), after, pagesPerPart)
  let erased = 0
  for (const one of pages) {
    const without = await withoutUser(at, conversation, one.entries)
    const entries = one.entries.map((entry, place) => without[place] ?? entry)
    const seqs = without.flatMap((entry) => (entry === undefined ? [] : [entry.seq]))
    if (seqs.length === 0) continue
    const isWritten = await rewritePage(shard.db, placedAt(at, conversation, shard.epoch), { ...one, entries })
    await noteRewritten(at, conversation, seqs)
    if (!isWritten) throw changedMeanwhile()
    erased += seqs.length
  }
  const last = pages.at(-1)
  return { erased, next: last === undefined || pages.length < pagesPerPart ? null : `${last.page} ${last.epoch}` }
})

const conversations = byConversation(async (at, conversation) => {
  const { db, epoch } = await shardOf(at)
  const isTheirs = await rewriteCreator(db, placedAt(at, conversation, epoch), at.user, at.pseudonym)
  return { erased: isTheirs ? 1 : 0, next: null }
})

const searched = byConversation(async (at, conversation) => {
  const { db, epoch } = await shardOf(at)
  const { user, pseudonym } = at
  const isDeleted = at.messages === 'delete'
  const erased = await rewriteSearched(db, placedAt(at, conversation, epoch), { user, pseudonym, isDeleted })
  return { erased, next: null }
})

/** An actor that was added passes on to the one before it for a while, which keeps its rows. */
const activity = byConversation(async ({ env, tenant, user, pseudonym, messages: kept }, conversation) => {
  const erased = { user, pseudonym, messages: kept }
  let found = 0
  let number: number | undefined = activityNumberOf(bucketOf(conversation), loadConfig(env).activityActors(tenant))
  for (; number !== undefined; number = parentOf(number))
    if (await inTime('activity', activityOf(env, tenant, number).eraseUser(conversation, erased))) found++
  return { erased: found, next: null }
})

const sharedNotes = byConversation(async ({ env, tenant, user, pseudonym, messages: kept }, conversation) => {
  const erased = { user, pseudonym, messages: kept }
  let found = 0
  for (let number = 0; number < notesActors; number++)
    if (await inTime('notes', inboxNotesNumbered(env, tenant, number).eraseShown(conversation, erased))) found++
  return { erased: found, next: null }
})

/** The lists of the other members show the newest message and some members. */
const otherInboxes = byConversation(async (at, conversation, cursor) => {
  const { env, tenant, user, pseudonym } = at
  const erased = { user, pseudonym, messages: at.messages }
  const members = await selectMembers((await shardOf(at)).db, tenant, conversation, cursor, inboxesPerPart)
  let found = 0
  await inLanes(inboxesTogether, members, async (member) => {
    await whenPlaceIsFree(env)
    if (await inTime('inbox', inboxOf(env, tenant, member).eraseShown(conversation, erased))) found++
  })
  return { erased: found, next: members.length < inboxesPerPart ? null : (members.at(-1) ?? null) }
})

/** One queue with each part; the cursor is its name. */
const scheduledMessages: EraseSome = async ({ env, tenant, user }, cursor) => {
  const others = await inTime('default', jobQueueOf(env, tenant, 'default').queueNames())
  const names = ['default', ...others.filter((name) => name !== 'default').toSorted()]
  const place = cursor === '' ? 0 : names.indexOf(cursor)
  const name = names[place]
  if (name === undefined) return nothing
  const erased = await inTime(name, jobQueueOf(env, tenant, name).eraseUser(user, jobsPerPart))
  return { erased, next: erased === jobsPerPart ? name : (names[place + 1] ?? null) }
}

/** Limiters whose key is the user; a policy of the tenant may have other keys, which only its server knows. */
const limiters: EraseSome = async ({ env, tenant, user }, cursor) => {
  const [, digits = '0', after = ''] = /^(\d+) (.*)$/s.exec(cursor) ?? []
  const number = Number(digits)
  const names = actorNamesNumbered(env, tenant, number)
  const page = await inTime('names', names.names('RateLimiter', after))
  let erased = 0
  for (const name of page.names) {
    if (!name.endsWith(`:${user}`)) continue
    await inTime(name, limiterNamed(env, `${tenant}/${name}`).eraseUser(null))
    await inTime('names', names.remove('RateLimiter', name))
    erased++
  }
  // Also those that are not listed yet.
  if (cursor === '')
    for (const policy of userPolicies)
      if (await inTime(policy, limiterNamed(env, limiterName(tenant, policy, user)).eraseUser(null))) erased++
  const ofMessages = limiterName(tenant, 'messages', user)
  const keeper = cursor === '' ? keyedLimiterName(ofMessages) : undefined
  if (keeper !== undefined && (await inTime(keeper, limiterNamed(env, keeper).eraseUser(ofMessages)))) erased++
  if (page.next !== null) return { erased, next: `${number} ${page.next}` }
  return { erased, next: number + 1 < namesActors ? `${number + 1} ` : null }
}

const ownNotes: EraseSome = async ({ env, tenant, user }) => ({
  erased: await inTime('notes', inboxNotesOf(env, tenant, user).eraseUser(user)),
  next: null,
})

const recipients: EraseSome = async ({ env, tenant, user }) => ({
  erased:
    (await inTime('recipients', recipientsOf(env, tenant, user).eraseUser(user))) +
    (await forgetBlocked({ env, tenant, user })),
  next: null,
})

/** Users of all these actors may block the erased one. */
async function forgetBlocked({ env, tenant, user }: Pick<ErasedUserOf, 'env' | 'tenant' | 'user'>): Promise<number> {
  let forgotten = 0
  await inLanes(inboxesTogether, [...Array(recipientActors).keys()], async (number) => {
    await whenPlaceIsFree(env)
    forgotten += await inTime('recipients', recipientsNumbered(env, tenant, number).forgetBlocked(user))
  })
  return forgotten
}

/** Own events of the tenant, in their topic. Edits of which the log does not know whose message they are of are asked about. */
const ownEvents: EraseSome = async (at, cursor) => {
  const { env, tenant, user, pseudonym, messages: kept } = at
  const of = { user, pseudonym, messages: kept }
  const { erased, next, unknown } = await inTime(
    'events',
    callEventLog(env, tenant, ownTopic, (log) => log.eraseUser(of, Number(cursor))),
  )
  let edits = 0
  for (const [conversation, asked] of Map.groupBy(unknown, (one) => one.conversation)) {
    const refs = asked.map(({ ref }) => ref)
    const { theirs } = await callConversation(env, tenant, conversation, (actor) => actor.writtenWithout(of, refs))
    const offsets = asked.flatMap(({ offset, ref }) => (theirs.includes(ref) ? [offset] : []))
    if (offsets.length > 0)
      edits += await inTime(
        'events',
        callEventLog(env, tenant, ownTopic, (log) => log.eraseEdits(of, offsets)),
      )
  }
  return { erased: erased + edits, next: next === null ? null : String(next) }
}

/** Consumers of own events keep those that they try again. One with each part; the cursor is its name. */
const ownConsumers: EraseSome = async ({ env, tenant, user }, cursor) => {
  const all = await inTime(
    'events',
    callEventCatalog(env, tenant, (catalog) => catalog.consumers()),
  )
  const names = all.flatMap(({ name, topic }) => (topic === ownTopic ? [name] : [])).toSorted()
  const name = cursor === '' ? names[0] : names.find((each) => each >= cursor)
  if (name === undefined) return nothing
  const erased = await inTime(
    'events',
    callEventConsumer(env, tenant, name, (consumer) => consumer.eraseUser(user)),
  )
  return { erased, next: names[names.indexOf(name) + 1] ?? null }
}

/** The inbox stays, with the report and what keeps old tokens out: it is listed by the id of its actor from then on. */
const inboxName: EraseSome = async ({ env, tenant, user }) => {
  const id = inboxOf(env, tenant, user).id.toString()
  const name = erasedInboxName(id)
  const serial = await inTime('names', actorNamesNumbered(env, tenant, namesNumberOf(name)).note('Inbox', name))
  if (serial === 0) throw new Error('the tenant is being erased')
  const isRemoved = await inTime('names', actorNamesNumbered(env, tenant, namesNumberOf(user)).remove('Inbox', user))
  return { erased: isRemoved ? 1 : 0, next: null }
}

/** Rounds of the actor with each part, until nothing of the user is left there. */
const moderation: EraseSome = async ({ env, tenant, user, pseudonym }) => {
  const { erased, isDone } = await inTime('moderation', moderationOf(env, tenant).eraseUser(user, pseudonym))
  return { erased, next: isDone ? null : 'more' }
}

const ownInbox: EraseSome = async ({ env, tenant, user }) => ({
  erased: await inTime('inbox', inboxOf(env, tenant, user).eraseEntries()),
  next: null,
})

/**
 * How each store of the registry that has parts of a user is erased. A store without one does not compile. In the first stage the actors come
 * before the tables that are written from them; in the second the list by which conversations are found comes last.
 */
const erasers: Readonly<Record<ErasedOfUser, Partial<Record<ErasureStage, EraseSome>>>> = {
  Conversation: { conversations: conversationLog },
  conversations: { conversations },
  messages: { conversations: messages },
  archive: { conversations: archive },
  message_search: { conversations: searched },
  Activity: { conversations: activity },
  JobQueue: { own: scheduledMessages },
  RateLimiter: { own: limiters },
  InboxNotes: { conversations: sharedNotes, own: ownNotes },
  ActorNames: { own: inboxName },
  Recipients: { own: recipients },
  Moderation: { own: moderation },
  EventLog: { own: ownEvents },
  EventConsumer: { own: ownConsumers },
  Inbox: { conversations: otherInboxes, own: ownInbox },
}

const inStage = (stage: ErasureStage): string[] =>
  Object.entries(erasers).flatMap(([name, of]) => (of[stage] === undefined ? [] : [name]))

/** The stores of each stage. */
export const erasurePlan = { conversations: inStage('conversations'), own: inStage('own') } as const

/** What erases a part of a store in a stage. */
export function eraserOf(store: string, stage: ErasureStage): EraseSome {
  const found = Object.entries(erasers).find(([name]) => name === store)?.[1][stage]
  if (found === undefined) throw new Error(`no store ${store} has parts of a user`)
  return found
}
