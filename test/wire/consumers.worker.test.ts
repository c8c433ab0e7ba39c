import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/kernel/clock.ts'
import { call } from '../support/worker/http.ts'
import { spoken, type Line } from '../support/worker/line.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { connect, tokenFor } from '../support/worker/topics.ts'

afterEach(() => {
  spoken.format = 'json'
  vi.restoreAllMocks()
})

const mayPull = [{ channels: ['consumer:bill*'], match: 'wildcard', allow: ['pull'] }]

async function connected(
  format: 'json' | 'protobuf' = 'json',
  capabilities: readonly object[] = mayPull,
  limits: Parameters<typeof newTenant>[0] = {},
) {
  spoken.format = format
  const tenant = await newTenant(limits)
  const as = tenant.key
  expect((await call('PUT /v1/consumers/billing', { as, body: {} })).status).toBe(200)
  const line = await connect(await tokenFor(tenant, 'worker', { capabilities }))
  const publish = async (...events: object[]) =>
    expect((await call('POST /v1/events', { as, body: events })).status).toBe(201)
  return { tenant, line, publish }
}

const rpc = async (line: Line, method: string, data: object) => {
  const { rpc: result, error } = await line.ask({ rpc: { method, data: { consumer: 'billing', ...data } } })
  return { data: Object(result?.data), code: error?.code ?? 0, message: error?.message ?? '' }
}

describe('a consumer over a connection', () => {
  test.each(['json', 'protobuf'] as const)('is pulled and acknowledged in %s, as over HTTP', async (format) => {
    const { tenant, line, publish } = await connected(format)
    await publish({ type: 'order.placed', key: 'alice', data: { total: 20 } }, { type: 'order.placed', key: 'bob' })
    const pulled = await rpc(line, 'events.pull', { max: 5 })
    expect(pulled.data).toMatchObject({
      lease: expect.any(String),
      events: [
        { id: 'billing/default/1', attempt: 1, event: { offset: 1, partitionkey: 'alice', data: { total: 20 } } },
        { id: 'billing/default/2', attempt: 1 },
      ],
    })
    const { lease } = pulled.data
    expect((await rpc(line, 'events.acknowledge', { lease, done: [1, 2] })).data).toEqual({ late: [] })
    expect((await call('GET /v1/consumers/billing', { as: tenant.key })).body).toMatchObject({ settled: 2, lag: 0 })
    expect((await rpc(line, 'events.pull', {})).data).toEqual({ lease: null, until: null, events: [] })
  })

  test('hands an event out again that was acknowledged as failed', async () => {
    const { line, publish } = await connected()
    await publish({ type: 't' })
    const { lease } = (await rpc(line, 'events.pull', {})).data
    await rpc(line, 'events.acknowledge', { lease, failed: [{ offset: 1, reason: 'later', delaySeconds: 0 }] })
    expect((await rpc(line, 'events.pull', { waitSeconds: 2 })).data).toMatchObject({ events: [{ attempt: 2 }] })
  })

  test('is waited for until there is an event', async () => {
    const { line, publish } = await connected()
    const [id = 0] = line.say({ rpc: { method: 'events.pull', data: { consumer: 'billing', waitSeconds: 2 } } })
    await publish({ type: 't' })
    expect((await line.replyTo(id)).rpc).toMatchObject({ data: { events: [{ event: { type: 't' } }] } })
  })

  test('is waited for no longer than two seconds, which is less than a command may take', async () => {
    const { line } = await connected()
    expect(await rpc(line, 'events.pull', { waitSeconds: 3 })).toMatchObject({
      code: 400,
      message: expect.stringContaining('waitSeconds'),
    })
  })

  test.each([
    ['no capability', []],
    ['a capability for another consumer', [{ channels: ['consumer:shipping'], allow: ['pull'] }]],
    ['a capability to read everything', [{ channels: ['*'], match: 'wildcard', allow: ['sub', 'hst'] }]],
  ])('is refused to a token with %s, and no actor is asked', async (_, capabilities) => {
    const { line } = await connected('json', capabilities)
    const asked = vi.spyOn(env.EVENT_CONSUMER, 'getByName')
    const refusal = { code: 103, message: expect.stringContaining('"consumer:billing"') }
    expect(await rpc(line, 'events.pull', {})).toMatchObject(refusal)
    expect(await rpc(line, 'events.acknowledge', { lease: 'x', done: [1] })).toMatchObject(refusal)
    expect(asked).not.toHaveBeenCalled()
  })

  test('that does not exist is answered 404 and opens no actor', async () => {
    const { line } = await connected()
    expect(await rpc(line, 'events.pull', { consumer: 'billion' })).toMatchObject({ code: 404 })
  })

  test('is charged by the event, also when there is none', async () => {
    const { line } = await connected('json', mayPull, { requestsPerSecondUser: 1, commandsPerSecondConnection: 10_000 })
    const at = systemClock.now()
    // No item comes back while the clock stands.
    vi.spyOn(systemClock, 'now').mockReturnValue(at)
    const codes = new Set<number>()
    for (let n = 0; n < 110 && codes.size < 2; n++) codes.add((await rpc(line, 'events.pull', { max: 100 })).code)
    expect([...codes]).toEqual([0, 111])
  })
})
