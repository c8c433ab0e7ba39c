import { describe, expect, test } from 'vitest'
import { maxSigningKeys } from '../../src/protocol/signing-keys-api.ts'
import type { TokenKey } from '../../src/tenants/record.ts'
import {
  addSigningKey,
  issuingKey,
  keysInForce,
  revokeSigningKey,
  rotateSigningKey,
  type KeyChange,
} from '../../src/tenants/signing-keys.ts'

const key = (id: string, until?: number): TokenKey => ({
  id,
  secret: `secret of ${id}`,
  algorithm: 'HS256',
  at: 0,
  ...(until === undefined ? {} : { until }),
})

const changed = (change: KeyChange) => (change.kind === 'changed' ? change.keys : change)
const idsAfter = (change: KeyChange) => (change.kind === 'changed' ? change.keys.map(({ id }) => id) : change.error)

describe('the signing keys of a tenant', () => {
  test('are added behind the one that POST /v1/tokens signs with', () => {
    const keys = changed(addSigningKey([key('a')], key('b'), 0))
    expect(keys).toEqual([key('a'), key('b')])
    expect(issuingKey([key('a'), key('b')])).toEqual(key('a'))
  })

  test('when one is rotated, it verifies until the overlap ends and its successor issues in its place', () => {
    const keys = changed(rotateSigningKey([key('a'), key('b')], 'a', key('c'), 1000, 500))
    expect(keys).toEqual([key('c'), key('a', 1500), key('b')])
    const after = rotateSigningKey([key('a')], 'a', key('c'), 1000, 500)
    const left = after.kind === 'changed' ? after.keys : []
    expect(keysInForce(left, 1499).map(({ id }) => id)).toEqual(['c', 'a'])
    expect(keysInForce(left, 1500).map(({ id }) => id)).toEqual(['c'])
  })

  test('without an overlap the old key ends at once, and one that ends already has no second successor', () => {
    expect(idsAfter(rotateSigningKey([key('a')], 'a', key('c'), 0, 0))).toEqual(['c'])
    expect(idsAfter(rotateSigningKey([key('c'), key('a', 10)], 'a', key('d'), 10, 0))).toBe('conflict')
  })

  test('are revoked one by one, but for the last that can issue', () => {
    expect(idsAfter(revokeSigningKey([key('a'), key('b')], 'a', 0))).toEqual(['b'])
    expect(idsAfter(revokeSigningKey([key('a')], 'a', 0))).toBe('conflict')
    expect(idsAfter(revokeSigningKey([key('a'), key('b', 10)], 'a', 0))).toBe('conflict')
    expect(idsAfter(revokeSigningKey([key('a'), key('b', 10)], 'b', 0))).toEqual(['a'])
  })

  test('that have ended or never were are not found', () => {
    expect(idsAfter(revokeSigningKey([key('a'), key('b', 10)], 'b', 10))).toBe('notFound')
    expect(idsAfter(rotateSigningKey([key('a')], 'x', key('c'), 0, 0))).toBe('notFound')
  })

  test(`are ${maxSigningKeys} at most, those not counted that have ended`, () => {
    const full = Array.from({ length: maxSigningKeys }, (_, n) => key(`k${n}`, n === 0 ? undefined : 10))
    expect(idsAfter(addSigningKey(full, key('x'), 0))).toBe('limitExceeded')
    expect(idsAfter(rotateSigningKey(full, 'k0', key('x'), 10, 0))).toBe('limitExceeded')
    expect(idsAfter(addSigningKey(full, key('x'), 10))).toEqual(['k0', 'x'])
  })
})
