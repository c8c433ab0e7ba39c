/** `npm run bench:search`: searches of a tenant with many messages, in a real Postgres, through the adapter of the Worker. */
import { join } from 'node:path'
import { Client } from 'pg'
import { z } from 'zod'
import { ensureAppRole, migrate } from '../local/migrate.ts'
import { startNeonProxy } from '../local/neon/start.ts'
import { startPostgres } from '../local/postgres/start.ts'
import { connect } from '../src/adapters/neon/connect.ts'
import { primaryReader } from '../src/adapters/neon/read-shard.ts'
import { searchMessages, type SearchQuestion } from '../src/adapters/neon/search-messages.ts'
import { loadConfig } from '../src/config.ts'
import { readPattern } from '../src/search/query.ts'
import { commandLine, count, flagsOf, rounds } from './command-line.ts'
import { withFolder } from './media.ts'
import { linesOf, type Comparison, type Found, type Shown } from './report/comparison.ts'
import { busyCores, thisMachine } from './report/machine.ts'
import { save } from './report/save.ts'
import { summary } from './report/summary.ts'
import { percentile } from './statistics.ts'
import { fill, shape } from './search/fill.ts'

const options = commandLine(
  flagsOf(
    z.object({
      rounds,
      messages: count(1_000_000),
      searches: count(100),
      medium: z.enum(['disk', 'tmpfs']).default('disk'),
      out: z.string().optional(),
    }),
  ),
)
const tenant = 'acme'
const figures: Readonly<Record<string, Shown>> = {
  'p50 ms': { better: 'lower', digits: 1 },
  'p95 ms': { better: 'lower', digits: 1, drawn: true },
  'slowest ms': { better: 'lower', digits: 1 },
  'messages found': { better: 'neither', digits: 0 },
}

interface Kind {
  readonly what: string
  readonly ask: (n: number) => { readonly q: string } & Partial<SearchQuestion>
}
/** Words from rank `low` on; another one with each search. */
const word = (n: number, low: number): string => `w${low + ((n * 7919) % low)}`
const conversationOf = (n: number): string => `c${((n * 31) % shape.ofReader) * (shape.conversations / shape.ofReader)}`
const kinds: Readonly<Record<string, Kind>> = {
  'common word': { what: 'a word that half of the messages have', ask: () => ({ q: 'w1' }) },
  'usual word': { what: 'a word that one in a hundred messages has', ask: (n) => ({ q: word(n, 50) }) },
  'rare word': { what: 'a word that one in ten thousand messages has', ask: (n) => ({ q: word(n, 8000) }) },
  'no such word': { what: 'a word that no message has', ask: (n) => ({ q: `nothing${n}` }) },
  'two words': { what: 'a common and a usual word', ask: (n) => ({ q: `w1 ${word(n, 50)}` }) },
  phrase: { what: 'two common words in a row', ask: (n) => ({ q: `"w1 w${2 + (n % 5)}"` }) },
  'rare phrase': {
    what: 'two usual words in a row, which are next to each other hardly ever',
    ask: (n) => ({ q: `"${word(n, 50)} ${word(n + 1, 50)}"` }),
  },
  beginning: { what: 'the beginning of a hundred words', ask: (n) => ({ q: `w${10 + (n % 80)}*` }) },
  'two characters': { what: 'a Chinese word of two characters', ask: () => ({ q: '東京' }) },
  'in a conversation': {
    what: 'a usual word in one conversation',
    ask: (n) => ({ q: word(n, 50), conversation: conversationOf(n) }),
  },
  'of an author': { what: 'a usual word of one author', ask: (n) => ({ q: word(n, 50), author: `u${(n * 7) % 500}` }) },
  'page 10': {
    what: 'a usual word, from half a year ago on',
    ask: (n) => ({ q: word(n, 50), upTo: { at: Date.now() - 180 * 86_400_000, conversation: '', seq: 0 } }),
  },
  relevance: {
    what: 'a usual word, the best of the newest 500',
    ask: (n) => ({ q: word(n, 50), ranked: { below: Infinity, place: null, among: 500 } }),
  },
  server: {
    what: 'two usual words, in all conversations of the tenant',
    ask: (n) => ({ q: `${word(n, 50)} ${word(n + 3, 20)}`, reader: null }),
  },
}

