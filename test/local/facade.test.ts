import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { bucketOf } from '../../src/facade/choose.ts'
import { switchMs } from '../../src/facade/rollout.ts'
import { FacadeSystem } from '../support/facade/facade-system.ts'
import { largeBytes, TestUpstream } from '../support/facade/upstream.ts'

let system: FacadeSystem
let legacy: TestUpstream
let next: TestUpstream
let nth = 0
/** A route of one test. */
let route = ''

/** Each test has upstreams of its own, so that none meets a breaker that another opened. */
const pairs: (readonly [TestUpstream, TestUpstream])[] = []
const maxTests = 40

beforeAll(async () => {
  for (let n = 0; n < maxTests; n++) pairs.push([await TestUpstream.start('legacy'), await TestUpstream.start('new')])
  system = await FacadeSystem.start({
    FACADE_PRIVATE_HOSTS: pairs.flatMap((pair) => pair.map(({ port }) => `acme=127.0.0.1:${port}`)).join(','),
    FACADE_HOSTS: 'www.acme.test=acme/site,apps.acme.test=acme',
  })
})
afterAll(async () => {
  await system.stop()
  await Promise.all(pairs.flatMap((pair) => pair.map((upstream) => upstream.stop())))
})
beforeEach(() => {
  const pair = pairs[nth] ?? expect.fail('more tests than upstreams')
  ;[legacy, next] = pair
  route = `shop-${nth++}`
})

async function put(given: object = {}, name = route) {
  const definition = {
    legacy: { url: legacy.url, timeoutMs: 1000 },
    new: { url: next.url, timeoutMs: 1000 },
    key: { from: 'header', name: 'x-user' },
    ...given,
  }
  const answer = await system.api(`PUT /v1/facade-routes/${name}`, definition)
  expect(answer).toMatchObject({ status: 200 })
  return answer.body
}

const pathOf = (path: string) => `/facade/acme/${route}${path}`
const ask = async (path: string, init: RequestInit = {}) =>
  await fetch(`${system.url}${pathOf(path)}`, { redirect: 'manual', ...init })
/** The side that answered a user, and the status. */
async function sideOf(user: string, headers: Readonly<Record<string, string>> = {}, init: RequestInit = {}) {
  const response = await ask('/page', { ...init, headers: { 'x-user': user, ...headers } })
  await response.arrayBuffer()
  return `${response.headers.get('x-side') ?? 'none'} ${response.status}`
}
/** Users in the order of their buckets: those that move first. */
const users = () =>
  Array.from({ length: 200 }, (_, n) => `user-${n}`).toSorted((a, b) => bucketOf(route, a) - bucketOf(route, b))

