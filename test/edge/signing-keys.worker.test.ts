import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'
import { namespace } from '../support/worker/topics.ts'

afterEach(() => void vi.useRealTimers())

const madeKey = z.strictObject({ id: z.string(), algorithm: z.literal('HS256'), secret: z.string(), at: z.number() })
type MadeKey = z.output<typeof madeKey>

const make = async ({ key }: TestTenant): Promise<MadeKey> =>
  madeKey.parse(succeeded(await call('POST /v1/signing-keys', { as: key })))

const rotate = async ({ key }: TestTenant, id: string, body?: object): Promise<MadeKey> =>
  madeKey.parse(succeeded(await call(`POST /v1/signing-keys/${id}/rotate`, { as: key, ...(body ? { body } : {}) })))

const revoke = async ({ key }: TestTenant, id: string) =>
  (await call(`DELETE /v1/signing-keys/${id}`, { as: key })).status

const listed = z.object({
  keys: z.array(
    z.strictObject({
      id: z.string(),
      algorithm: z.enum(['HS256', 'ES256', 'EdDSA', 'RS256']),
      at: z.number().optional(),
      until: z.number().optional(),
      issues: z.boolean(),
    }),
  ),
})

const list = async ({ key }: TestTenant) => listed.parse((await call('GET /v1/signing-keys', { as: key })).body).keys

/** A token as a tenant's own server signs it, with any JWT library. */
const sign = (tenant: TestTenant, { id, secret }: MadeKey, header: { kid?: string } = { kid: id }, claims = {}) =>
  new SignJWT({ tid: tenant.id, ...claims })
    .setProtectedHeader({ alg: 'HS256', ...header })
    .setSubject('ana')
    .setExpirationTime('1h')
    .setIssuedAt()
    .sign(new TextEncoder().encode(secret))

/** What a token is told over HTTP. */
const overHttp = async (token: string) => (await call('GET /v1/conversations', { as: token })).status

/** What a token is told at the gateway `name`: the close code, or that it is in. */
async function overSocket(token: string, name = 'keys/0') {
  const line = await Line.open(name)
  line.say({ connect: { token } })
  return await Promise.race([line.closed().then(({ code }) => code), line.replyTo(1).then(() => 'in')])
}

describe('a signing key', () => {
  test('is made by the tenant, shown once, and opens HTTP and sockets for tokens of the tenant’s own server', async () => {
    const tenant = await newTenant()
    await overSocket(await tenant.token('ana'))
    const key = await make(tenant)
    expect(key.secret.length).toBeGreaterThanOrEqual(43)
    for (const header of [{ kid: key.id }, {}]) {
      const token = await sign(tenant, key, header)
      expect([await overHttp(token), await overSocket(token)]).toEqual([200, 'in'])
    }
    const { text } = await call('GET /v1/signing-keys', { as: tenant.key })
    expect(text).not.toContain(key.secret)
    expect((await list(tenant)).map(({ id, issues }) => [id === key.id, issues])).toEqual([
      [false, true],
      [true, false],
    ])
  })

  test('signs subscription tokens, too', async () => {
    const tenant = await newTenant()
    await namespace(tenant, 'orders', {})
    const line = await Line.open()
    await line.ask({ connect: { token: await tenant.token('ana') } })
    const key = await make(tenant)
    const token = await sign(tenant, key, { kid: key.id }, { channel: '$orders:1' })
    expect(await line.ask({ subscribe: { channel: '$orders:1', token } })).toHaveProperty('subscribe')
  })

  test('is held to its kid: another key’s name, another tenant’s key or a secret of one’s own opens nothing', async () => {
    const [tenant, other] = [await newTenant(), await newTenant()]
    const [key, second, foreign] = [await make(tenant), await make(tenant), await make(other)]
    for (const token of [
      await sign(tenant, key, { kid: second.id }),
      await sign(tenant, key, { kid: 'unknown' }),
      await sign(tenant, foreign),
      await sign(tenant, foreign, {}),
      await sign(tenant, { ...key, secret: 'x'.repeat(43) }),
    ])
      expect([await overHttp(token), await overSocket(token)]).toEqual([401, 3500])
  })

  test('that is rotated still verifies until its overlap ends, while its successor signs', async () => {
    const tenant = await newTenant()
    const [{ id: first } = { id: '' }] = await list(tenant)
    const issued = await tenant.token('ana')
    const successor = await rotate(tenant, first, { overlapSeconds: 60 })
    expect((await list(tenant)).map(({ id, issues, until }) => [id, issues, until === undefined])).toEqual([
      [successor.id, true, true],
      [first, false, false],
    ])
    const next = await tenant.token('ana')
    for (const token of [issued, next, await sign(tenant, successor)])
      expect([await overHttp(token), await overSocket(token)]).toEqual([200, 'in'])
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 61_000 })
    expect([await overHttp(issued), await overSocket(issued)]).toEqual([401, 3500])
    expect([await overHttp(next), await overSocket(next)]).toEqual([200, 'in'])
    expect((await list(tenant)).map(({ id }) => id)).toEqual([successor.id])
  })

  test('that is revoked opens nothing more; the last one stays', async () => {
    const tenant = await newTenant()
    const key = await make(tenant)
    const token = await sign(tenant, key)
    expect(await overHttp(token)).toBe(200)
    expect(await revoke(tenant, key.id)).toBe(204)
    expect(await overHttp(token)).toBe(401)
    expect(await overSocket(token, 'keys/1')).toBe(3500)
    expect(await revoke(tenant, key.id)).toBe(404)
    const [{ id: last } = { id: '' }] = await list(tenant)
    expect(await revoke(tenant, last)).toBe(409)
    expect(await overHttp(await tenant.token('ana'))).toBe(200)
  })

  test('made or rotated a moment ago is known at a gateway that believes an older list', async () => {
    const tenant = await newTenant()
    expect(await overSocket(await tenant.token('ana'))).toBe('in')
    const [{ id } = { id: '' }] = await list(tenant)
    await rotate(tenant, id, { overlapSeconds: 0 })
    expect(await overSocket(await tenant.token('ana'))).toBe('in')
  })
})

