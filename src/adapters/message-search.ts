import { NeonDbError } from '@neondatabase/serverless'
import { loadConfig } from '../config.ts'
import type { Actor } from '../conversations/types.ts'
import type { Env } from '../env.ts'
import { inLanes } from '../kernel/in-lanes.ts'
import { systemClock } from '../kernel/clock.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { idsOf } from '../kernel/request-context.ts'
import { spreadMs } from '../kernel/retry.ts'
import { UnderWay } from '../limits/under-way.ts'
import { refuse, refuseTooFast, type Refusal } from '../protocol/errors.ts'
import type { SearchAnswer, SearchInput } from '../protocol/search-api.ts'
import { decodeCursor, encodeCursor, type SearchCursor } from '../search/cursor.ts'
import { excerptOf } from '../search/excerpt.ts'
import { termOfHas } from '../search/indexed.ts'
import { maxSearchWords, readPattern } from '../search/query.ts'
import type { Placement } from '../tenants/record.ts'
import type { ShardRegistry } from '../tenants/shard-cache.ts'
import { untaggedPorts } from './cache-ports.ts'
import { fromDependency } from './dependency.ts'
import type { Database } from './neon/connect.ts'
import { fillSearch, type UnfilledTenant } from './neon/fill-search.ts'
import { readShard } from './neon/read-shard.ts'
import { openShard } from './neon/shards.ts'
import { searchMessages, type FoundMessage, type SearchQuestion } from './neon/search-messages.ts'

/** A search looks at no further weeks after this time, and Postgres ends it after the second. */
const scanMs = 400
const statementMs = 2500
const deadlineMs = 4000
/** The newest messages that a search by relevance compares. */
const ranked = 500
/** Conversations that are asked at one time. */
const conversationsTogether = 8
/** Searches of one user, one tenant and all of them that this process has under way. */
const max = { user: 2, tenant: 6, all: 24 } as const
const underWay = new UnderWay()

/** Steps of a few hundred older messages that a search adds behind its answer. */
const stepsBehind = 20

/** The end of time in milliseconds, as far as Postgres and JavaScript agree. */
const forever = 8_640_000_000_000

/** The actors that a search needs. */
export interface SearchPorts {
  readonly registry: ShardRegistry
  /** Where the tenant's rows are stored. */
  placement(): Promise<Placement | undefined>
  /** Which of the messages the actor may see at this moment, with the texts of edited ones. */
  found(
    conversation: string,
    actor: Actor,
    seqs: readonly number[],
  ): Promise<readonly { readonly seq: number; readonly text?: string }[]>
}

/** A caller of a search. */
export interface Searcher {
  readonly tenant: string
  readonly actor: Actor
  /** Counts searches under way of this caller. */
  readonly name: string
}

/**
 * A page of the messages that an actor may read: found in Postgres, then judged by each conversation. Throws a DependencyError that
 * names the shard when it does not answer.
 */
export async function searchFor(
  env: Env,
  searcher: Searcher,
  input: SearchInput,
  ports: SearchPorts,
): Promise<SearchAnswer | Refusal> {
  const question = questionOf(searcher, input)
  if ('kind' in question) return question
  const groups = [
    { name: `user ${searcher.tenant} ${searcher.name}`, max: max.user },
    { name: `tenant ${searcher.tenant}`, max: max.tenant },
    { name: 'all', max: max.all },
  ]
  if (underWay.enter(groups) !== undefined) return refuseTooFast('searches', spreadMs(1000, Math.random()))
  try {
    return await pageOf(env, searcher, question, ports)
  } finally {
    underWay.leave(groups)
  }
}

async function pageOf(
  env: Env,
  { actor }: Searcher,
  question: SearchQuestion,
  ports: SearchPorts,
): Promise<SearchAnswer | Refusal> {
  const placement = await ports.placement()
  if (placement === undefined) return { messages: [], next: null }
  const needs = { position: undefined, deadlineMs }
  const page = await fromDependency(
    placement.shard,
    async () =>
      await readShard(loadConfig(env), ports.registry, placement.shard, needs, async (reader) => {
        try {
          return await searchMessages(reader, question)
        } catch (thrown) {
          if (thrown instanceof NeonDbError && thrown.code === '57014') return undefined
          throw thrown
        }
      }),
    env.request,
  )
  if (page === undefined)
    return refuse('searchTooBroad', 'the search did not end in its time; give `conversation`, `after` or rarer words')
  const { found, reached, unfilledAt } = page
  if (unfilledAt !== undefined) {
    const of = { tenant: question.tenant, placementEpoch: unfilledAt }
    untaggedPorts(env).background(
      fillSome(env, of, () => openShard(loadConfig(env), ports.registry, placement.shard, 'write')),
    )
  }
  const allowed = await allowedOf(actor, found, ports)
  const last = found.at(-1)
  const isFull = found.length >= question.limit
  const next =
    last !== undefined && isFull
      ? cursorAfter(last, question)
      : reached === undefined || question.ranked !== undefined
        ? undefined
        : { at: reached, conversation: '', seq: 0 }
  return { messages: allowed, next: next === undefined ? null : encodeCursor(next) }
}