describe('a facade in front of two systems', () => {
  test('loses no request that either side would have answered, whatever the other does', async () => {
    await put({ percent: 50, fallback: { both: true } })
    const faults = ['', '500', '503', 'reset', 'hang'] as const
    const lost: string[] = []
    await Promise.all(
      faults.flatMap((ofLegacy) =>
        faults.flatMap((ofNew) =>
          ['GET', 'PUT', 'DELETE'].map(async (method, n) => {
            if (ofLegacy !== '' && ofNew !== '') return
            const headers = {
              'x-user': `user-${n}-${ofLegacy}-${ofNew}`,
              ...(ofLegacy === '' ? {} : { 'x-legacy': ofLegacy }),
              ...(ofNew === '' ? {} : { 'x-new': ofNew }),
            }
            const response = await ask('/page', { method, headers, ...(method === 'PUT' ? { body: 'a body' } : {}) })
            const text = await response.text()
            if (response.status !== 200 || (method === 'PUT' && !text.includes('a body')))
              lost.push(`${method} ${ofLegacy}/${ofNew}: ${response.status} ${text}`)
          }),
        ),
      ),
    )
    expect(lost).toEqual([])
  })

  test('makes the effect of a POST once, unless its route says that it may be made on both sides', async () => {
    await put({ percent: 100 })
    const post = { method: 'POST', body: '{"order":1}' }
    expect(await sideOf('alice', { 'x-new': '500' }, post)).toBe('new 500')
    expect(await sideOf('alice', { 'x-new': 'reset' }, post)).toBe('none 502')
    expect(legacy.arrived).toEqual([])
    await put({ percent: 100, fallback: { unsafe: true } })
    expect(await sideOf('alice', { 'x-new': '500' }, post)).toBe('legacy 200')
    expect(legacy.arrived.map(({ body }) => body)).toEqual(['{"order":1}'])
  })

  test('answers with what the first side said when the second says nothing, and names the side that did not answer', async () => {
    await put({ percent: 100 })
    expect(await sideOf('alice', { 'x-new': '503', 'x-legacy': 'reset' })).toBe('new 503')
    const response = await ask('/page', { headers: { 'x-new': 'hang', 'x-legacy': 'hang' } })
    expect([response.status, await response.json()]).toEqual([
      504,
      expect.objectContaining({ title: 'Upstream too slow', detail: 'upstream: new: no answer within 1000 ms' }),
    ])
  })

  test('sends everything to legacy while the breaker of the new side is open, also what is sent once only', async () => {
    await put({ percent: 100 })
    next.fault = '503'
    for (let n = 0; n < 8; n++) expect(await sideOf(`user-${n}`)).toBe('legacy 200')
    next.arrived.length = 0
    const post = { method: 'POST', body: 'once' }
    await expect.poll(() => sideOf('alice', {}, post)).toBe('legacy 200')
    expect(legacy.arrived.at(-1)?.body).toBe('once')
    next.fault = undefined
  })

  test('asks legacy although its breaker is open: nothing is refused that it would answer', async () => {
    await put({ percent: 0 })
    legacy.fault = '503'
    for (let n = 0; n < 12; n++) expect(await sideOf(`user-${n}`)).toBe('legacy 503')
    legacy.fault = undefined
    expect(await sideOf('alice')).toBe('legacy 200')
  })

  test('asks a side whose breaker is open when the other side fails, so that it is the last that can answer', async () => {
    await put({ percent: 0, fallback: { both: true } })
    legacy.fault = 'reset'
    for (let n = 0; n < 12; n++) expect(await sideOf(`user-${n}`)).toBe('new 200')
    legacy.fault = undefined
    next.fault = 'reset'
    for (let n = 0; n < 12; n++) expect(await sideOf(`user-${n}`)).toBe('legacy 200')
  })

  test('moves users to the new side step by step, and none to and fro', async () => {
    // How fast the sides are is not this test's affair.
    await put({ percent: 0, rollback: null })
    const all = users()
    const seen = new Map<string, string[]>(all.map((user) => [user, []]))
    const look = async () => {
      for (const user of all) {
        const side = (await sideOf(user)).split(' ')[0] ?? ''
        const sides = seen.get(user) ?? []
        if (sides.at(-1) !== side) sides.push(side)
      }
    }
    for (const percent of [5, 25, 100]) {
      await put({ percent, rollback: null })
      const until = Date.now() + switchMs
      while (Date.now() < until) await look()
      await look()
      const moved = all.filter((user) => seen.get(user)?.at(-1) === 'new')
      expect(moved).toEqual(all.filter((user) => bucketOf(route, user) < 100 * percent))
    }
    expect(new Set([...seen.values()].map((sides) => sides.join(' ')))).toEqual(new Set(['legacy new']))
  })

  test('goes back to legacy with a kill, at once, and stays there until it is resumed', async () => {
    await put({ percent: 100 })
    expect(await sideOf('alice')).toBe('new 200')
    const killed = await system.api(`POST /v1/facade-routes/${route}/kill`, { reason: 'orders are missing' })
    expect(killed.body).toMatchObject({ state: 'killed', version: 2 })
    expect(await sideOf('alice')).toBe('legacy 200')
    await put({ percent: 100, allow: ['alice'] })
    expect(await sideOf('alice')).toBe('legacy 200')
    await system.api(`POST /v1/facade-routes/${route}/resume`, { reason: 'mended' })
    await expect.poll(() => sideOf('alice')).toBe('new 200')
  })

  test('rolls back by itself when the new side fails more than legacy', async () => {
    await put({ percent: 50, rollback: { minCalls: 20, windowSeconds: 10 } })
    const all = users()
    next.fault = '500'
    const state = async () => (await system.api(`GET /v1/facade-routes/${route}`)).body['state']
    await expect
      .poll(async () => {
        for (const user of all) expect(await sideOf(user)).toBe('legacy 200')
        return await state()
      })
      .toBe('rolled-back')
    next.fault = undefined
    await expect.poll(() => sideOf(all[0] ?? '')).toBe('legacy 200')
    const { body } = await system.api(`GET /v1/facade-routes/${route}/versions?limit=1`)
    expect(body).toMatchObject({ versions: [{ action: 'rollback', by: 'rollback', percent: 50 }], next: 2 })
    expect(JSON.stringify(body)).toMatch(/error rate 100.0 %, of legacy 0.0 %/)
  })
})

