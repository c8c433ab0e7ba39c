import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { libraryRequests, type LibraryRequest } from './library-requests.ts'
import { call } from '../support/worker/http.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import { lively, namespace } from '../support/worker/topics.ts'

// Requests as the server libraries of Centrifugo make them: gocent (pipes), cent for Python and phpcent.

let tenant: TestTenant

beforeAll(async () => {
  tenant = await newTenant()
  await namespace(tenant, 'orders', lively)
})

const fresh = () => `orders:${crypto.randomUUID()}`

/** A request with the body as text, and its answer as text. */
const post = async (path: string, raw: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  await call(`POST ${path}`, { headers: { authorization: `apikey ${tenant.key}`, ...headers }, raw })

const lines = (text: string): unknown[] => text.split('\n').map((line): unknown => JSON.parse(line))

describe('a request of a library', () => {
  const isNamed = ({ library, path, body }: LibraryRequest) => ({
    name: `${library} ${path} ${body.trim().slice(0, 60)}`,
  })

  test.each(libraryRequests.map((request) => ({ ...request, ...isNamed(request) })))(
    'is answered as it expects: $name',
    async ({ library, path, body, answers }) => {
      const authorization = `apikey ${tenant.key}`
      const headers = library === 'gocent' ? { authorization } : { 'x-api-key': tenant.key }
      const raw = body
        .replaceAll('CHANNEL', fresh())
        .replaceAll('USER', crypto.randomUUID())
        .replaceAll('LATER', String(Math.floor(Date.now() / 1000) + 600))
      const { status, text } = await call(`POST ${path}`, {
        headers: { 'content-type': 'application/json', ...headers },
        raw,
      })
      expect(status).toBe(200)
      expect(lines(text)).toEqual(answers)
    },
  )
})

describe('a pipe', () => {
  test('of commands on a line each is answered with a line for each, in order', async () => {
    const channel = fresh()
    const pipe = [
      { method: 'publish', params: { channel, data: { n: 1 } } },
      { method: 'history', params: { channel, limit: 1 } },
      { method: 'dance', params: {} },
      { method: 'presence', params: { channel: '' } },
      { method: 'info', params: {} },
    ]
    const { status, text } = await post('/api', pipe.map((command) => `${JSON.stringify(command)}\n`).join(''))
    expect(status).toBe(200)
    expect(lines(text)).toEqual([
      { result: { offset: 1, epoch: expect.any(String) } },
      { result: expect.objectContaining({ offset: 1, publications: [{ offset: 1, data: { n: 1 } }] }) },
      { error: expect.objectContaining({ code: 104 }) },
      { error: expect.objectContaining({ code: 107 }) },
      { result: { nodes: expect.any(Array) } },
    ])
  })

  test('may be written with any white space or none between commands, and a command’s id is in its answer', async () => {
    const channel = fresh()
    const one = JSON.stringify({ id: 1, method: 'PUBLISH', params: { channel, data: '}\n{"' } }, null, 2)
    const two = JSON.stringify({ id: 2, method: 'presence_stats', params: { channel } })
    expect(lines((await post('/api', `${one}\r\n\t${two}${two} `)).text)).toEqual([
      { id: 1, result: { offset: 1, epoch: expect.any(String) } },
      { id: 2, result: { num_clients: 0, num_users: 0 } },
      { id: 2, result: { num_clients: 0, num_users: 0 } },
    ])
  })

  test('of which one command is no JSON or no command runs none of them', async () => {
    const channel = fresh()
    const good = JSON.stringify({ method: 'publish', params: { channel, data: 1 } })
    for (const bad of ['{"method":', 'nonsense', '{}', '[1]', '"x"', '{"method":7}'])
      expect((await post('/api', `${good}\n${bad}`)).status, bad).toBe(400)
    expect((await post('/api', '')).status).toBe(400)
    expect((await post('/api', `${good}\n`.repeat(1001))).status).toBe(400)
    const { text } = await post('/api/history', JSON.stringify({ channel, limit: 1 }))
    expect(JSON.parse(text)).toMatchObject({ result: { offset: 0, publications: [] } })
  })
})

describe('parameters', () => {
  test('that are an empty PHP array are none', async () => {
    for (const [path, raw] of [
      ['/api', '{"method":"info","params":[]}'],
      ['/api', '{"method":"info"}'],
      ['/api/info', '[]'],
      ['/api/channels', '[]'],
      ['/api/info', 'null'],
    ] as const)
      expect(JSON.parse((await post(path, raw)).text), `${path} ${raw}`).toHaveProperty('result')
    expect(JSON.parse((await post('/api/publish', '[]')).text)).toMatchObject({ error: { code: 107 } })
    expect(JSON.parse((await post('/api/info', '[1]')).text)).toMatchObject({ error: { code: 107 } })
  })

  test('with a tag named __proto__ are refused, not stripped of it', async () => {
    const raw = `{"channel":"${fresh()}","data":1,"tags":{"__proto__":"x","a":"b"}}`
    expect(JSON.parse((await post('/api/publish', raw)).text)).toMatchObject({
      error: { code: 107, message: 'bad request', detail: expect.stringContaining('__proto__') },
    })
  })
})

describe('a body', () => {
  const gzip = async (text: string) => {
    const stream = new Response(text).body!.pipeThrough(new CompressionStream('gzip'))
    return new Uint8Array(await new Response(stream).arrayBuffer())
  }

  test('that is compressed with gzip is read as what it was, up to the same length', async () => {
    const channel = fresh()
    const headers = { 'content-encoding': 'gzip' }
    const publish = (data: string) => JSON.stringify({ channel, data })
    const { text } = await post('/api/publish', await gzip(publish('x')), headers)
    expect(JSON.parse(text)).toMatchObject({ result: { offset: 1 } })
    expect((await post('/api/publish', await gzip(publish('x'.repeat(300_000))), headers)).status).toBe(413)
    expect((await post('/api/publish', publish('not compressed'), headers)).status).toBe(400)
    const { status } = await call('POST /v1/conversations', {
      as: tenant.key,
      raw: await gzip('{"type":"group","members":["alice"]}'),
      headers,
    })
    expect(status).toBe(201)
  })

  test('that is compressed in another way is answered 415', async () => {
    for (const encoding of ['br', 'zstd', 'gzip, gzip'])
      expect((await post('/api/info', '{}', { 'content-encoding': encoding })).status).toBe(415)
    expect((await post('/api/info', '{}', { 'content-encoding': 'identity' })).status).toBe(200)
  })
})

describe('history', () => {
  const offsets = async (params: object) => {
    const { text } = await post('/api/history', JSON.stringify(params))
    const { result } = z.object({ result: pageOf }).parse(JSON.parse(text))
    return result.publications.map(({ offset }) => offset)
  }
  const pageOf = z.object({ offset: z.number(), publications: z.array(z.object({ offset: z.number() })) })
  /** As many publications in one call of the topic, which knows its rules by now. */
  const publishMany = async (channel: string, count: number, data = '1') => {
    expect(await offsets({ channel, limit: 0 })).toEqual([])
    const command = { user: '', client: '', server: true, kind: 'publish' as const, data }
    await env.TOPIC.getByName(`${tenant.id}/${channel}`).execute({
      gateway: null,
      have: null,
      commands: Array.from({ length: count }, () => command),
    })
  }
  const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index)

  test('without a limit, or with one above a page, is everything that the namespace keeps', async () => {
    await namespace(tenant, 'long', { historySize: 1000 })
    const channel = `long:${crypto.randomUUID()}`
    await publishMany(channel, 700)
    expect(await offsets({ channel, limit: -1 })).toEqual(upTo(700))
    expect(await offsets({ channel, limit: 1000 })).toEqual(upTo(700))
    expect(await offsets({ channel, limit: 650, since: { offset: 10 } })).toEqual(upTo(660, 11))
    expect(await offsets({ channel, limit: -1, reverse: true })).toEqual(upTo(700).toReversed())
    expect(await offsets({ channel, limit: 301, reverse: true })).toEqual(upTo(700, 400).toReversed())
    expect(await offsets({ channel, limit: -1, reverse: true, since: { offset: 2 } })).toEqual([1])
    expect(await offsets({ channel, limit: -1, since: { offset: 700 } })).toEqual([])
    await publishMany(channel, 500)
    expect(await offsets({ channel, limit: -1 })).toEqual(upTo(1200, 201))
    expect(await offsets({ channel, limit: -1, reverse: true })).toEqual(upTo(1200, 201).toReversed())
  })

  test('with publications together longer than one answer of an actor is given whole', async () => {
    const channel = `long:${crypto.randomUUID()}`
    await publishMany(channel, 18, JSON.stringify('x'.repeat(250_000)))
    expect(await offsets({ channel, limit: -1 })).toEqual(upTo(18))
    expect(await offsets({ channel, limit: -1, reverse: true })).toEqual(upTo(18).toReversed())
  })

  test('of a conversation goes beyond one page too, and shows no words of deleted messages', async () => {
    const lunch = await tenant.group('alice')
    const sends = Array.from({ length: 320 }, (_, index) => ({
      user: 'alice',
      client: '',
      server: true,
      kind: 'send' as const,
      content: { clientId: `c${index}`, text: 'hello' },
    }))
    await tenant.actorOf(lunch).execute({ gateway: null, have: null, commands: sends })
    const channel = `conversation:${lunch}`
    expect(await offsets({ channel, limit: -1 })).toEqual(upTo(320))
    expect(await offsets({ channel, limit: -1, reverse: true })).toEqual(upTo(320).toReversed())
    await call(`DELETE /v1/conversations/${lunch}/messages/2`, { as: tenant.key })
    const { text } = await post('/api/history', JSON.stringify({ channel, limit: 3 }))
    expect(JSON.parse(text)).toMatchObject({ result: { offset: 321, publications: [{}, { offset: 2 }, {}] } })
    expect(text).not.toMatch(/"offset":2,[^}]*"text":"[^"]/)
  })
})

test('errors have the words of Centrifugo, with the details beside them', async () => {
  for (const [path, params, error] of [
    ['/api/publish', { channel: 'nowhere:1', data: 1 }, { code: 102, message: 'unknown channel' }],
    ['/api/dance', {}, { code: 104, message: 'not found' }],
    ['/api/publish', { channel: '' }, { code: 107, message: 'bad request' }],
    ['/api/publish', { channel: 'user:#alice', data: 1 }, { code: 108, message: 'not available' }],
    ['/api/history', { channel: fresh(), since: { epoch: 'x' } }, { code: 112, message: 'unrecoverable position' }],
  ] as const) {
    const { text } = await post(path, JSON.stringify(params))
    expect(JSON.parse(text)).toEqual({
      error: error.code === 112 ? error : { ...error, detail: expect.stringMatching(/\w/) },
    })
  }
})
