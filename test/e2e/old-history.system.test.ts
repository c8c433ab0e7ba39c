import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { actorTablesHolding } from '../support/e2e/actor-files.ts'
import { call, makeGroup, Person } from '../support/e2e/people.ts'
import { RedisOf } from '../support/e2e/redis.ts'
import { Shards } from '../support/e2e/shards.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'

const messages = 430
const tail = 50

let system: System
let alice: Person
let token: string
let group: string

beforeAll(async () => {
  system = await System.start({ env: { TAIL_ENTRIES: String(tail), ...unlimited } })
  alice = await new Person(system, 'alice').connect()
  token = await alice.token()
  group = await filledGroup()
})

afterAll(async () => {
  alice.leave()
  system.abandon()
})

const unlimited = { LIMIT_MESSAGES_PER_SECOND: '10000', LIMIT_REQUESTS_PER_SECOND: '10000' }

/** A conversation whose words but for the newest are in Postgres only. */
async function filledGroup(): Promise<string> {
  const made = await makeGroup(system, ['alice', 'bob'])
  for (let start = 1; start <= messages; start += 43) {
    const batch = Array.from({ length: Math.min(43, messages - start + 1) }, (_, n) => start + n)
    await Promise.all(batch.map((n) => alice.send(made, `c${n}`, `words ${n}`)))
  }
  await new Shards(system).caughtUp(new Map([[made, messages]]))
  await until(
    'the tail is pruned',
    () => actorTablesHolding(system, `{"type":"message","id":"${made}.1",`).length === 0,
  )
  return made
}

const numbers = (from: number, to: number) => Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => from + n)

const channel = () => `conversation:${group}`

describe('history over the socket', () => {
  test.each([1, 7, 49, 50, 51, 99, 100, 101, 250, 299, 300])(
    'goes forward %i at a time, without a seam',
    async (limit) => {
      const seen: number[] = []
      let since = { offset: 0, epoch: '' }
      for (;;) {
        const { publications, epoch, offset } = await alice.client.history(channel(), { limit, since })
        expect(offset).toBe(messages)
        seen.push(...publications.map((publication) => publication.offset ?? 0))
        if (publications.length < limit) break
        since = { offset: seen.at(-1) ?? 0, epoch }
      }
      expect(seen).toEqual(numbers(1, messages))
    },
  )

  test.each([1, 7, 49, 50, 51, 99, 100, 101, 250, 299, 300])(
    'goes backward %i at a time, without a seam',
    async (limit) => {
      const seen: number[] = []
      let since: { offset: number; epoch: string } | undefined
      do {
        const { publications, epoch } = await alice.client.history(channel(), {
          limit,
          reverse: true,
          ...(since === undefined ? {} : { since }),
        })
        expect(publications.length).toBe(Math.min(limit, messages - seen.length))
        seen.push(...publications.map((publication) => publication.offset ?? 0))
        since = { offset: seen.at(-1) ?? 0, epoch }
      } while (since.offset > 1)
      expect(seen).toEqual(numbers(1, messages).toReversed())
    },
  )

  test('says the same words as when they were sent, wherever they come from', async () => {
    const { publications } = await alice.client.history(channel(), { limit: 300, since: { offset: 150, epoch: '' } })
    const said = publications.map(({ offset, data, info }) => ({ offset, user: info?.user, text: textOf(data) }))
    expect(said).toEqual(numbers(151, messages).map((n) => ({ offset: n, user: 'alice', text: `words ${n}` })))
  })
})

const textOf = (data: unknown) => z.object({ text: z.string() }).parse(data).text

const httpPage = z.object({
  messages: z.array(z.object({ seq: z.number(), text: z.string().optional() })),
  before: z.number().nullable(),
  after: z.number().nullable(),
})

async function page(query: string) {
  const { body } = await call(system, token, 'GET', `/v1/conversations/${group}/messages?${query}`)
  return httpPage.parse(body)
}

describe('history over HTTP', () => {
  test.each([7, 50, 99, 100])('follows the cursors back %i at a time, and forward again', async (limit) => {
    const back: number[] = []
    for (let before: number | null = messages + 1; before !== null;) {
      const found = await page(`before=${before}&limit=${limit}`)
      back.push(...found.messages.map(({ seq }) => seq))
      before = found.before
    }
    expect(back).toEqual(numbers(1, messages).toReversed())

    const forth: number[] = []
    for (let after: number | null = 0; after !== null;) {
      const found = await page(`after=${after}&limit=${limit}`)
      forth.push(...found.messages.map(({ seq }) => seq).toReversed())
      after = found.after
    }
    expect(forth).toEqual(numbers(1, messages))
  })
})

test('an old page comes from Postgres once, is put into Redis, and is then in memory', async () => {
  const redis = new RedisOf(system)
  const other = await filledGroup()
  const history = async () =>
    (await alice.client.history(`conversation:${other}`, { limit: 100, since: { offset: 0, epoch: '' } })).publications
  const fifth = async () => textOf((await history())[4]?.data)
  const write = async (before: string, after: string) => {
    for (const shard of ['shard0', 'shard1'] as const)
      await new Shards(system).query(
        shard,
        'UPDATE messages SET body = replace(body, $1, $2) WHERE conversation_id = $3 AND seq = 5',
        [before, after, other],
      )
  }
  await write('words 5', 'from Postgres')
  expect(await fifth()).toBe('from Postgres')
  const kept = await until('the page is kept', async () => {
    const cached = await redis.valuesUnder(`history.1:demo:${other}`)
    return [...cached.values()].find((text) => text.includes('from Postgres'))
  })
  expect(kept.split('\n')).toHaveLength(101)

  // Such a page never changes, so that Postgres is not asked again.
  await write('from Postgres', 'changed')
  await redis.command('FLUSHALL')
  expect(await fifth()).toBe('from Postgres')
})