describe('a request through a facade', () => {
  test('is the request without hop-by-hop headers, with the host and address that it came by', async () => {
    await put({ percent: 0 })
    const headers = { host: 'parley.test', connection: 'close, x-hop', 'x-hop': '1', te: 'trailers', 'x-kept': '1' }
    const own = { ...headers, 'x-forwarded-for': '10.0.0.1', cookie: 'a=1; b=2', authorization: 'Basic abc' }
    await system.raw(pathOf('/a%2Fb/?q=%20x&y'), own)
    const [{ path, headers: sent } = expect.fail('nothing arrived')] = legacy.arrived
    expect(path).toBe('/a%2Fb/?q=%20x&y')
    expect(sent).toMatchObject({
      host: `127.0.0.1:${legacy.port}`,
      'x-forwarded-host': 'parley.test',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-prefix': `/facade/acme/${route}`,
      'x-kept': '1',
      cookie: 'a=1; b=2',
      authorization: 'Basic abc',
      via: '1.1 parley',
    })
    for (const name of ['x-hop', 'te', 'keep-alive']) expect(sent).not.toHaveProperty(name)
  })

  test('is the answer with each cookie, and with redirects and paths of the facade', async () => {
    await put({ percent: 0 })
    const { status, headers } = await system.raw(pathOf('/cookies'), { host: 'parley.test' })
    expect([status, headers['location'], headers['set-cookie']]).toEqual([
      302,
      `http://parley.test/facade/acme/${route}/login?x=1`,
      [`a=1; Path=/facade/acme/${route}/`, `b=2; Path=/facade/acme/${route}/cart; HttpOnly`],
    ])
    expect(headers['keep-alive']).not.toBe('timeout=9')
  })

  test('is a whole site on a host of its own, and each route by its name on another', async () => {
    await put({ percent: 0 }, 'site')
    const { body, headers } = await system.raw('/v1/cookies?x', { host: 'www.acme.test' })
    expect([JSON.parse(body.toString()), headers['x-side']]).toEqual([{ path: '/v1/cookies', body: '' }, 'legacy'])
    await system.raw('/facade/site/x', { host: 'apps.acme.test' })
    expect(legacy.arrived.at(-1)).toMatchObject({ path: '/x', headers: { 'x-forwarded-prefix': '/facade/site' } })
    expect((await system.raw('/facade/acme/site/x', { host: 'apps.acme.test' })).status).toBe(404)
  })

  test('is an encoded body byte for byte, a HEAD, an empty answer and a 304', async () => {
    await put({ percent: 0 })
    const { body, headers } = await system.raw(pathOf('/gzip'), { 'accept-encoding': 'gzip' })
    expect([headers['content-encoding'], JSON.parse(gunzipSync(body).toString())]).toEqual([
      'gzip',
      { side: 'one of both' },
    ])
    const head = await system.raw(pathOf('/large'), {}, 'HEAD')
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([200, String(largeBytes), 0])
    expect((await ask('/empty')).status).toBe(204)
  })

  test('is a long request body as a stream, and a stream of events piece by piece', async () => {
    await put({ percent: 100 })
    const body = Buffer.alloc(1_000_000, 'y')
    const answer = await system.raw(pathOf('/upload'), { 'transfer-encoding': 'chunked', 'x-user': 'a' }, 'POST', body)
    expect([answer.status, next.arrived.at(-1)?.body.length]).toEqual([200, 1_000_000])
    const events = await ask('/events')
    const reader = events.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect((await reader?.read())?.value).toBe('data: first\n\n')
    next.release()
    expect((await reader?.read())?.value).toBe('data: second\n\n')
    expect((await reader?.read())?.done).toBe(true)
  })

  test('is a WebSocket', async () => {
    await put({ percent: 100 })
    const socket = new WebSocket(`ws://127.0.0.1:${system.port}${pathOf('/socket')}`, { headers: { cookie: 'sid=1' } })
    const message = await new Promise((resolve, reject) => {
      socket.once('message', (data: Buffer) => resolve(data.toString()))
      socket.once('error', reject)
    })
    expect(message).toBe('hello from new')
    expect(next.arrived.at(-1)?.headers).toMatchObject({ cookie: 'sid=1', upgrade: 'websocket' })
    socket.terminate()
  })
})

