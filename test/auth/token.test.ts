import { SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { TokenCache } from '../../src/auth/token-cache.ts'
import type { SigningKey } from '../../src/auth/claims.ts'
import { claimedBy, signToken, tenantOfToken, verifyToken } from '../../src/auth/token.ts'

const now = Date.UTC(2026, 10, 22)
const key: SigningKey = { id: 'new', secret: 'n'.repeat(43), algorithm: 'HS256' }
const older: SigningKey = { id: 'old', secret: 'o'.repeat(43), algorithm: 'HS256' }
const claims = { tenant: 'acme', user: 'alice', expiresAt: now + 60_000 }
const bytes = (secret: string) => new TextEncoder().encode(secret)

const verify = (token: string, keys = [key, older], at = now) => verifyToken(token, 'acme', keys, at)

/** A token of any make: what a forger may come up with. */
const forged = (header: { alg: string; kid?: string }, payload: object, secret = key.secret) =>
  new SignJWT({ tid: 'acme', sub: 'alice', exp: now / 1000 + 60, ...payload })
    .setProtectedHeader(header)
    .sign(bytes(secret))

describe('a token', () => {
  test('speaks for the user it was signed for, until it expires', async () => {
    const token = await signToken(key, claims, now)
    expect(await verify(token)).toEqual({ kind: 'verified', claims: { ...claims, issuedAt: now } })
    expect(await verify(token, [key], now + 59_999)).toMatchObject({ kind: 'verified' })
    expect(await verify(token, [key], now + 60_000)).toEqual({ kind: 'expired' })
  })

  test('of an older key is good as long as that key is kept', async () => {
    const token = await signToken(older, claims, now)
    expect(await verify(token)).toMatchObject({ kind: 'verified' })
    expect(await verify(token, [key])).toEqual({ kind: 'invalid' })
  })

  test('without a key id is checked with each key', async () => {
    expect(await verify(await forged({ alg: 'HS256' }, {}))).toMatchObject({ kind: 'verified' })
    expect(await verify(await forged({ alg: 'HS256' }, {}, older.secret))).toMatchObject({ kind: 'verified' })
    expect(await verify(await forged({ alg: 'HS256' }, {}, 'x'.repeat(43)))).toEqual({ kind: 'invalid' })
  })

  test('of a key that was rotated is good until that key ends, also when it was found good before', async () => {
    const token = await signToken(older, claims, now)
    const ending = { ...older, until: now + 1000 }
    expect(await verifyToken(token, 'acme', [key, ending], now)).toMatchObject({ kind: 'verified' })
    expect(await verifyToken(token, 'acme', [key, ending], now + 1000)).toEqual({ kind: 'invalid' })
  })

  test.each([
    ['another tenant', { tid: 'globex' }],
    ['no tenant', { tid: undefined }],
    ['a user id that cannot be one', { sub: 'a b' }],
    ['capabilities that are none', { caps: [{ channels: ['a'], allow: ['everything'] }] }],
    ['an info that is more than a socket remembers', { info: 'x'.repeat(1100) }],
    ['no end', { exp: undefined }],
    ['a single channel', { channel: 'conversation:x' }],
  ])('for %s is not valid', async (_, payload) => {
    expect(await verify(await forged({ alg: 'HS256', kid: 'new' }, payload))).toEqual({ kind: 'invalid' })
  })

  test('that begins within 30 seconds is good now: the clocks of the tenant and of the server differ', async () => {
    for (const nbf of [now / 1000 + 2, now / 1000 + 30])
      expect(await verify(await forged({ alg: 'HS256' }, { nbf }))).toMatchObject({ kind: 'verified' })
  })

  test('that begins later is not valid yet, and may be tried again; the leeway prolongs no token', async () => {
    const later = { nbf: now / 1000 + 31, exp: now / 1000 + 90 }
    expect(await verify(await forged({ alg: 'HS256' }, later))).toEqual({ kind: 'notYetValid' })
    expect(await verify(await forged({ alg: 'HS256' }, later), [key], now + 1000)).toMatchObject({ kind: 'verified' })
    expect(await verify(await forged({ alg: 'HS256' }, { exp: now / 1000 - 1 }))).toEqual({ kind: 'expired' })
    expect(await verify(await forged({ alg: 'HS256' }, { nbf: 'soon' }))).toEqual({ kind: 'invalid' })
    const foreign = await forged({ alg: 'HS256', kid: 'new' }, later, older.secret)
    expect(await verify(foreign)).toEqual({ kind: 'invalid' })
  })

  test('without a user belongs to an anonymous one; whether those are admitted is not the token’s decision', async () => {
    for (const sub of [undefined, ''])
      expect(await verify(await forged({ alg: 'HS256' }, { sub }))).toMatchObject({
        kind: 'verified',
        claims: { user: '' },
      })
  })

  test('says what may be done in topics, what others see, and what the server subscribes to', async () => {
    const said = {
      caps: [{ channels: ['orders:*'], allow: ['sub'] }],
      b64info: btoa('{"name":"Alice"}'),
      channels: ['news', 'orders:1', 'news'],
      subs: { 'orders:1': { info: { seat: 4 }, data: [1], override: { force_push_join_leave: { value: true } } } },
    }
    expect(await verify(await forged({ alg: 'HS256' }, said))).toMatchObject({
      claims: {
        capabilities: said.caps,
        info: '{"name":"Alice"}',
        subscriptions: [
          { channel: 'news', overrides: {} },
          { channel: 'orders:1', info: '{"seat":4}', data: '[1]', overrides: { pushJoinLeave: true } },
        ],
      },
    })
  })

  test('may end before or after the connection it opens', async () => {
    expect(await verify(await forged({ alg: 'HS256' }, { expire_at: 0 }))).toMatchObject({ claims: { expiresAt: 0 } })
    const soon = now / 1000 + 5
    expect(await verify(await forged({ alg: 'HS256' }, { expire_at: soon }))).toMatchObject({
      claims: { expiresAt: now + 5000 },
    })
  })

  test('in the open profile need name no tenant and no end', async () => {
    const token = await forged({ alg: 'HS256' }, { tid: undefined, exp: undefined })
    expect(await verifyToken(token, 'acme', [key], now, true)).toMatchObject({
      kind: 'verified',
      claims: { tenant: 'acme', user: 'alice', expiresAt: 0 },
    })
    const foreign = await forged({ alg: 'HS256' }, { tid: 'globex' })
    expect(await verifyToken(foreign, 'acme', [key], now, true)).toEqual({ kind: 'invalid' })
  })

  test('that was good before is judged anew by its time, its key and its tenant', async () => {
    const token = await forged({ alg: 'HS256', kid: 'new' }, { nbf: now / 1000 - 5 })
    expect(await verify(token)).toMatchObject({ kind: 'verified' })
    expect(await verify(token)).toEqual(await verify(token, [{ ...key }]))
    expect(await verify(token, [key], now + 60_000)).toEqual({ kind: 'expired' })
    expect(await verify(token, [key], now - 40_000)).toEqual({ kind: 'notYetValid' })
    expect(await verify(token, [older])).toEqual({ kind: 'invalid' })
    expect(await verify(token, [{ ...key, secret: older.secret }])).toEqual({ kind: 'invalid' })
    expect(await verifyToken(token, 'globex', [key], now)).toEqual({ kind: 'invalid' })
  })

  test('that was good in the open profile is not therefore good elsewhere', async () => {
    const token = await forged({ alg: 'HS256', kid: 'new' }, { exp: undefined })
    expect(await verifyToken(token, 'acme', [key], now, true)).toMatchObject({ kind: 'verified' })
    expect(await verify(token, [key])).toEqual({ kind: 'invalid' })
  })

  test('is known when thousands of others came after it, also once the record of its tenant was read again', () => {
    const tokens = new TokenCache()
    const known = { claims: { ...claims, issuedAt: now }, from: now, until: now + 1 }
    for (let n = 0; n < 10_000; n++) tokens.add(`token-${n}`, key, known)
    expect(tokens.find('token-0', [older, { ...key }], now)).toBe(known.claims)
    expect(tokens.tenantOf('token-0')).toBe('acme')
    expect(tokens.find('token-0', [key], now + 1)).toBeUndefined()
    expect(
      tokens.find('token-0', [older, { ...key, secret: older.secret }, { ...key, id: 'other' }], now),
    ).toBeUndefined()
    for (let n = 10_000; n < 20_000; n++) tokens.add(`token-${n}`, key, known)
    expect(tokens.find('token-0', [key], now)).toBeUndefined()
  })

  test('of more than a kilobyte is verified each time', () => {
    const tokens = new TokenCache()
    tokens.add('x'.repeat(1025), key, { claims: { ...claims, issuedAt: now }, from: now, until: now + 1 })
    expect(tokens.find('x'.repeat(1025), [key], now)).toBeUndefined()
  })

  test('of another algorithm than its key’s, or of none, is not valid', async () => {
    expect(await verify(await forged({ alg: 'HS512', kid: 'new' }, {}))).toEqual({ kind: 'invalid' })
    const unsigned = new UnsecuredJWT({ tid: 'acme' }).setSubject('alice').setExpirationTime('1h').encode()
    expect(await verify(unsigned)).toEqual({ kind: 'invalid' })
  })

  test('with an unknown key id, or with another key’s signature under a known id, is not valid', async () => {
    expect(await verify(await forged({ alg: 'HS256', kid: 'never' }, {}))).toEqual({ kind: 'invalid' })
    expect(await verify(await forged({ alg: 'HS256', kid: 'new' }, {}, older.secret))).toEqual({ kind: 'invalid' })
  })

  test.each(['=', '==', '\n', ' ', 'A', '.', '.A', '%', '\u200b', '\0'])(
    'with %j appended is not valid',
    async (more) => {
      const token = await signToken(key, claims, now)
      expect(await verify(token + more)).toEqual({ kind: 'invalid' })
      for (const part of [0, 1]) {
        const parts = token.split('.')
        parts[part] += more
        expect(await verify(parts.join('.'))).toEqual({ kind: 'invalid' })
      }
    },
  )

  test('with a last character that has more bits than it needs is not valid', async () => {
    const token = await signToken(key, claims, now)
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(token.slice(-1))
    for (const spare of [1, 2, 3])
      expect(await verify(token.slice(0, -1) + alphabet.charAt(last + spare))).toEqual({ kind: 'invalid' })
  })

  test('names the channels of jobs by their one name', async () => {
    const said = { channels: ['jobs:default:1', 'jobs:1', 'jobs:mail:2'], subs: { 'jobs:default:3': { data: 1 } } }
    expect(await verify(await forged({ alg: 'HS256' }, said))).toMatchObject({
      claims: {
        subscriptions: [
          { channel: 'jobs:1', overrides: {} },
          { channel: 'jobs:mail:2', overrides: {} },
          { channel: 'jobs:3', data: '1', overrides: {} },
        ],
      },
    })
  })

  test('changed by a single character is not valid', async () => {
    const token = await signToken(key, claims, now)
    for (const at of [5, token.indexOf('.') + 5, token.lastIndexOf('.') + 5]) {
      const other = token.charAt(at) === 'A' ? 'B' : 'A'
      expect(await verify(token.slice(0, at) + other + token.slice(at + 1))).toEqual({ kind: 'invalid' })
    }
  })

  test.each(['', 'x', '..', 'a.b.c', 'é.é.é', `${btoa('{}')}.${btoa('[]')}.x`, 'a'.repeat(10_000)])(
    'that is none at all (%#) claims nothing and is not valid',
    async (text) => {
      expect(tenantOfToken(text)).toBeUndefined()
      expect(await verify(text)).toEqual({ kind: 'invalid' })
    },
  )

  test('claims a tenant and a user, which proves nothing', async () => {
    expect(claimedBy(await forged({ alg: 'HS256' }, {}, 'anything at all'))).toEqual({ tenant: 'acme', user: 'alice' })
    expect(claimedBy(await forged({ alg: 'HS256' }, { tid: 7 }))).toBeUndefined()
  })
})
