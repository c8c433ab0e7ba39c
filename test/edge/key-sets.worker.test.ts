import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { Deadline } from '../../src/adapters/deadline.ts'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'
import { namespace } from '../support/worker/topics.ts'

/** What addresses outside answer; anything else does not exist. */
const outside = new Map<string, (signal?: AbortSignal | null) => Response | Promise<Response>>()
let fetches: string[] = []

beforeEach(() => {
  outside.clear()
  fetches = []
  const fetch = globalThis.fetch
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    if (!url.startsWith('https:')) return await fetch(input, init)
    fetches.push(url)
    const answer = outside.get(url)
    if (answer === undefined) throw new Error(`nothing answers at ${url}`)
    expect(init?.redirect).toBe('manual')
    return await answer(init?.signal)
  })
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const address = 'https://login.example.com/.well-known/jwks.json'

/** A key of an identity provider. */
async function providerKey(kid: string, algorithm = 'RS256') {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return { kid, algorithm, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: algorithm, use: 'sig' } }
}
type ProviderKey = Awaited<ReturnType<typeof providerKey>>

const publish = (...keys: readonly ProviderKey[]) =>
  outside.set(address, () => Response.json({ keys: keys.map(({ jwk }) => jwk) }))

const sign = (tenant: TestTenant, { kid, algorithm, privateKey }: ProviderKey, claims: object = {}) =>
  new SignJWT({ tid: tenant.id, ...claims })
    .setProtectedHeader({ alg: algorithm, kid })
    .setSubject('ana')
    .setExpirationTime('1h')
    .setIssuedAt()
    .sign(privateKey)

const put = ({ key }: TestTenant, url = address, name = 'login') =>
  call(`PUT /v1/key-sets/${name}`, { as: key, body: { url } })

const overHttp = async (token: string) => (await call('GET /v1/conversations', { as: token })).status

async function overSocket(token: string) {
  const line = await Line.open('key-sets/0')
  line.say({ connect: { token } })
  return await Promise.race([
    line.closed().then(({ code }) => code),
    line.replyTo(1).then(({ error }) => (error === undefined ? 'in' : error.code)),
  ])
}