/** Tenants whose older messages this process is adding. */
const filling = new Set<string>()

/** Goes on with the older messages of a tenant for some steps, behind the answer. */
async function fillSome(env: Env, of: UnfilledTenant, open: () => Promise<Database>): Promise<void> {
  if (filling.has(of.tenant)) return
  filling.add(of.tenant)
  try {
    const db = await open()
    for (let step = 0; step < stepsBehind; step++) if ((await fillSearch(db, of)).isDone) break
  } catch (thrown) {
    log.warn('search.fill-failed', { ...idsOf(env.request), tenant: of.tenant, reason: reasonOf(thrown) })
  } finally {
    filling.delete(of.tenant)
  }
}

/** What the actor may see of it now, as its conversations say. A message that was edited since is found by its new text in a moment. */
async function allowedOf(
  actor: Actor,
  found: readonly FoundMessage[],
  ports: SearchPorts,
): Promise<SearchAnswer['messages']> {
  const seen = new Map<FoundMessage, true>()
  const byConversation = [...Map.groupBy(found, ({ conversation }) => conversation)]
  await inLanes(conversationsTogether, byConversation, async ([conversation, messages]) => {
    const now = await ports.found(
      conversation,
      actor,
      messages.map(({ seq }) => seq),
    )
    const texts = new Map(now.map(({ seq, text }) => [seq, text]))
    for (const message of messages)
      if (texts.has(message.seq) && (texts.get(message.seq) ?? message.text) === message.text) seen.set(message, true)
  })
  return found.flatMap((message) => {
    if (!seen.has(message)) return []
    const { conversation, seq, user, at, thread, text, positions } = message
    const excerpt = excerptOf(text, positions)
    return [
      {
        conversation,
        seq,
        id: `${conversation}.${seq}`,
        user,
        at,
        ...(thread === null ? {} : { thread }),
        text: excerpt.text,
        marks: excerpt.marks.map(([start, end]): [number, number] => [start, end]),
        isCut: [...excerpt.isCut],
      },
    ]
  })
}

const cursorAfter = (
  { at, conversation, seq, score }: FoundMessage,
  { ranked: order, upTo }: SearchQuestion,
): SearchCursor => ({
  at,
  conversation,
  seq,
  ...(order === undefined ? {} : { ranked: { score, newest: upTo.at } }),
})

function questionOf({ tenant, actor }: Searcher, input: SearchInput): SearchQuestion | Refusal {
  const { q, conversation, author, thread, has, after = 0, before, sort, limit, cursor } = input
  const pattern = q === undefined ? undefined : readPattern(q)
  if (pattern === 'too-many') return refuse('invalidPayload', `q: at most ${maxSearchWords} words`)
  if (q !== undefined && pattern === undefined)
    return refuse('invalidPayload', 'q: has no letter or digit; give words to look for, or leave q out')
  const from = cursor === undefined ? undefined : decodeCursor(cursor)
  const isRanked = sort === 'relevance'
  if (cursor !== undefined && (from === undefined || (from.ranked !== undefined) !== isRanked))
    return refuse('invalidPayload', 'cursor: not one of this search; leave it out to start over')
  const terms = [...(pattern === undefined ? [] : [pattern.all]), ...(has === undefined ? [] : [termOfHas(has)])]
  const newest = { at: Math.min(before ?? forever, systemClock.now() + 86_400_000), conversation: '', seq: 0 }
  const place = from === undefined ? newest : { at: from.at, conversation: from.conversation, seq: from.seq }
  return {
    tenant,
    all: terms.join(' & '),
    any: pattern?.any ?? '',
    reader: actor.server && actor.user === '' ? null : actor.user,
    conversation: conversation ?? null,
    author: author ?? null,
    thread: thread ?? null,
    since: after,
    upTo: isRanked ? { ...newest, at: from?.ranked?.newest ?? newest.at } : place,
    limit,
    ...(isRanked
      ? { ranked: { below: from?.ranked?.score ?? Infinity, place: from === undefined ? null : place, among: ranked } }
      : {}),
    scanMs,
    statementMs,
  }
}