/** A key pair of a tenant's own server. */
async function pair(algorithm: string) {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true })
  return { algorithm, privateKey, jwk: await exportJWK(publicKey), privateJwk: await exportJWK(privateKey) }
}

const add = async ({ key }: TestTenant, publicKey: JWK, id?: string) =>
  await call('POST /v1/signing-keys', { as: key, body: { publicKey, ...(id === undefined ? {} : { id }) } })

const signWith = (tenant: TestTenant, { algorithm, privateKey }: Awaited<ReturnType<typeof pair>>, kid?: string) =>
  new SignJWT({ tid: tenant.id })
    .setProtectedHeader({ alg: algorithm, ...(kid === undefined ? {} : { kid }) })
    .setSubject('ana')
    .setExpirationTime('1h')
    .setIssuedAt()
    .sign(privateKey)

describe('a public key', () => {
  test.each(['ES256', 'EdDSA', 'RS256'])(
    'for %s opens HTTP and sockets for tokens signed with its private part',
    async (algorithm) => {
      const tenant = await newTenant()
      const made = await pair(algorithm)
      const { status, body } = await add(tenant, { ...made.jwk, kid: 'backend-1', alg: algorithm, use: 'sig' })
      expect([status, body]).toEqual([201, { id: 'backend-1', algorithm, at: expect.any(Number) }])
      for (const kid of ['backend-1', undefined]) {
        const token = await signWith(tenant, made, kid)
        expect([await overHttp(token), await overSocket(token)]).toEqual([200, 'in'])
      }
      const other = await signWith(tenant, await pair(algorithm), 'backend-1')
      expect([await overHttp(other), await overSocket(other)]).toEqual([401, 3500])
      expect(await overHttp(await tenant.token('ana'))).toBe(200)
    },
  )

  test('is no secret: a token signed by HS256 with its text is refused', async () => {
    const tenant = await newTenant()
    const { jwk } = await pair('ES256')
    await add(tenant, jwk, 'es')
    for (const secret of [JSON.stringify(jwk), jwk.x ?? ''])
      expect(await overHttp(await sign(tenant, { id: 'es', algorithm: 'HS256', secret, at: 0 }))).toBe(401)
  })

  test('is refused when it is private, weak, of another kind, or has the id of another key', async () => {
    const tenant = await newTenant()
    const { jwk, privateJwk } = await pair('ES256')
    const [small, p384] = [
      await exportJWK((await generateKeyPair('RS256', { modulusLength: 2048 })).publicKey),
      await pair('ES384'),
    ]
    const refusals: [object, string][] = [
      [privateJwk, 'private'],
      [{ ...small, n: (small.n ?? '').slice(0, 171) }, '2,048'],
      [p384.jwk, 'P-256'],
      [{ kty: 'oct', k: 'c2VjcmV0' }, 'private or symmetric'],
      [{ ...jwk, alg: 'ES512' }, 'ES256'],
      [{ ...jwk, use: 'enc' }, 'sig'],
      [{ ...jwk, padding: 'x'.repeat(5000) }, '4096'],
    ]
    for (const [key, reason] of refusals) {
      const { status, text } = await add(tenant, key)
      expect([key, status, text]).toEqual([key, 400, expect.stringContaining(reason)])
    }
    expect((await add(tenant, jwk, 'same')).status).toBe(201)
    expect((await add(tenant, jwk, 'same')).status).toBe(409)
  })

  test('takes the place of another with an overlap, and the last key with a secret stays', async () => {
    const tenant = await newTenant()
    const [first, second] = [await pair('EdDSA'), await pair('EdDSA')]
    await add(tenant, first.jwk, 'one')
    const { status } = await call('POST /v1/signing-keys/one/rotate', {
      as: tenant.key,
      body: { overlapSeconds: 60, publicKey: second.jwk, id: 'two' },
    })
    expect(status).toBe(201)
    for (const [made, kid] of [
      [first, 'one'],
      [second, 'two'],
    ] as const)
      expect(await overHttp(await signWith(tenant, made, kid))).toBe(200)
    const [{ id: secret } = { id: '' }] = (await list(tenant)).filter(({ issues }) => issues)
    expect(await revoke(tenant, secret)).toBe(409)
    expect(
      (
        await call(`POST /v1/signing-keys/${secret}/rotate`, {
          as: tenant.key,
          body: { publicKey: first.jwk, id: 'three' },
        })
      ).status,
    ).toBe(409)
  })
})
