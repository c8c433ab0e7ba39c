import { createClient } from 'redis'
import { z } from 'zod'
import { inGroups } from '../load/conversation.ts'
import { freePort } from '../ports.ts'
import type { Processes } from '../processes.ts'
import { workerdVersion, redisVersion } from '../report/versions.ts'
import { postTo } from '../targets/parley-wire.ts'
import { serveParley } from '../targets/parley.ts'
import { cacheReadsIn, type CacheReads } from './cache-reads.ts'
import { pageSize } from './reading.ts'
import { readBy, textAt, type Conversation, type WrittenMessage, type WrittenConversation } from './conversations.ts'
import type { Side, Way } from './side.ts'
import { SocketLane } from './socket-lane.ts'

/** Parley, which the conversations are written to. */
export interface ParleySide extends Side {
  readonly http: Way
  readonly socket: Way
  /** Its page cache. */
  readonly redisUrl: string
  /** Says everything in all conversations, and has everyone read as far as they did. */
  write(conversations: readonly Conversation[]): Promise<WrittenConversation[]>
  /** Forgets all cached pages. */
  emptyCache(): Promise<void>
  /** Pages of history in the cache. */
  cachedPages(): Promise<number>
  /** How often something was found there, so far. */
  cacheHits(): Promise<number>
  /** What its caches were asked so far. */
  cacheReads(): Promise<Map<string, CacheReads>>
}

/** Messages under way in one conversation while writing. */
const ahead = 128

/**
 * Starts Parley before a real Redis. Its conversations keep `tailEntries` messages, so that what is older is read where
 * it would be after a long life: in the page cache, or else in Postgres.
 */
export async function startParleySide(
  directory: string,
  processes: Processes,
  tailEntries: number,
): Promise<ParleySide> {
  const redisPort = await freePort()
  const redisUrl = `redis://127.0.0.1:${redisPort}`
  const quiet = ['--appendonly', 'no', '--save', '', '--bind', '127.0.0.1', '--dir', directory]
  const args = ['--port', String(redisPort), ...quiet]
  const redisServer = processes.start({ name: 'redis', command: 'redis-server', args, logs: directory })
  const running = await serveParley(directory, processes, {
    TAIL_ENTRIES: String(tailEntries),
    // Each reading says which tier it reads from.
    PAGE_MEMORY: 'off',
    // Old messages leave their conversation once Postgres has them.
    PROJECTION_DELAY_MS: '500',
    REDIS_URL: redisUrl,
  })
  const redis = await createClient({ url: redisUrl }).connect()
  const reach = { url: running.url, apiKey: 'demo-key', offerDeflate: false }
  const token = async (user: string) => {
    const wanted = { user, ttlSeconds: 3600 }
    return (await postTo(reach, '/v1/tokens', wanted, z.object({ token: z.string() }))).token
  }
  return {
    what: `as npm run serve starts it, before a real Redis; conversations keep ${tailEntries} messages themselves`,
    versions: { workerd: await workerdVersion(), redis: await redisVersion() },
    redisUrl,
    http: { over: 'http', url: new URL(reach.url.replace(/^ws/, 'http')).origin, ask: pathOf },
    socket: { over: 'socket', url: reach.url, ask: commandOf },
    token,
    async write(conversations) {
      const people = new People(running.url, token)
      const written: WrittenConversation[] = []
      await inGroups(conversations, 8, async (conversation) => {
        const body = { type: 'group', name: conversation.name, members: conversation.members }
        const { id } = await postTo(reach, '/v1/conversations', body, z.object({ id: z.string() }))
        written.push(await writeConversation(people, conversation, id))
      })
      people.leave()
      return written
    },
    emptyCache: async () => void (await redis.flushAll()),
    cachedPages: async () => (await redis.keys('history.*')).length,
    cacheHits: async () => Number(/keyspace_hits:(\d+)/.exec(await redis.info('stats'))?.[1] ?? 0),
    cacheReads: async () =>
      cacheReadsIn(await (await fetch(new URL('/metrics', reach.url.replace(/^ws/, 'http')))).text()),
    async stop() {
      await running.stop()
      await redis.close()
      await redisServer.stop()
    },
  }
}

const pathOf: Way['ask'] = (reading, { conversation, before }) => {
  // There is no operation for the sum over all conversations: clients add up the list.
  if (conversation === undefined) return `/v1/conversations?limit=${reading === 'unread' ? 100 : pageSize}`
  return `/v1/conversations/${conversation.id}/messages?limit=${pageSize}${before === undefined ? '' : `&before=${before}`}`
}

const commandOf: Way['ask'] = (_, { conversation, before }) => {
  if (conversation === undefined) return JSON.stringify({ rpc: { method: 'inbox.list', data: { limit: pageSize } } })
  const since = before === undefined ? {} : { since: { offset: before, epoch: '' } }
  return JSON.stringify({
    history: { channel: `conversation:${conversation.id}`, limit: pageSize, reverse: true, ...since },
  })
}

/** The people of the conversations, each on one connection. */
class People {
  readonly #url: string
  readonly #token: (user: string) => Promise<string>
  readonly #lanes = new Map<string, Promise<SocketLane>>()

  constructor(url: string, token: (user: string) => Promise<string>) {
    this.#url = url
    this.#token = token
  }

  of(user: string): Promise<SocketLane> {
    const open = async () => SocketLane.open(this.#url, await this.#token(user))
    const lane = this.#lanes.get(user) ?? open()
    this.#lanes.set(user, lane)
    return lane
  }

  leave(): void {
    for (const lane of this.#lanes.values()) void lane.then((each) => each.close())
  }
}

async function writeConversation(people: People, conversation: Conversation, id: string): Promise<WrittenConversation> {
  const log = await say(await people.of(conversation.author), conversation, id)
  for (const user of conversation.members) {
    const data = { conversation: id, seq: readBy(conversation, user) }
    const lane = await people.of(user)
    await lane.ask(JSON.stringify({ rpc: { method: 'conversation.read', data } }))
  }
  return { ...conversation, id, log }
}

const said = z.object({ rpc: z.object({ data: z.object({ seq: z.number(), at: z.number() }) }) })

/** On one connection messages arrive in the order they were sent, however many are under way. */
async function say(lane: SocketLane, conversation: Conversation, id: string): Promise<WrittenMessage[]> {
  const log: WrittenMessage[] = []
  for (let first = 1; first <= conversation.messages; first += ahead) {
    const seqs = Array.from({ length: Math.min(ahead, conversation.messages - first + 1) }, (_, n) => first + n)
    log.push(...(await Promise.all(seqs.map((seq) => sayOne(lane, conversation, id, seq)))))
  }
  return log
}

async function sayOne(lane: SocketLane, conversation: Conversation, id: string, seq: number): Promise<WrittenMessage> {
  const clientId = crypto.randomUUID()
  const data = { conversation: id, clientId, text: textAt(conversation, seq) }
  const reply = await lane.ask(JSON.stringify({ rpc: { method: 'message.send', data } }))
  const place = said.parse(JSON.parse(`{${reply}`)).rpc.data
  if (place.seq !== seq) throw new Error(`message ${seq} of ${conversation.name} came to be ${place.seq}`)
  return { seq, at: place.at, clientId }
}
