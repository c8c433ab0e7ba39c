import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { base64url, SignJWT } from 'jose'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { jobQueueOf } from '../../durable-objects/address.ts'
import { app } from '../../src/edge/http/app.ts'
import { maxSchedules } from '../../src/jobs/schedules/schedule-limits.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { postgresIsAway } from '../support/worker/shards.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

afterEach(() => void vi.useRealTimers())

/** Moves the clock that the actors read. */
const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })

describe('over HTTP', () => {
  const endpoint = 'https://hooks.example.com/parley'

  test('a job is accepted, seen, cancelled', async () => {
    const { key: as } = await newTenant()
    const created = await call('POST /v1/jobs', {
      as,
      body: { id: 'mine', url: endpoint, payload: { a: 1 }, key: 'k' },
    })
    expect([created.status, created.body]).toMatchObject([201, { id: 'mine', state: 'waiting', duplicate: false }])
    expect((await call('POST /v1/jobs', { as, body: { id: 'mine', url: endpoint, payload: { a: 1 } } })).status).toBe(
      200,
    )
    expect((await call('POST /v1/jobs', { as, body: { id: 'mine', url: endpoint, payload: { a: 2 } } })).status).toBe(
      409,
    )
    expect((await call('GET /v1/jobs/mine', { as })).body).toMatchObject({ state: 'waiting', attempts: 0, progress: 0 })
    expect((await call('DELETE /v1/jobs/mine', { as })).body).toMatchObject({ state: 'cancelled' })
    expect((await call('POST /v1/jobs/mine/redrive', { as })).status).toBe(409)
    expect((await call('GET /v1/jobs/other', { as })).status).toBe(404)
  })

  test('a job in another queue is found by its id, and the queue is listed', async () => {
    const { key: as } = await newTenant()
    succeeded(await call('POST /v1/jobs', { as, body: { id: 'x', queue: 'mail', url: endpoint } }))
    await expect.poll(async () => (await call('GET /v1/queues', { as })).body).toEqual({ queues: ['default', 'mail'] })
    expect((await call('GET /v1/jobs/x', { as })).body).toMatchObject({ id: 'x', queue: 'mail' })
    expect((await call('GET /v1/jobs/x?queue=default', { as })).status).toBe(404)
  })

  test('a queue is paused, limited, looked into', async () => {
    const { key: as } = await newTenant()
    await call('POST /v1/queues/q/pause', { as })
    const changed = await call('PATCH /v1/queues/q', {
      as,
      body: { concurrency: 5, keyRate: { count: 2, seconds: 1 } },
    })
    expect(changed.body).toMatchObject({ name: 'q', paused: true, concurrency: 5, keyConcurrency: 1 })
    succeeded(
      await call('POST /v1/jobs/batch', { as, body: { queue: 'q', jobs: [{ url: endpoint }, { type: 'join' }] } }),
    )
    expect((await call('GET /v1/queues/q', { as })).body).toMatchObject({ counts: { waiting: 2 } })
    expect((await call('GET /v1/queues/q/jobs?state=waiting&limit=1', { as })).body).toMatchObject({
      jobs: [{ type: 'join', state: 'waiting' }],
      next: expect.any(String),
    })
  })

  test.each(['@hourly', '@daily', '@weekly', '@monthly', '@yearly', '@annually'])(
    'a schedule by the name %s is accepted and shown as it was written',
    async (cron) => {
      const { key: as } = await newTenant()
      const made = await call('PUT /v1/schedules/s', { as, body: { cron, job: { url: endpoint } } })
      expect(made).toMatchObject({ status: 200, body: { cron, nextAt: expect.any(Number) } })
    },
  )

  test('schedules are listed by page, without a look at what their jobs carry', async () => {
    const { key: as } = await newTenant()
    for (const name of ['a', 'b', 'c'])
      succeeded(
        await call(`PUT /v1/schedules/${name}`, { as, body: { cron: '@daily', job: { url: endpoint, payload: 1 } } }),
      )
    const first = (await call('GET /v1/schedules?limit=2', { as })).body
    expect(first).toMatchObject({ schedules: [{ name: 'a', type: 'http' }, { name: 'b' }], next: 'b' })
    expect((await call('GET /v1/schedules?limit=2&cursor=b', { as })).body).toMatchObject({
      schedules: [{ name: 'c' }],
      next: null,
    })
  })

  test('a tenant whose schedules fill its bound in one queue gets none in another until one is deleted', async () => {
    const { id, key: as } = await newTenant()
    const put = (name: string) =>
      call(`PUT /v1/schedules/${name}`, { as, body: { queue: 'mail', cron: '@daily', job: { url: endpoint } } })
    const first = jobQueueOf(env, id, 'default')
    await first.claimSchedules('other', { schedules: 0, bytes: 0 }, { schedules: maxSchedules - 1, bytes: 0 })
    expect((await put('one')).status).toBe(200)
    expect(await put('two')).toMatchObject({
      status: 409,
      body: { detail: `schedules: at most ${maxSchedules} of a tenant; delete one first` },
    })
    expect((await put('one')).status).toBe(200)
    expect((await call('DELETE /v1/schedules/one?queue=mail', { as })).status).toBe(204)
    expect((await put('two')).status).toBe(200)
  })

  test('a secret signs, and two do for a day after it was changed', async () => {
    const { key: as } = await newTenant()
    const { secrets: before } = (await call('GET /v1/queues/q/secret', { as })).body
    expect(before).toEqual([expect.stringMatching(/^whsec_/)])
    const { secrets: both } = (await call('POST /v1/queues/q/secret', { as })).body
    expect(both).toHaveLength(2)
    later(86_400_001)
    expect((await call('GET /v1/queues/q/secret', { as })).body['secrets']).toHaveLength(1)
  })

  test('a schedule is made, seen, taken away', async () => {
    const { key: as } = await newTenant()
    const body = { cron: '30 2 * * *', timeZone: 'Europe/Berlin', job: { url: endpoint } }
    const asked = Date.now()
    const made = await call('PUT /v1/schedules/nightly', { as, body })
    expect(made.body).toMatchObject({ name: 'nightly', timeZone: 'Europe/Berlin', gap: 'shift', overlap: 'first' })
    expect(Number(made.body['nextAt'])).toBeGreaterThan(asked)
    expect((await call('GET /v1/schedules', { as })).body).toMatchObject({ schedules: [{ name: 'nightly' }] })
    expect((await call('DELETE /v1/schedules/nightly', { as })).status).toBe(204)
    expect((await call('GET /v1/schedules/nightly', { as })).status).toBe(404)
  })

  test.each([
    [{ url: 'http://hooks.example.com/' }, /url: must begin with https/],
    [{ url: 'https://10.0.0.1/' }, /url: must have a name/],
    [{ url: 'https://127.0.0.1/' }, /url: loopback is refused; start the system with ALLOW_PRIVATE_ENDPOINTS=1/],
    [{}, /url: an http job has one/],
    [{ type: 'deliver-message', url: endpoint }, /type/],
    [{ url: endpoint, delaySeconds: 91 * 86_400 }, /delaySeconds: at most 90 days/],
    [{ url: endpoint, delaySeconds: 5, runAt: 5 }, /delaySeconds, runAt: give one/],
    [{ url: endpoint, concurrency: 2 }, /key: concurrency and rate are per key/],
    [{ url: endpoint, payload: 'x'.repeat(130_000) }, /payload: at most 120000 bytes/],
    [{ url: endpoint, id: 'has space' }, /id: letters/],
    [{ url: endpoint, after: ['unknown'] }, /after: there is no job unknown/],
    [{ url: endpoint, attempts: 0 }, /attempts/],
    [{ url: endpoint, unknown: 1 }, /unknown/i],
  ])('%j is refused with a sentence', async (body, detail) => {
    const { key: as } = await newTenant()
    const answer = await call('POST /v1/jobs', { as, body })
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringMatching(detail)])
  })

  test.each([
    ['a private endpoint', [{ url: 'https://192.168.0.1/' }], 400],
    ['one that is not https', [{ url: 'http://hooks.example.com/' }], 400],
    ['a payload that is too large', [{ url: endpoint, payload: 'x'.repeat(120_001) }], 400],
    ['a delay beyond the maximum', [{ url: endpoint, delaySeconds: 90 * 86_400 + 1 }], 400],
    ['a time beyond the maximum', [{ url: endpoint, runAt: Date.now() + 91 * 86_400_000 }], 400],
    ['a known id with another payload', [{ id: 'known', url: endpoint, payload: 2 }], 409],
    ['a job that waits for an unknown one', [{ url: endpoint, after: ['unknown'] }], 400],
    [
      'a circle',
      [
        { id: 'a', type: 'join', after: ['b'] },
        { id: 'b', type: 'join', after: ['a'] },
      ],
      400,
    ],
  ])('of a batch with %s nothing is accepted', async (_, bad, status) => {
    const { key: as } = await newTenant()
    succeeded(await call('POST /v1/jobs', { as, body: { id: 'known', url: endpoint, payload: 1 } }))
    const jobs = [{ id: 'good', type: 'join' }, ...bad, { id: 'also', type: 'join' }]
    const answer = await call('POST /v1/jobs/batch', { as, body: { jobs } })
    expect([answer.status, answer.body.detail.length > 10]).toEqual([status, true])
    const { counts } = (await call('GET /v1/queues/default', { as })).body
    expect(counts).toMatchObject({ waiting: 1, delayed: 0 })
    for (const id of ['good', 'also', 'a', 'b']) expect((await call(`GET /v1/jobs/${id}`, { as })).status).toBe(404)
  })

  test('of a schedule that is refused nothing stays, and one that was there goes on as it was', async () => {
    const { key: as } = await newTenant()
    const put = (body: object) => call('PUT /v1/schedules/s', { as, body: { job: { url: endpoint }, ...body } })
    expect((await put({ cron: 'not a cron' })).status).toBe(400)
    expect((await call('GET /v1/schedules/s', { as })).status).toBe(404)
    succeeded(await put({ cron: '0 5 * * *' }))
    for (const bad of [
      { cron: '0 5 * * 8' },
      { cron: '0 5 * * *', timeZone: 'Nowhere' },
      { job: { url: 'https://[::1]/' } },
    ])
      expect((await put({ cron: '0 6 * * *', ...bad })).status).toBe(400)
    expect((await call('GET /v1/schedules/s', { as })).body).toMatchObject({ cron: '0 5 * * *', timeZone: 'UTC' })
  })

  test.each([
    [{ cron: '61 * * * *' }, /^cron: /],
    [{ cron: '0 9 32 * *' }, /^cron: day of month "32"/],
    [{ cron: '@reboot' }, /^cron: "@reboot" is not known/],
    [{ cron: '0 0 31 2 *' }, /cron: it never comes/],
    [{ cron: '0 0 * * *', timeZone: 'Mars/Olympus' }, /timeZone: Mars/],
    [{ cron: '0 0 * * *', everySeconds: 60 }, /cron, everySeconds: give one/],
    [{ everySeconds: 1 }, /everySeconds/],
  ])('a schedule %j is refused with a sentence', async (when, detail) => {
    const { key: as } = await newTenant()
    const answer = await call('PUT /v1/schedules/s', { as, body: { ...when, job: { type: 'join' } } })
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringMatching(detail)])
  })

  test.each([
    ['from=yesterday', /from: a day as/],
    ['from=2026-11-22&to=2026-11-21', /from must not be after to/],
    ['from=2020-01-01&to=2026-01-01', /at most 366 days/],
    ['day=2026-11-22', /day/],
  ])('usage of %s is refused with a sentence', async (wanted, detail) => {
    const { status, body } = await call(`GET /v1/usage?${wanted}`, { as: (await newTenant()).key })
    expect([status, body.detail]).toEqual([400, expect.stringMatching(detail)])
  })

  test('usage is for the tenant’s server, and a database that is away is no error of ours', async () => {
    const tenant = await newTenant()
    expect((await call('GET /v1/usage', { as: await tenant.token('alice') })).status).toBe(403)
    postgresIsAway()
    expect((await call('GET /v1/usage', { as: tenant.key })).status).toBe(503)
    vi.unstubAllGlobals()
  })

  test('users have no jobs, and no tenant sees another one’s', async () => {
    const tenant = await newTenant()
    succeeded(await call('POST /v1/jobs', { as: tenant.key, body: { id: 'secret', url: endpoint } }))
    expect((await call('POST /v1/jobs', { as: await tenant.token('alice'), body: { url: endpoint } })).status).toBe(403)
    expect((await call('GET /v1/jobs/secret', { as: (await newTenant()).key })).status).toBe(404)
  })

  test('a request to /jobs that QStash did not sign is refused', async () => {
    const body = { tenant: 'demo', queue: 'default', visit: 'v' }
    expect((await call('POST /jobs', { body })).status).toBe(401)
    expect((await call('POST /jobs/failed', { body, headers: { 'upstash-signature': 'a.b.c' } })).status).toBe(401)
  })
})