test('history reads on through the archive, and a deletion reaches into it', async () => {
  const archived = await filledGroup()
  const shards = new Shards(system)
  const everywhere = async (text: string) =>
    (await Promise.all((['shard0', 'shard1'] as const).map((shard) => shards.query(shard, text, [archived])))).flat()
  const runArchive = async () =>
    expect((await call(system, system.adminKey, 'POST', '/admin/v1/cron/archive')).status).toBe(200)
  const words = async () => {
    await new RedisOf(system).command('FLUSHALL')
    const path = (before: number) => `/v1/conversations/${archived}/messages?before=${before}&limit=100`
    const pages = await Promise.all([101, 201, 301, 401].map((before) => call(system, token, 'GET', path(before))))
    return pages.flatMap(({ body }) =>
      httpPage
        .parse(body)
        .messages.toReversed()
        .map(({ text }) => text),
    )
  }

  await everywhere(
    `UPDATE messages SET sent_at = sent_at - interval '91 days' WHERE conversation_id = $1 AND seq <= 320`,
  )
  await runArchive()
  const places = `SELECT page::int, cardinality(seqs) AS entries FROM archive WHERE conversation_id = $1 ORDER BY page`
  expect(await everywhere(places)).toEqual([0, 1, 2].map((number) => ({ page: number, entries: 100 })))
  expect(
    await everywhere('SELECT count(*)::int AS n FROM messages WHERE conversation_id = $1 HAVING count(*) > 0'),
  ).toEqual([{ n: messages - 300 }])
  expect(await words()).toEqual(numbers(1, 400).map((n) => `words ${n}`))

  await alice.rpc('message.delete', { conversation: archived, seq: 150 })
  await until('its page was brought back', async () => (await everywhere(places)).length === 2)
  await runArchive()
  expect(await everywhere(places)).toHaveLength(3)
  const holding = `SELECT 1 FROM archive WHERE conversation_id = $1 AND 'words 150' = ANY (bodies) OR array_to_string(bodies, '') LIKE '%"words 150"%'`
  expect(await everywhere(holding)).toEqual([])
  expect((await words())[149]).toBeUndefined()
})

test('the clientId of a message that is long out of the tail is still known', async () => {
  for (const seq of [1, 99, 300])
    expect(await alice.send(group, `c${seq}`, 'something else')).toMatchObject({ seq, duplicate: true })
  expect((await page('limit=1')).messages[0]?.seq).toBe(messages)
})

describe('a deleted old message', () => {
  const secret = 'the combination is 1-2-3-4-5'

  test('has no words anywhere: not in the log, Postgres, Redis, the inbox or any page', async () => {
    const redis = new RedisOf(system)
    const seqs = await saySecrets()
    const cached = async () => [...(await redis.valuesUnder(`history.1:demo:${group}`)).values()].join()
    await until('the words are cached', async () => {
      await everyPage()
      return (await cached()).includes(secret)
    })
    for (const seq of seqs) await alice.rpc('message.delete', { conversation: group, seq })

    const top = (await page('limit=1')).messages[0]?.seq ?? 0
    const log = await new Shards(system).caughtUp(new Map([[group, top]]))
    expect(log.filter(({ body }) => body.includes(secret))).toEqual([])
    await until('no actor holds the words', () => {
      expect(actorTablesHolding(system, secret)).toEqual([])
      return true
    })
    await until('no cached page holds the words', async () => !(await cached()).includes(secret))
    expect(JSON.stringify(await everyPage())).not.toContain(secret)
    const shown = await page(`after=${(seqs[0] ?? 0) - 1}&limit=1`)
    expect(shown.messages).toEqual([{ seq: seqs[0] }])
    expect(await alice.send(group, 'secret-1', secret)).toMatchObject({ seq: seqs[0], duplicate: true })
    const held = await until('the actors’ files can be read', () => actorTablesHolding(system, secret))
    expect(held).toEqual([])
  })

  /** Three secrets, one of them edited, all of them pushed out of the tail (an edit's newest text stays at hand). */
  async function saySecrets(): Promise<number[]> {
    const seqs: number[] = []
    for (let n = 1; n <= 3; n++) seqs.push((await alice.send(group, `secret-${n}`, `${secret} ${n}`)).seq)
    await alice.rpc('message.edit', { conversation: group, seq: seqs[2], text: `no, ${secret} 6` })
    await Promise.all(numbers(1, 120).map((n) => alice.send(group, `cover-${n}`, `cover ${n}`)))
    await until(
      'the secrets left the tail',
      () => !actorTablesHolding(system, secret).includes('Conversation/messages'),
    )
    return seqs
  }

  async function everyPage(): Promise<unknown[]> {
    const pages: unknown[] = []
    for (let offset = 0; ;) {
      const { publications } = await alice.client.history(channel(), { limit: 300, since: { offset, epoch: '' } })
      pages.push(publications, (await page(`after=${offset}&limit=100`)).messages)
      if (publications.length === 0) return pages
      offset = publications.at(-1)?.offset ?? offset
    }
  }
})
