import { z } from 'zod'
import type { WrittenConversation } from './conversations.ts'

/** What can be asked, in the order of the table. */
export const readingNames = ['newest', 'old', 'cold', 'list', 'longList', 'unread'] as const
export type ReadingName = (typeof readingNames)[number]

/**
 * Which side is asked, and how: Postgres behind a server of its own, Postgres from a bare Worker through Neon's driver, Parley over
 * HTTP, Parley over sockets.
 */
export const wayNames = ['postgres', 'worker', 'parley', 'socket'] as const
export type WayName = (typeof wayNames)[number]

/** A kind of reading: what it says in the report, and which ways there are to it. */
export interface Reading {
  readonly what: string
  readonly ways: readonly WayName[]
  /** Each page is read once and then never again before all caches are emptied. */
  readonly eachOnce?: true
}

const ofLists: readonly WayName[] = ['postgres', 'parley', 'socket']

export const readings: Readonly<Record<ReadingName, Reading>> = {
  newest: { what: 'newest 50 messages', ways: wayNames },
  old: { what: '50 old messages, read before', ways: wayNames },
  cold: { what: '50 old messages, the first time', ways: ['postgres', 'worker', 'parley'], eachOnce: true },
  list: { what: "a user's conversations with unread counts", ways: ofLists },
  longList: { what: '50 of very many conversations with unread counts', ways: ofLists },
  unread: { what: 'all unread messages of a user', ways: ['postgres', 'parley'] },
}

/** Messages in a page. */
export const pageSize = 50
/** Seqs that Parley caches together: an old page lies within one of these, or it would be two readings. */
const cachedTogether = 100

/** One read: a page of a conversation, or something of a user's own. */
export interface ReadRequest {
  readonly user: string
  readonly conversation?: WrittenConversation
  /** Messages before this seq; the newest ones when it is absent. */
  readonly before?: number
}

/** All the different wishes of a reading. Old pages end before `oldUpTo`, where no actor holds them any more. */
export function requestsOf(reading: ReadingName, all: readonly WrittenConversation[], oldUpTo: number): ReadRequest[] {
  const conversations = all.filter(({ isListed = false }) => isListed === (reading === 'longList'))
  if (reading === 'newest')
    return conversations.flatMap((conversation) => twoOf(conversation).map((user) => ({ user, conversation })))
  if (reading === 'old' || reading === 'cold')
    return conversations.filter(({ isLong }) => isLong).flatMap((conversation) => oldPages(conversation, oldUpTo))
  return [...new Set(conversations.flatMap(({ members }) => members))].map((user) => ({ user }))
}

const twoOf = ({ members }: WrittenConversation): string[] =>
  members.filter((_, place) => place % (members.length / 2) === 0)

function oldPages(conversation: WrittenConversation, upTo: number): ReadRequest[] {
  const ends = Array.from({ length: Math.floor(upTo / cachedTogether) }, (_, n) => (n + 1) * cachedTogether)
  return ends.map((end, n) => ({
    user: conversation.members[n % conversation.members.length] ?? '',
    conversation,
    before: end + 1,
  }))
}

/** One request as the load sends it: a path over HTTP, a command without its id over a socket. */
export const question = z.object({
  user: z.string(),
  ask: z.string(),
  /** The very text that must come back, which was read and found right before. */
  answer: z.string(),
})
export type Question = z.infer<typeof question>

/** The orders for the process of the load. */
export const order = z.object({
  url: z.string(),
  over: z.enum(['http', 'socket']),
  tokens: z.record(z.string(), z.string()),
  questions: z.array(question),
  inFlight: z.number(),
  warmUpSeconds: z.number(),
  seconds: z.number(),
  /** Each question once, then this Redis is emptied before the next time. */
  emptying: z.string().optional(),
})
export type Order = z.infer<typeof order>

/** What one measurement gave. */
export const measurement = z.object({
  perSecond: z.number(),
  medianMs: z.number(),
  p99Ms: z.number(),
  /** Cores the load itself used: what it takes, no server on the same machine can have. */
  loadCores: z.number(),
  /** Bytes of an answer, on the average. */
  answerBytes: z.number(),
  /** All answers, those before the measuring began among them. */
  answers: z.number(),
})
export type Measured = z.infer<typeof measurement>

export const outcome = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('measured'), measurement }),
  z.object({ kind: z.literal('failed'), reason: z.string() }),
])
export type LoadOutcome = z.infer<typeof outcome>

/** With what only the process that started the servers can tell. */
export interface Measurement extends Measured {
  /** Microseconds of processor time an answer took on the server's side, its databases included. */
  readonly serverUs: number
  /** Pages found in the cache, per answer. */
  readonly cacheHits: number
}
export type Figure = keyof Measurement
export type Outcome =
  | { readonly kind: 'measured'; readonly measurement: Measurement }
  | Extract<LoadOutcome, { kind: 'failed' }>
