/** `npm run bench:reads`: reading through Parley beside reading Postgres directly for each request, in one run. */
import { commandLine } from './command-line.ts'
import { fileSystem, missingMedium, withFolder } from './media.ts'
import { pause, Processes } from './processes.ts'
import { addReads, hitNotes, type CacheReads } from './reads/cache-reads.ts'
import { fault } from './reads/check.ts'
import { readsComparison } from './reads/comparison.ts'
import { HttpLane, type Lane } from './reads/http-lane.ts'
import { help, readOptions, type Options } from './reads/options.ts'
import { startParleySide, type ParleySide } from './reads/parley.ts'
import { startPostgresSide, type PostgresSide } from './reads/postgres.ts'
import {
  readings,
  wayNames,
  requestsOf,
  type Outcome,
  type Question,
  type ReadingName,
  type WayName,
} from './reads/reading.ts'
import { failures, type ReadsRecord } from './reads/record.ts'
import { conversationsOf, type Conversation, type WrittenConversation } from './reads/conversations.ts'
import { runLoad } from './reads/run-load.ts'
import type { Side, Way } from './reads/side.ts'
import { SocketLane } from './reads/socket-lane.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { onPath } from './report/versions.ts'

const longMessages = 5000
const tailEntries = 500
/** A conversation forgets what is older than its tail once that is twice as long. */
const oldUpTo = longMessages - 2 * tailEntries
const settleMs = 60_000

const options = commandLine(readOptions)
if (options === undefined) console.log(help)
else process.exitCode = await main(options)

async function main(options: Options): Promise<number> {
  if (!onPath('redis-server')) throw new Error('redis-server is not on the PATH (apt-get install redis-server)')
  const missing = await missingMedium(options.medium)
  if (missing !== undefined) throw new Error(missing)
  const processes = new Processes()
  processes.endWithUs()
  return withFolder(options.medium, async (folder) => {
    const parley = await startParleySide(folder, processes, tailEntries)
    const stops: Side['stop'][] = [() => parley.stop()]
    try {
      const conversations = await parley.write(conversationsIn(options))
      const postgres = await startPostgresSide(folder, processes, conversations, options.pool)
      stops.push(() => postgres.stop())
      const record = await measureAll(options, { conversations, parley, postgres })
      const comparison = readsComparison(record)
      console.log(
        `\n${summary(comparison)}\n\nwritten to ${await save('reads', options.out, { comparison, ...record })}`,
      )
      return failures(record).length === 0 ? 0 : 1
    } finally {
      for (const stop of stops) await stop()
      await processes.stopAll()
    }
  })
}

function conversationsIn({ conversations, long, listed, reading }: Options): Conversation[] {
  const ofPair = reading.includes('longList') ? listed : 0
  return conversationsOf({
    people: 50,
    members: 10,
    conversations,
    messages: 50,
    longConversations: long,
    longMessages,
    listed: ofPair,
  })
}

interface Sides {
  readonly conversations: readonly WrittenConversation[]
  readonly parley: ParleySide
  readonly postgres: PostgresSide
}

function wayOf({ parley, postgres }: Sides, name: WayName): Way {
  return { postgres: postgres.http, worker: postgres.worker, parley: parley.http, socket: parley.socket }[name]
}

