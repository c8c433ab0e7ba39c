import { exportJWK, generateKeyPair } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  afterFetch,
  dueSets,
  keysOfSets,
  mayHaveMore,
  putKeySet,
  readKeySet,
  setsThatMayHaveMore,
  type KeySet,
} from '../../src/tenants/key-sets.ts'

const minute = 60_000
const day = 24 * 60 * minute
const jwk = async (algorithm: string, more: object) => ({
  ...(await exportJWK((await generateKeyPair(algorithm, { extractable: true })).publicKey)),
  ...more,
})
const ed = await jwk('EdDSA', { kid: 'ed' })
const key = (id: string, until?: number) => ({
  id,
  publicKey: { kty: 'OKP' as const, crv: 'Ed25519' as const, x: 'x'.repeat(43) },
  algorithm: 'EdDSA' as const,
  ...(until === undefined ? {} : { until }),
})
const set = (more: Partial<KeySet> = {}): KeySet => ({
  name: 'login',
  url: 'https://login.example.com/keys',
  keys: [key('a')],
  fetchedAt: 0,
  triedAt: 0,
  ...more,
})

describe('a key set', () => {
  test('is read for its keys of signatures; keys of other uses and kinds are left out', async () => {
    const keys = [
      ed,
      await jwk('ES256', { kid: 'es', alg: 'ES256', use: 'sig', x5c: ['MII…'] }),
      await jwk('ES384', { kid: 'other-curve' }),
      { ...ed, kid: 'for-encryption', use: 'enc' },
      { ...ed, kid: undefined },
      { ...ed, kid: 'ed' },
      { kty: 'oct', kid: 'secret', k: 'c2VjcmV0' },
      'no key',
    ]
    const read = readKeySet(JSON.stringify({ keys }))
    expect(read.kind === 'keys' && read.keys.map(({ id, algorithm }) => [id, algorithm])).toEqual([
      ['ed', 'EdDSA'],
      ['es', 'ES256'],
    ])
  })

  test.each(['', 'null', '[]', '{"keys":{}}', '{"keys":[]}', `{"keys":[${'{},'.repeat(200)}{}]}`, '<html>'])(
    'without a key is a failure with its reason: %s',
    (text) => {
      expect(readKeySet(text)).toEqual({ kind: 'failed', reason: expect.stringMatching(/JSON Web Key Set|no key/) })
    },
  )

  test('that cannot be fetched keeps its keys for a day from the last success', () => {
    const failed = afterFetch(set(), { kind: 'failed', reason: 'url: answered 500, not 200' }, 20 * minute)
    expect(failed).toEqual(set({ triedAt: 20 * minute, failure: 'url: answered 500, not 200' }))
    expect(keysOfSets([failed], day - 1).map(({ id, until }) => [id, until])).toEqual([['a', day]])
    expect(keysOfSets([failed], day)).toEqual([])
  })

  test('no longer lists a key that still verifies for five minutes, also over further fetches', () => {
    const first = afterFetch(set(), { kind: 'keys', keys: [key('b')] }, minute)
    expect(first.keys).toEqual([key('b'), key('a', 6 * minute)])
    const second = afterFetch(first, { kind: 'keys', keys: [key('b')] }, 3 * minute)
    expect(second.keys).toEqual([key('b'), key('a', 6 * minute)])
    expect(keysOfSets([second], 6 * minute).map(({ id }) => id)).toEqual(['b'])
    expect(afterFetch(second, { kind: 'keys', keys: [key('b')] }, 7 * minute).keys).toEqual([key('b')])
  })

  test('is fetched again when it is used after 15 minutes, and half a minute after a failure', () => {
    expect(dueSets([set()], 15 * minute - 1)).toEqual([])
    expect(dueSets([set()], 15 * minute)).toEqual([set()])
    expect(dueSets([set({ triedAt: 15 * minute })], 15 * minute + 29_999)).toEqual([])
    expect(dueSets([set({ triedAt: 15 * minute })], 15 * minute + 30_000)).toHaveLength(1)
  })

  test('is fetched again when a token names an unknown key, at most every half minute; until then such a token is refused', () => {
    expect(setsThatMayHaveMore([set()], 29_999)).toEqual([])
    expect(mayHaveMore([set()], new Set(), 29_999)).toBe(false)
    expect(setsThatMayHaveMore([set()], 30_000)).toEqual([set()])
    expect(mayHaveMore([set()], new Set(), 30_000)).toBe(true)
    expect(mayHaveMore([set({ triedAt: 30_000 })], new Set(['login']), 30_001)).toBe(true)
    expect(mayHaveMore([set({ triedAt: 30_000, failure: 'no answer' })], new Set(), 30_001)).toBe(true)
    expect(mayHaveMore([], new Set(), 0)).toBe(false)
  })

  test('is one of at most three', () => {
    const three = ['a', 'b', 'c'].map((name) => set({ name }))
    expect(putKeySet(three, set({ name: 'd' }))).toMatchObject({ kind: 'refused', error: 'limitExceeded' })
    expect(putKeySet(three, set({ name: 'b', url: 'https://other.example.com/keys' }))).toMatchObject({
      kind: 'set',
      sets: [{ name: 'a' }, { name: 'c' }, { name: 'b', url: 'https://other.example.com/keys' }],
    })
  })
})
