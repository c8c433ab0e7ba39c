import { SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { verifyToken } from '../../src/auth/token.ts'
import { parseFrame } from '../../src/protocol/parse-frame.ts'
import { GivenJson, jsonUpTo, readGiven } from '../../src/protocol/given-json.ts'

// null for an optional field means that it was not given, as Go's encoding/json has it.

const read = (frame: object) => parseFrame(JSON.stringify(frame))

describe('null for an optional field', () => {
  test.each<readonly [string, object, object]>([
    ['connect', { token: null, subs: null, name: null, version: null, data: null }, {}],
    ['connect', { subs: { a: { recover: null, offset: null, epoch: null } } }, { subs: { a: {} } }],
    [
      'subscribe',
      { channel: 'x', token: null, recover: null, offset: null, epoch: null, flag: null },
      { channel: 'x' },
    ],
    ['subscribe', { channel: 'x', join_leave: null, type: null, tf: null }, { channel: 'x' }],
    ['history', { channel: 'x', limit: null, since: null, reverse: null }, { channel: 'x' }],
    ['history', { channel: 'x', since: { offset: null, epoch: null } }, { channel: 'x', since: {} }],
    ['refresh', { token: null }, {}],
    ['sub_refresh', { channel: 'x', token: null }, { channel: 'x' }],
    ['publish', { channel: 'x', data: 1, type: null }, { channel: 'x', data: 1 }],
  ])('of %s means that it was not given: %j', (kind, nulls, nothing) => {
    const given = read({ id: 1, [kind]: nulls })
    expect(given.kind).toBe('commands')
    expect(given).toEqual(read({ id: 1, [kind]: nothing }))
  })

  test('of a payload means that it was not given, but for data and where null has a meaning', () => {
    const schema = z.strictObject({
      name: z.string().optional(),
      data: jsonUpTo(10).optional(),
      bound: z.int().nullable().optional(),
      list: z.array(z.strictObject({ at: z.int().default(5) })).default([]),
    })
    const value = { name: null, data: null, bound: null, list: [{ at: null }] }
    const result = readGiven(schema, new GivenJson(value, JSON.stringify(value)))
    expect(result.data).toEqual({ data: 'null', bound: null, list: [{ at: 5 }] })
  })

  test('still is no value for a field that must be there', () => {
    expect(read({ id: 1, subscribe: { channel: null } })).toMatchObject({ kind: 'malformed' })
  })

  test('of a token means that the claim is not there', async () => {
    const secret = 'a-secret-of-at-least-thirty-two-characters'
    const key = { id: 'k', secret, algorithm: 'HS256' } as const
    const now = 1_700_000_000_000
    const sign = (claims: object) =>
      new SignJWT({ tid: 'acme', sub: 'ann', exp: now / 1000 + 60, ...claims })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(secret))
    const nulls = { channels: null, subs: null, caps: null, expire_at: null, iat: null, nbf: null, b64info: null }
    expect(await verifyToken(await sign(nulls), 'acme', [key], now)).toEqual(
      await verifyToken(await sign({}), 'acme', [key], now),
    )
    expect((await verifyToken(await sign(nulls), 'acme', [key], now)).kind).toBe('verified')
    expect((await verifyToken(await sign({ exp: null }), 'acme', [key], now)).kind).toBe('invalid')
  })
})
