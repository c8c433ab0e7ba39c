import { env } from 'cloudflare:workers'
import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { sizes } from '../../src/protocol/limits.ts'
import { settleActivity } from '../support/worker/activity.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { connectAs, type Person } from '../support/worker/person.ts'
import { post, request, say, Streamed, ways, type Way } from '../support/worker/streamed.ts'
import { encodeCommands } from '../support/worker/sdk-codec.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

afterEach(() => void vi.useRealTimers())
const later = (ms: number) => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })

async function enter(way: Way, tenant: TestTenant, user: string) {
  const stream = await Streamed.open(way, { id: 1, connect: { token: await tenant.token(user) } })
  const { connect } = await stream.replyTo(1)
  const { session = '', node = '', client } = connect!
  return { stream, connect: connect!, client, to: { session, node, way } }
}

/** Connections in a conversation, as a member sees them. */
async function countIn(conversation: string, { line }: Person): Promise<number> {
  const { presence_stats: stats } = await line.ask({ presence_stats: { channel: `conversation:${conversation}` } })
  return stats!.num_clients ?? 0
}

const isLeft = async (conversation: string, bob: Person) =>
  await eventually('no client is present', async () => ((await countIn(conversation, bob)) === 0 ? true : undefined))

describe.each(ways)('without a WebSocket, by %s', (way) => {
  test('one connects, subscribes, sends and receives, as with one', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const channel = `conversation:${lunch}`
    const { stream, connect, to } = await enter(way, tenant, 'alice')
    expect(connect).toMatchObject({ ping: 25, pong: true, session: expect.stringMatching(/^[\w-]{43}$/) })
    expect(
      await say(
        to,
        { id: 2, subscribe: { channel } },
        { id: 3, rpc: { method: 'message.send', data: { conversation: lunch, clientId: 'a', text: 'Hungry?\n' } } },
      ),
    ).toBe(204)
    expect(await stream.replyTo(2)).toMatchObject({ subscribe: { recoverable: true } })
    const texts = []
    await tenant.post(lunch, 'bob', 'Yes')
    for (const offset of [1, 2])
      texts.push((await stream.next('a message', ({ push }) => push?.pub?.offset === offset)).push?.pub?.data['text'])
    expect(texts).toEqual(['Hungry?\n', 'Yes'])
  })

  test('missing entries are recovered with the connect', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('bob', 'alice')
    const first = await enter(way, tenant, 'alice')
    const inbox = first.connect.subs['user:#alice']!
    await first.stream.leave()
    await tenant.post(lunch, 'bob', 'Hello')
    const subs = { 'user:#alice': { recover: true, offset: inbox.offset, epoch: inbox.epoch } }
    await settleActivity(tenant, lunch)
    const stream = await Streamed.open(way, { id: 9, connect: { token: await tenant.token('alice'), subs } })
    expect((await stream.replyTo(9)).connect?.subs['user:#alice']).toMatchObject({ recovered: true })
    await stream.next('the missed event', ({ push }) => {
      const data = push?.pub?.data
      return data?.['type'] === 'unread' && data['conversation'] === lunch && data['last'] === 1
    })
    await stream.leave()
  })

  test('a client that goes away is gone for the others at once', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const { stream, to } = await enter(way, tenant, 'alice')
    await say(to, { id: 2, subscribe: { channel: `conversation:${lunch}` } })
    await stream.replyTo(2)
    const bob = await connectAs(tenant, 'bob')
    expect(await countIn(lunch, bob)).toBe(1)
    await stream.leave()
    await isLeft(lunch, bob)
    expect(await say(to, { id: 3, ping: {} })).toBe(204)
  })

  test('is written to every second while nothing is published, since only a write shows that its client has left', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const gateway = env.GATEWAY.getByName(`probes-${way}/0`)
    const tenant = await newTenant()
    const token = await tenant.token('alice')
    const first =
      way === 'messages'
        ? encodeCommands([{ id: 1, connect: { token } }])
        : JSON.stringify({ id: 1, connect: { token } })
    const stream = Streamed.of(way, await gateway.fetch(`http://gateway/${way}`, { method: 'POST', body: first }))
    await stream.replyTo(1)
    for (let second = 1; second <= 2; second++) {
      await runInDurableObject(gateway, () => void vi.advanceTimersByTime(1000))
      await stream.next('a sign of life', ({ push }) => push?.channel === '_')
    }
    await stream.leave()
  })

  test('is pinged, and one that does not answer is sent away', async () => {
    const { stream, to } = await enter(way, await newTenant(), 'alice')
    const actor = env.GATEWAY.getByName(to.node.slice(0, to.node.lastIndexOf('/')))
    for (let beat = 1; beat <= 3; beat++) {
      later(25_000)
      await runDurableObjectAlarm(actor)
      await stream.next('a ping', (heard) => Object.keys(heard).length === 0)
      expect(await say(to, {})).toBe(204)
    }
    for (const _ of ['unanswered', 'noticed']) {
      later(25_000)
      await runDurableObjectAlarm(actor)
    }
    expect(await stream.ended()).toMatchObject({ disconnect: { code: 3012, reason: 'no pong' } })
  })

  test('an ending is given by its code, and the answer ends', async () => {
    const stream = await Streamed.open(way, { id: 1, connect: { token: 'forged' } })
    expect(await stream.ended()).toMatchObject({ disconnect: { code: 3500, reason: 'invalid token' } })
  })

  test('a frame that cannot be read ends the session', async () => {
    const { stream, to } = await enter(way, await newTenant(), 'alice')
    expect(await say(to, { id: 5, dance: {} })).toBe(204)
    expect(await stream.ended()).toMatchObject({ disconnect: { code: 3501 } })
    expect(await say(to, { id: 6, ping: {} })).toBe(204)
  })

  test('no connect, or something else first, ends it', async () => {
    const broken = await request(way, way === 'messages' ? new Uint8Array([0xff]) : '{')
    expect(new TextDecoder().decode(await broken.arrayBuffer())).toContain('bad request')
    const stream = await Streamed.open(way, { id: 1, subscribe: { channel: 'conversation:x' } })
    expect(await stream.ended()).toMatchObject({ disconnect: { code: 3501 } })
  })

  test('a client that does not read is sent away before much gathers', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('alice', 'bob')
    const { stream, to } = await enter(way, tenant, 'alice')
    await say(to, { id: 2, subscribe: { channel: `conversation:${lunch}` } })
    await stream.replyTo(2)
    for (let n = 1; n <= 90; n++) await tenant.post(lunch, 'bob', 'x'.repeat(16_000))
    await isLeft(lunch, await connectAs(tenant, 'bob'))
    expect(await stream.ended()).toMatchObject({ disconnect: { code: 3008, reason: 'slow' } })
  })

  test('a post reaches no other session, nor another node’s', async () => {
    const tenant = await newTenant()
    const { to } = await enter(way, tenant, 'alice')
    const gateway = to.node.slice(0, to.node.lastIndexOf('/'))
    expect(await say({ ...to, session: 'x'.repeat(43) }, { id: 2, ping: {} })).toBe(204)
    for (const node of [`${gateway}/another`, 'nowhere/0/x', 'weur/7/x', '', gateway])
      expect(await say({ ...to, node }, { id: 2, ping: {} })).toBe(404)
  })
})