describe('a key set', () => {
  test('opens HTTP and sockets for tokens of the identity provider, until it is deleted', async () => {
    const tenant = await newTenant()
    const [rs, es] = [await providerKey('rs'), await providerKey('es', 'ES256')]
    publish(rs, es)
    const { status, body } = await put(tenant)
    expect([status, body]).toEqual([
      200,
      {
        name: 'login',
        url: address,
        keys: [
          { id: 'rs', algorithm: 'RS256' },
          { id: 'es', algorithm: 'ES256' },
        ],
        fetchedAt: expect.any(Number),
      },
    ])
    for (const key of [rs, es]) {
      const token = await sign(tenant, key)
      expect([await overHttp(token), await overSocket(token)]).toEqual([200, 'in'])
    }
    const [other, forged] = [await newTenant(), await providerKey('rs')]
    expect(await overHttp(await sign(other, rs))).toBe(401)
    expect(await overHttp(await sign(tenant, forged))).toBe(401)
    expect(fetches).toEqual([address])
    expect((await call('GET /v1/key-sets', { as: tenant.key })).body).toEqual({ keySets: [body] })
    expect((await call('DELETE /v1/key-sets/login', { as: tenant.key })).status).toBe(204)
    expect((await call('DELETE /v1/key-sets/login', { as: tenant.key })).status).toBe(404)
    expect(await overHttp(await sign(tenant, rs))).toBe(401)
  })

  test('with a new key at the provider lets its tokens in a moment later, and is fetched once for all of them', async () => {
    const tenant = await newTenant()
    const [old, fresh] = [await providerKey('old'), await providerKey('new')]
    publish(old)
    await put(tenant)
    publish(fresh)
    const token = await sign(tenant, fresh)
    // A set that was fetched within half a minute is not fetched again: anyone can make tokens that name unknown keys.
    expect([await overHttp(token), await overSocket(token)]).toEqual([401, 3500])
    expect(fetches).toHaveLength(1)

    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 })
    const refused = await call('GET /v1/conversations', { as: token })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    await vi.waitFor(async () => expect(await overHttp(token)).toBe(200))
    expect(await overSocket(token)).toBe('in')
    expect(await overHttp(await sign(tenant, old))).toBe(200)
    expect(fetches).toHaveLength(2)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 331_000 })
    // Its key might have been published again: the address is asked once more.
    expect(await overHttp(await sign(tenant, old))).toBe(503)
    await vi.waitFor(async () => expect(await overHttp(await sign(tenant, old))).toBe(401))
  })

  test('that is being fetched makes a socket come again with a token, and a subscription, too', async () => {
    const tenant = await newTenant()
    await namespace(tenant, 'orders', {})
    const [old, fresh] = [await providerKey('old'), await providerKey('new')]
    publish(old)
    await put(tenant)
    const line = await Line.open('key-sets/1')
    await line.ask({ connect: { token: await sign(tenant, old) } })
    outside.set('held', () => new Response())
    outside.set(address, async () => {
      while (outside.has('held')) await scheduler.wait(5)
      return Response.json({ keys: [fresh.jwk] })
    })
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 31_000 })
    expect(await overSocket(await sign(tenant, fresh))).toBe(109)
    const ticket = await sign(tenant, fresh, { channel: '$orders:1' })
    expect(await line.ask({ subscribe: { channel: '$orders:1', token: ticket } })).toMatchObject({
      error: { code: 109 },
    })
    outside.delete('held')
    await vi.waitFor(async () => expect(await overSocket(await sign(tenant, fresh))).toBe('in'))
    expect(await line.ask({ subscribe: { channel: '$orders:1', token: ticket } })).toHaveProperty('subscribe')
  })

  test('with an address that fails later keeps its keys, and says why it is not fetched', async () => {
    const tenant = await newTenant()
    const key = await providerKey('rs')
    publish(key)
    await put(tenant)
    outside.set(address, () => new Response('away', { status: 502 }))
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 16 * 60_000 })
    expect(await overHttp(await sign(tenant, key))).toBe(200)
    await vi.waitFor(async () =>
      expect((await call('GET /v1/key-sets', { as: tenant.key })).body).toMatchObject({
        keySets: [{ failure: 'url: answered 502, not 200' }],
      }),
    )
    expect(await overHttp(await sign(tenant, key))).toBe(200)
  })

  test('with an address that hangs, before its answer or in the middle of it, is given up at the deadline and keeps its keys', async () => {
    const tenant = await newTenant()
    const key = await providerKey('known', 'ES256')
    publish(key)
    expect((await put(tenant)).status).toBe(200)
    const over = AbortSignal.abort(new Error('time is up'))
    vi.spyOn(Deadline.prototype, 'signal', 'get').mockReturnValue(over)
    const never = (signal?: AbortSignal | null) => Promise.reject(signal?.reason)
    const inTheMiddle = (signal?: AbortSignal | null) =>
      new Response(new ReadableStream({ pull: (controller) => controller.error(signal?.reason) }))
    for (const hang of [never, inTheMiddle]) {
      outside.set('https://slow.example.com/', hang)
      expect(await put(tenant, 'https://slow.example.com/', 'slow')).toMatchObject({
        status: 400,
        body: { detail: 'url: did not answer within five seconds, or could not be reached' },
      })
      outside.set(address, hang)
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 16 * 60_000 })
      expect(await overHttp(await sign(tenant, key))).toBe(200)
      await vi.waitFor(async () =>
        expect((await call('GET /v1/key-sets', { as: tenant.key })).body).toMatchObject({
          keySets: [{ name: 'login', failure: 'url: did not answer within five seconds, or could not be reached' }],
        }),
      )
    }
  })

  test('is refused with the reason when its address is private, unreachable, redirects, is too large or has no keys', async () => {
    const tenant = await newTenant()
    const endless = () =>
      new Response(
        new ReadableStream({ pull: (controller) => controller.enqueue(new TextEncoder().encode('x'.repeat(10_000))) }),
      )
    outside.set('https://large.example.com/', endless)
    outside.set(
      'https://moved.example.com/',
      () => new Response(null, { status: 302, headers: { location: 'http://10.0.0.1/' } }),
    )
    outside.set('https://ten-megabytes.example.com/', () => new Response(new Uint8Array(10_000_000)))
    outside.set('https://empty.example.com/', () => Response.json({ keys: [] }))
    const refusals: [string, RegExp][] = [
      ['http://login.example.com/', /^url: must begin with https/],
      ['https://10.0.0.1/keys', /^url: must have a name/],
      ['https://localhost/keys', /^url: loopback is refused; start the system with ALLOW_PRIVATE_ENDPOINTS=1/],
      ['https://gone.example.com/', /^url: did not answer/],
      ['https://moved.example.com/', /^url: answered 302/],
      ['https://large.example.com/', /^url: answered with more than 65536 bytes/],
      ['https://ten-megabytes.example.com/', /^url: answered with more than 65536 bytes/],
      ['https://empty.example.com/', /^url: no key/],
    ]
    for (const [url, reason] of refusals)
      expect([url, await put(tenant, url)]).toEqual([
        url,
        expect.objectContaining({
          status: 400,
          body: expect.objectContaining({ detail: expect.stringMatching(reason) }),
        }),
      ])
    expect((await call('GET /v1/key-sets', { as: tenant.key })).body).toEqual({ keySets: [] })
  })
})
