import { anything, assert, oneof, property, string } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ageOf, asJson, expiryOf, readStored, storedForm, type Entry } from '../../src/cache/entry.ts'
import { usual } from '../../src/cache/options.ts'

const lifetime = { ...usual, ttlMs: 10_000, staleMs: 1000, jitter: 0.2, negativeMs: 500 }

describe('the expiry of an entry', () => {
  test('is the lifetime after its load began, shortened by at most the jitter', () => {
    expect(expiryOf(true, 1000, 0, lifetime)).toBe(11_000)
    expect(expiryOf(true, 1000, 0.5, lifetime)).toBe(10_000)
    expect(expiryOf(true, 1000, 0.999_999, lifetime)).toBeGreaterThanOrEqual(9000)
  })

  test('is the negative lifetime where the owner has no value', () => {
    expect(expiryOf(false, 1000, 0.7, lifetime)).toBe(1500)
  })
})

describe('the age of an entry', () => {
  const entry = { value: 'v', expiresAt: 11_000, tookMs: 100 }
  const at = (now: number, random = 0) => ageOf(entry, now, random, lifetime)

  test('is stale after the expiry, for as long as the options say, and expired after that', () => {
    expect([at(10_999), at(11_000), at(11_999), at(12_000)]).toEqual(['fresh', 'stale', 'stale', 'expired'])
  })

  test('is never stale where the owner has no value', () => {
    expect(ageOf({ ...entry, value: undefined }, 11_000, 0, lifetime)).toBe('expired')
  })

  test('is early with the probability e^(-left/took) of XFetch: 37 % when the time left is what a load takes', () => {
    const reads = 20_000
    for (const loads of [0.5, 1, 2, 4]) {
      let early = 0
      for (let n = 0; n < reads; n++)
        if (ageOf(entry, 11_000 - loads * entry.tookMs, n / reads, lifetime) === 'early') early++
      expect(early / reads).toBeCloseTo(Math.exp(-loads), 3)
    }
  })

  test('is never early without XFetch', () => {
    expect(ageOf(entry, 10_999, 0.999_999, { ...lifetime, beta: 0 })).toBe('fresh')
  })
})

describe('an entry from the shared tier', () => {
  const options = { ...lifetime, shared: asJson((value) => (typeof value === 'string' ? value : undefined)) }
  const entry: Entry<string> = {
    value: 'v',
    loadedAt: 0,
    expiresAt: 10_000,
    tookMs: 3,
    stamp: { log: 'l', seq: 4 },
    tags: ['t'],
  }
  const stored = storedForm(entry, '"v"')

  test('is the one that was stored, loaded elsewhere', () => {
    expect(readStored(stored, ['t'], 5000, options)).toEqual({ ...entry, loadedAt: -Infinity })
  })

  test.each([
    ['a stamp', { ...entry, stamp: undefined }],
    ['a value of its form', entry, '7'],
    ['a value that is JSON', entry, 'v"'],
    ['an expiry', { ...entry, expiresAt: Number.NaN }],
    ['a believable expiry', { ...entry, expiresAt: 1e15 }],
    ['time left', { ...entry, expiresAt: 3999 }],
    ['a duration', { ...entry, tookMs: -1 }],
  ])('is not used without %s', (_, wrong: Entry<string>, text = '"v"') => {
    expect(readStored(storedForm(wrong, text), ['t'], 5000, options)).toBeUndefined()
  })

  test('is not used when it is garbage of any kind', () => {
    assert(
      property(
        oneof(
          string(),
          anything().map((value) => `${JSON.stringify(value)}\n"v"`),
        ),
        (garbage) => {
          expect(readStored(garbage, ['t'], 5000, options)).toBeUndefined()
        },
      ),
    )
  })
})
