import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { Hono } from 'hono'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { gatewayNamed, shardWriterOf } from '../../durable-objects/address.ts'
import type { App } from '../../src/edge/http/context.ts'
import { priorityOf, requestLoad, shedRequests } from '../../src/edge/middleware/shed-requests.ts'
import { onError } from '../../src/edge/http/problem.ts'
import type { ProjectionBatch } from '../../src/events/projection.ts'
import { eventually } from '../support/worker/bounded.ts'
import { pass, stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

afterEach(() => void vi.useRealTimers())

describe('an isolate with too many requests under way', () => {
  /** The same routes with room for two. */
  const small = () => {
    const held: (() => void)[] = []
    const hold = async () => await new Promise<void>((done) => void held.push(done))
    const app = new Hono<App>()
      .use(shedRequests({ waiting: 2, ageMs: 60_000 }))
      .get('/healthz', (c) => c.text('ok'))
      .get('/docs', (c) => c.text('docs'))
      .get('/v1/conversations', (c) => c.text('list'))
      .post('/v1/conversations/:id/messages', (c) => c.text('sent'))
      .post('/v1/held', async (c) => (await hold(), c.text('done')))
      .onError(onError)
    const ask = async (line: string) => {
      const [method = 'GET', path = '/'] = line.split(' ')
      return await app.request(path, { method }, env)
    }
    return { ask, free: () => held.splice(0).forEach((done) => done()) }
  }

  test('turns documents and lists away before messages, with 503 and a time to come back, and never its health', async () => {
    const { ask, free } = small()
    const [first] = [ask('POST /v1/held')]
    await scheduler.wait(0)
    expect((await ask('GET /docs')).status).toBe(503)
    const refused = await ask('GET /v1/conversations')
    expect(refused.status).toBe(503)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
    expect((await ask('POST /v1/conversations/x/messages')).status).toBe(200)

    const second = ask('POST /v1/held')
    await scheduler.wait(0)
    expect((await ask('POST /v1/conversations/x/messages')).status).toBe(503)
    expect((await ask('GET /healthz')).status).toBe(200)
    free()
    await Promise.all([first, second])
    expect((await ask('GET /docs')).status).toBe(200)
    expect(requestLoad.waiting).toBe(0)
  })

  test('knows what each route is for', () => {
    const order = [
      'GET /docs',
      'GET /v1/search',
      'POST /v1/notifications',
      'GET /v1/conversations',
      'POST /v1/conversations/x/messages',
      'POST /v1/limits/check',
      'POST /api/publish',
      'POST /emulation',
      'GET /connection/sse',
      'GET /',
      'POST /api',
      'GET /admin/v1/cron',
    ].map((line) => priorityOf(line.split(' ')[0] ?? '', line.split(' ')[1] ?? ''))
    expect(order).toEqual([
      'typing',
      'presence',
      'signal',
      'read',
      'message',
      'message',
      'message',
      undefined,
      undefined,
      'typing',
      'message',
      undefined,
    ])
  })

  test('dropped events are counted in /metrics, by holder and priority', async () => {
    const { text } = await call('GET /metrics')
    expect(text).toMatch(/parley_shed_total\{holder="edge",priority="typing"\} [1-9]/)
    expect(text).toMatch(/parley_shed_total\{holder="writer\/shard0\/0",priority="read"\} \d/)
    expect(text).toMatch(/parley_shed_total\{holder="\w+\/0",priority="message"\} 0/)
  })
})

test('the queue for a gateway that does not keep up is bounded, and its subscribers are made to start over', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('ana', 'bob')
  const [near, far] = [`near-${crypto.randomUUID()}`, `far-${crypto.randomUUID()}`]
  const bob = await comeTo(far, tenant, 'bob')
  await bob.ask({ subscribe: { channel: `conversation:${lunch}` } })
  const ana = await comeTo(near, tenant, 'ana')

  const free = Promise.withResolvers<void>()
  const held = runInDurableObject(
    gatewayNamed(env, far),
    async (_, state) => await state.blockConcurrencyWhile(() => free.promise),
  )
  const total = 700
  for (let sent = 0; sent < total; sent += 100) {
    const ids = ana.say(
      ...Array.from({ length: 100 }, (_, i) => ({
        rpc: { method: 'message.send', data: { conversation: lunch, clientId: `m${sent + i}`, text: `${sent + i}` } },
      })),
    )
    for (const id of ids) expect((await ana.replyTo(id)).error).toBeUndefined()
  }
  free.resolve()
  await held

  // What waited for that gateway was bounded: it finds a gap too wide to fill, and says so to its listeners.
  const { push } = await bob.next('to be told to start over', (heard) => heard.push?.unsubscribe !== undefined)
  expect(push?.unsubscribe?.code).toBe(2500)
  const { subscribe } = await bob.ask({ subscribe: { channel: `conversation:${lunch}` } })
  expect(subscribe?.offset).toBe(total)
})