test('a batch with a wrong endpoint is refused whole, and the answer says which job it is', async () => {
  const jobs = ['https://hooks.example.com', 'https://127.0.0.1', 'https://hooks.example.com'].map((url) => ({ url }))
  expect(await call('POST /v1/jobs/batch', { as: (await newTenant()).key, body: { jobs } })).toMatchObject({
    status: 400,
    body: { detail: expect.stringMatching(/^jobs\.1\.url: loopback is refused/) },
  })
})

describe('a request that QStash signed', () => {
  const keys = { QSTASH_TOKEN: 'token', QSTASH_CURRENT_SIGNING_KEY: 'sig_current', QSTASH_NEXT_SIGNING_KEY: 'sig_next' }

  /** Posts a body as QStash would, with a signature over it. */
  async function post(path: '/jobs' | '/jobs/failed', body: string): Promise<Response> {
    const url = `http://localhost:8787${path}`
    const hash = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(body))
    const signature = await new SignJWT({ body: base64url.encode(new Uint8Array(hash)) })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('Upstash')
      .setSubject(url)
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(new TextEncoder().encode('sig_current'))
    const request = new Request(url, { method: 'POST', body, headers: { 'Upstash-Signature': signature } })
    return await app.fetch(request, { ...env, ...keys }, createExecutionContext())
  }

  test.each(['', '{', 'null', '[]', '{"sourceBody":1}', '{"sourceBody":"no base64!"}', '{"sourceBody":"e30="}'])(
    'and is malformed is answered 400: %s',
    async (body) => {
      for (const path of ['/jobs', '/jobs/failed'] as const) expect((await post(path, body)).status).toBe(400)
    },
  )
})