const all = new Map<string, Found[]>()
const others: number[] = []
await withFolder(options.medium, async (folder) => {
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), databases: ['shard0'], replica: false })
  const password = 'secret'
  const proxy = await startNeonProxy({
    resolve: () => ({
      password,
      upstream: Object.assign(new URL(postgres.url('shard0')), { username: 'parley_app', password }).href,
    }),
  })
  const owner = new Client(postgres.url('shard0'))
  try {
    await ensureAppRole(postgres.url('shard0'), password)
    await migrate(postgres.url('shard0'), 'shard')
    await owner.connect()
    const began = performance.now()
    await fill(owner, tenant, options.messages, (done) => console.error(`${done} of ${options.messages} messages`))
    await owner.query('VACUUM ANALYZE message_search')
    console.error(`filled in ${((performance.now() - began) / 1000).toFixed(0)} s`)
    const config = loadConfig({ NEON_PROXY: `127.0.0.1:${proxy.port}` })
    const reader = primaryReader(connect(config, `postgresql://parley_app:${password}@shard0.local/shard0`, 60_000))
    const search = async (kind: Kind, n: number): Promise<number> => {
      const { q, ...more } = kind.ask(n)
      const pattern = readPattern(q)
      if (pattern === undefined || pattern === 'too-many') throw new Error(`${q} is no search`)
      const asked = {
        tenant,
        ...pattern,
        reader: 'reader',
        conversation: null,
        author: null,
        thread: null,
        since: 0,
        limit: 20,
      }
      const upTo = { at: Date.now() + 86_400_000, conversation: '', seq: 0 }
      return (await searchMessages(reader, { ...asked, upTo, scanMs: 400, statementMs: 30_000, ...more })).found.length
    }
    for (let round = 1; round <= options.rounds; round++) {
      others.push(await busyCores())
      for (const [name, kind] of Object.entries(kinds)) {
        const times: number[] = []
        let found = 0
        for (let n = 0; n < options.searches; n++) {
          const start = performance.now()
          found += await search(kind, n * options.rounds + round)
          times.push(performance.now() - start)
        }
        const measured = {
          'p50 ms': percentile(times, 0.5),
          'p95 ms': percentile(times, 0.95),
          'slowest ms': Math.max(...times),
          'messages found': found / options.searches,
        }
        all.set(name, [...(all.get(name) ?? []), measured])
      }
      console.error(`round ${round} of ${options.rounds} done`)
    }
    const { rows } = await owner.query<{ size: string }>(
      `SELECT pg_size_pretty(pg_table_size('message_search')) || ' of rows, ' || pg_size_pretty(pg_relation_size('message_search_terms')) || ' of terms' AS size`,
    )
    const comparison: Comparison = {
      suite: 'search',
      date: new Date().toISOString(),
      machine: thisMachine(),
      conditions: `${options.messages} messages in ${shape.conversations} conversations over ${shape.weeks} weeks, ${rows[0]?.size ?? ''}; the reader is in ${shape.ofReader} of them; ${options.searches} searches of each kind, one after the other, pages of 20; ${options.medium}; median of ${options.rounds} rounds`,
      othersCores: Math.max(...others),
      sides: Object.fromEntries(Object.entries(kinds).map(([name, { what }]) => [name, what])),
      lines: linesOf(figures, all),
      notes: [
        'the Worker’s adapter in Node, through the stand-in for Neon, without the conversations’ own judgement of what may be read',
      ],
      failures: [],
    }
    console.log(`\n${summary(comparison)}\n\nwritten to ${await save('search', options.out, { comparison })}`)
  } finally {
    await owner.end()
    await proxy.stop()
    await postgres.stop()
  }
})