async function comeTo(gateway: string, tenant: TestTenant, user: string): Promise<Line> {
  const line = await Line.open(gateway)
  await line.ask({ connect: { token: await tenant.token(user) } })
  return line
}

test('a shard writer with too much waiting says so at once, and takes words that must go before others', async () => {
  const batch = (rows: number, scrubbed: number[] = []): ProjectionBatch => ({
    tenant: 'nobody',
    placementEpoch: 1,
    conversation: 'x',
    epoch: 'e',
    rows: Array.from({ length: rows }, (_, seq) => ({ seq, at: 0, user: '', client: '', clientId: null, data: '{}' })),
    scrubbed,
  })
  const writer = shardWriterOf(env, 'shard1', 'acme', crypto.randomUUID())
  const answers = await runInDurableObject(writer, async (actor) => {
    const [, ...waiting] = Array.from({ length: 45 }, () => actor.write(batch(500)))
    const late = await Promise.race([Promise.all(waiting.slice(41)), scheduler.wait(0).then(() => 'none')])
    const scrub = actor.write(batch(1, [7]))
    const first = await Promise.race([scrub, scheduler.wait(0).then(() => 'waits')])
    return { late, first, shed: actor.stats().shed }
  })
  expect(answers.late).toEqual(expect.arrayContaining([{ kind: 'failed', why: expect.stringContaining('overloaded') }]))
  expect(answers.first).toBe('waits')
  expect(answers.shed['read']).toBeGreaterThan(0)
})

test('before a conversation that does not answer, typing is refused with 111 and a time to wait, and the message is not', async () => {
  const tenant = await newTenant()
  const lunch = await tenant.group('ana')
  const alone = `alone-${crypto.randomUUID()}`
  const ana = await comeTo(alone, tenant, 'ana')
  const calls = async () => (await gatewayNamed(env, alone).stats()).calls
  const free = Promise.withResolvers<void>()
  const held = runInDurableObject(
    tenant.actorOf(lunch),
    async (_, state) => await state.blockConcurrencyWhile(() => free.promise),
  )
  const send = (clientId: string) => ({
    rpc: { method: 'message.send', data: { conversation: lunch, clientId, text: 'hi' } },
  })
  const before = await calls()
  const [first] = ana.say(send('a'))
  await eventually('the call that waits', async () => ((await calls()) > before ? true : undefined))
  stopClock()
  pass(600)
  const typed = await ana.ask({ rpc: { method: 'conversation.typing', data: { conversation: lunch } } })
  expect(typed.error).toMatchObject({ code: 111, temporary: true })
  expect(typed.error?.message).toContain('overloaded')
  const [second] = ana.say(send('b'))
  free.resolve()
  await held
  expect((await ana.replyTo(first!)).rpc?.data).toMatchObject({ seq: 1 })
  expect((await ana.replyTo(second!)).rpc?.data).toMatchObject({ seq: 2 })
})