describe('a shadow', () => {
  /** The upstreams say which they are. */
  const headers = ['X-Side']
  const reports = async () => (await system.api(`GET /v1/facade-routes/${route}/differences`)).body
  const shadows = async () => (await system.api(`GET /v1/facade-routes/${route}`)).body['window']

  test('is compared with the answer of the client, and where they differ it is reported', async () => {
    await put({ percent: 0, shadow: { percent: 100, ignore: { headers, json: ['/at'] } } })
    legacy.extra = { at: 1, price: 10 }
    next.extra = { at: 2, price: 11, currency: 'EUR' }
    const answer = await ask('/gzip?secret=1', { headers: { 'x-user': 'alice' } })
    expect(await answer.json()).toMatchObject({ price: 10 })
    await expect.poll(reports).toMatchObject({
      differences: [
        {
          method: 'GET',
          path: '/gzip',
          answered: 'legacy',
          partial: false,
          differences: [
            { at: '/currency', change: 'only-new' },
            { at: '/price', change: 'changed' },
          ],
        },
      ],
      next: null,
    })
    expect(next.arrived.map(({ headers }) => headers['parley-shadow'])).toEqual(['1'])
    expect(legacy.arrived[0]?.headers).not.toHaveProperty('parley-shadow')
  })

  test('neither delays nor changes an answer when its side hangs or breaks', async () => {
    await put({ percent: 0, shadow: { percent: 100, timeoutMs: 500, ignore: { headers } } })
    for (const fault of ['hang', 'reset'] as const) expect(await sideOf('alice', { 'x-new': fault })).toBe('legacy 200')
    await expect.poll(shadows).toMatchObject({ shadows: { failed: 2, same: 0 } })
  })

  test('is not sent of a request with an effect, unless the route says so', async () => {
    await put({ percent: 0, shadow: { percent: 100 } })
    const post = { method: 'POST', body: 'an order' }
    expect(await sideOf('alice', {}, post)).toBe('legacy 200')
    expect(next.arrived).toEqual([])
    await put({ percent: 0, shadow: { percent: 100, unsafe: true, ignore: { headers } } })
    expect(await sideOf('alice', {}, post)).toBe('legacy 200')
    await expect.poll(() => next.arrived.map(({ body }) => body)).toEqual(['an order'])
    await expect.poll(shadows).toMatchObject({ shadows: { same: 1 } })
  })

  test('of 50 MB costs what is compared, while the client gets all of its own', async () => {
    await put({ percent: 0, shadow: { percent: 100, ignore: { headers } } })
    const answer = await ask('/large')
    expect((await answer.arrayBuffer()).byteLength).toBe(largeBytes)
    await expect.poll(shadows).toMatchObject({ shadows: { same: 1 } })
    // What the sockets between them hold comes on top of the 64 KiB.
    expect(next.written).toBeLessThan(largeBytes / 2)
  })
})

describe('a request that a facade refuses', () => {
  const definition = () => ({ legacy: { url: legacy.url }, new: { url: next.url }, key: { from: 'user' } })

  test.each([
    [{ new: { url: 'http://10.0.0.5/' } }, /^new\.url: must begin with https:\/\/; the operator can list a host/],
    [{ new: { url: 'https://10.0.0.5/' } }, /^new\.url: must have a name, not an address; the operator/],
    [{ legacy: { url: 'https://db.internal/' } }, /^legacy\.url: db\.internal is not a public name; the operator/],
    [{ legacy: { url: 'http://127.0.0.1:9/' } }, /^legacy\.url: loopback is refused; .*; the operator can list a host/],
    [{ new: { url: 'https://user:pw@new.example.com/' } }, /^new\.url: must not carry a user name/],
    [{ new: { url: 'https://www.acme.test/' } }, 'new.url: www.acme.test is a host of a facade'],
    [{ percent: 101 }, /^percent: /],
    [{ schedule: { steps: [50, 5] } }, 'schedule.steps.1: must be larger than the step before it'],
    [{ methods: ['TRACE'] }, /^methods\.0: /],
    [{ key: { from: 'header' } }, /^key: must be /],
    [{ shadow: { ignore: { json: ['items'] } } }, /^shadow\.ignore\.json\.0: a JSON pointer/],
  ])('%j is refused when it is put, with its field', async (given, expected) => {
    const { status, body } = await system.api(`PUT /v1/facade-routes/${route}`, { ...definition(), ...given })
    expect([status, body['detail']]).toEqual([400, expect.stringMatching(expected)])
  })

  test('a route, a tenant or a method that is not there, and a request that leads in a circle', async () => {
    await put({ percent: 0 })
    const detail = async (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') => {
      const { status, body } = await system.raw(path, headers, method)
      return [status, String(JSON.parse(body.toString()).detail)]
    }
    expect(await detail('/facade/acme/none/')).toEqual([404, 'route: none is not a route of this facade'])
    expect(await detail('/facade/unknown/shop/')).toEqual([404, 'tenant: there is no tenant unknown'])
    expect(await detail(pathOf('/'), {}, 'TRACE')).toEqual([405, 'TRACE is not passed on'])
    const via = Array.from({ length: 5 }, () => '1.1 parley').join(', ')
    expect(await detail(pathOf('/'), { via })).toEqual([400, expect.stringMatching(/^Via: passed 5 facades/)])
  })

  test('an upstream that no one may reach any more is not called', async () => {
    await put({ percent: 0, new: { url: 'https://127-0-0-1.example.com/' } })
    expect(await sideOf('alice')).toBe('legacy 200')
  })
})