async function measureAll(options: Options, sides: Sides): Promise<ReadsRecord> {
  const { parley, postgres } = sides
  const describe = ({ what, versions }: Side) => ({ what, versions })
  const record: ReadsRecord = {
    date: new Date().toISOString(),
    machine: thisMachine(),
    settings: { ...options, tailEntries, longMessages },
    fileSystem: await fileSystem(options.medium),
    othersCores: [],
    sides: { postgres: describe(postgres), parley: describe(parley) },
    runs: [],
  }
  await settled(sides)
  const tokens = { postgres: await tokensOf(postgres, sides), parley: await tokensOf(parley, sides) }
  const asked = new Map<string, Question[]>()
  for (const reading of options.reading)
    for (const way of readings[reading].ways)
      asked.set(`${reading} ${way}`, await questionsOf(sides, reading, way, tokensFor(way, tokens)))

  const reads = new Map<string, CacheReads>()
  for (let round = 1; round <= options.rounds; round++) {
    record.othersCores.push(await busyCores())
    for (const reading of options.reading)
      for (const inFlight of options['in-flight'])
        for (const way of rotated(wayNames, round - 1).filter((each) => readings[reading].ways.includes(each))) {
          const order = {
            url: wayOf(sides, way).url,
            over: wayOf(sides, way).over,
            tokens: tokensFor(way, tokens),
            questions: asked.get(`${reading} ${way}`) ?? [],
            inFlight,
            warmUpSeconds: options.warmup,
            seconds: options.seconds,
            ...(readings[reading].eachOnce && { emptying: parley.redisUrl }),
          }
          const before = await parley.cacheReads()
          const outcome = await runLoad(order, () => parley.cacheHits())
          if (!readings[reading].eachOnce) addReads(reads, before, await parley.cacheReads())
          record.runs.push({ round, reading, way, inFlight, outcome })
          console.error(`round ${round}, ${reading}, ${way}, ${inFlight} in flight: ${brief(outcome)}`)
        }
  }
  return { ...record, hits: hitNotes(reads) }
}

/** Waits until every list tells what was written, and until old pages lie where they are to be read. */
async function settled(sides: Sides): Promise<void> {
  const { parley, conversations } = sides
  const tokens = await tokensOf(parley, sides)
  const old = requestsOf('cold', conversations, oldUpTo).length
  const deadline = performance.now() + settleMs
  let reason = ''
  while (performance.now() < deadline) {
    try {
      await questionsOf(sides, 'list', 'parley', tokens)
      await parley.emptyCache()
      await questionsOf(sides, 'cold', 'parley', tokens)
      const pages = await parley.cachedPages()
      if (pages === old) return
      reason = `${pages} of ${old} old pages are read from Postgres`
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
    }
    await pause(500)
  }
  throw new Error(`what was written cannot be read as it should: ${reason}`)
}

/** Asks everything once, and finds each answer to be what was written: the load then wants the very same again. */
async function questionsOf(
  sides: Sides,
  reading: ReadingName,
  name: WayName,
  tokens: Readonly<Record<string, string>>,
): Promise<Question[]> {
  const way = wayOf(sides, name)
  const questions: Question[] = []
  const lanes = new Map<string, Lane>()
  try {
    for (const request of requestsOf(reading, sides.conversations, oldUpTo)) {
      const { user } = request
      const token = tokens[user] ?? ''
      const key = way.over === 'http' ? '' : user
      const lane = lanes.get(key) ?? (await open(way, token))
      lanes.set(key, lane)
      const ask = way.ask(reading, request)
      const answer = await lane.ask(ask, token)
      const wrong = fault({ reading, request, conversations: sides.conversations }, way.over, answer)
      if (wrong !== undefined) throw new Error(`${reading}, ${name}: ${wrong}`)
      questions.push({ user, ask, answer })
    }
  } finally {
    for (const lane of lanes.values()) lane.close()
  }
  return questions
}

type Tokens = Readonly<Record<string, string>>

function tokensFor(way: WayName, { postgres, parley }: { readonly postgres: Tokens; readonly parley: Tokens }): Tokens {
  return way === 'postgres' || way === 'worker' ? postgres : parley
}

function open(way: Way, token: string): Promise<Lane> {
  return way.over === 'http' ? HttpLane.open(way.url) : SocketLane.open(way.url, token)
}

async function tokensOf(side: Side, { conversations }: Sides): Promise<Record<string, string>> {
  const people = [...new Set(conversations.flatMap(({ members }) => members))]
  return Object.fromEntries(await Promise.all(people.map(async (user) => [user, await side.token(user)] as const)))
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}

function brief(outcome: Outcome): string {
  if (outcome.kind === 'failed') return `failed: ${outcome.reason}`
  const { perSecond, medianMs, p99Ms, loadCores, serverUs, cacheHits } = outcome.measurement
  return (
    `${Math.round(perSecond)}/s, median ${medianMs.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms, ` +
    `server ${Math.round(serverUs)} µs an answer, ${cacheHits.toFixed(2)} cache hits, load ${loadCores.toFixed(2)} cores`
  )
}