describe('live', () => {
  test('a job has one channel: its other name is refused, and the answer says which it is', async () => {
    const tenant = await newTenant()
    succeeded(await call('POST /v1/jobs', { as: tenant.key, body: { id: 'one', type: 'join', watchers: ['alice'] } }))
    const alice = await connectAs(tenant, 'alice')
    const { error } = await alice.line.ask({ subscribe: { channel: 'jobs:default:one' } })
    expect(error).toMatchObject({ code: 102 })
    const order = { user: 'alice', channel: 'jobs:default:one' }
    succeeded(await call('POST /api/subscribe', { as: tenant.key, body: order }))
    const told = await alice.line.next('the order', ({ push }) => push !== undefined && 'subscribe' in push)
    expect(told.push).toMatchObject({ channel: 'jobs:one' })
  })

  test('the watchers of a job may subscribe to it, and no other user', async () => {
    const tenant = await newTenant()
    const body = { id: 'report', type: 'join', watchers: ['alice'] }
    succeeded(await call('POST /v1/jobs', { as: tenant.key, body }))
    const [alice, bob] = [await connectAs(tenant, 'alice'), await connectAs(tenant, 'bob')]
    const { subscribe } = await alice.line.ask({ subscribe: { channel: 'jobs:report' } })
    expect(subscribe).toMatchObject({ data: { id: 'report', state: 'waiting', progress: 0 } })
    expect((await bob.line.ask({ subscribe: { channel: 'jobs:report' } })).error).toMatchObject({ code: 103 })
    expect((await bob.line.ask({ subscribe: { channel: 'jobs:other' } })).error).toMatchObject({ code: 103 })

    succeeded(
      await call('POST /v1/jobs/report/progress', { as: tenant.key, body: { progress: 40, line: 'nearly half' } }),
    )
    const told = await alice.line.next('progress', ({ push }) => push?.channel === 'jobs:report')
    expect(told.push?.pub?.data).toMatchObject({ id: 'report', progress: 40 })
  })
})