describe('the endpoints', () => {
  test('may be used by pages anywhere, also where they fail, and never by cookie', async () => {
    for (const path of ['/connection/sse', '/connection/http_stream', '/emulation']) {
      const asked = {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      }
      const { status, headers } = await call(`OPTIONS ${path}`, { headers: asked })
      expect(status).toBe(204)
      expect(headers.get('access-control-allow-origin')).toBe('*')
      expect(headers.get('access-control-allow-headers')?.toLowerCase()).toBe('content-type')
      expect(headers.get('access-control-allow-methods')).toContain('POST')
      expect(headers.get('access-control-allow-credentials')).toBeNull()
      const failed = await call(`POST ${path}`, {
        headers: { origin: 'https://app.example' },
        raw: 'x'.repeat(200_000),
      })
      expect([failed.status >= 400, failed.headers.get('access-control-allow-origin')]).toEqual([true, '*'])
    }
  })

  test('say what is wrong with a request', async () => {
    expect((await call('GET /connection/sse')).status).toBe(400)
    expect((await call('GET /connection/http_stream')).status).toBe(405)
    expect((await call('POST /connection/http_stream', { raw: 'x'.repeat(sizes.frameBytes + 1) })).status).toBe(413)
    expect((await post('lines', '{"session":1}')).status).toBe(400)
    expect((await post('lines', 'hello')).status).toBe(400)
    expect((await post('messages', new Uint8Array([0xff, 0xff]))).status).toBe(400)
    expect((await post('lines', 'x'.repeat(2 * sizes.frameBytes + 1025))).status).toBe(413)
  })

  test('are answered as what they are, and nothing on the way may gather them', async () => {
    const types = { sse: 'text/event-stream', lines: 'application/x-ndjson', messages: 'application/octet-stream' }
    for (const way of ways) {
      const { stream } = await enter(way, await newTenant(), 'alice')
      const { headers } = stream.response
      expect(headers.get('content-type')).toBe(types[way])
      expect(headers.get('cache-control')).toBe('no-store, no-transform')
      await stream.leave()
    }
  })
})
