import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bucketOf, chooseSide, keyOf, percentAt } from '../../src/facade/choose.ts'
import type { PublishedRoute } from '../../src/facade/route.ts'
import { definitionOf } from './definition.ts'

const plain = definitionOf({})
const routeWith = (given: Partial<PublishedRoute>): PublishedRoute => ({
  name: 'shop',
  version: 1,
  state: 'active',
  percent: 0,
  before: null,
  definition: plain,
  ...given,
})
const none = new Set<string>()
const sideAt = (percent: number, key: string | undefined, method = 'GET') =>
  chooseSide(routeWith({ percent }), none, { key, method, now: 0 })

const percents = fc.integer({ min: 0, max: 10_000 }).map((hundredths) => hundredths / 100)

describe('the side of a key', () => {
  test('is always the same for one percent, and a larger percent moves no key back to legacy', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), percents, percents, (key, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)]
        expect(sideAt(less, key)).toBe(sideAt(less, key))
        if (sideAt(less, key) === 'new') expect(sideAt(more, key)).toBe('new')
      }),
    )
  })

  test('is legacy for all keys at 0 and new for all at 100', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (key) => {
        expect([sideAt(0, key), sideAt(100, key)]).toEqual(['legacy', 'new'])
      }),
    )
  })

  test('is new for as many of ten thousand keys as the percent says, also where they differ only at their end', () => {
    for (const keyAt of [(n: number) => `user-${n}`, (n: number) => String(n), (n: number) => `${n}@example.com`]) {
      const keys = Array.from({ length: 10_000 }, (_, n) => keyAt(n))
      for (const percent of [1, 5, 25, 50]) {
        const share = keys.filter((key) => sideAt(percent, key) === 'new').length / 100
        // Four standard deviations of a binomial of 10,000.
        expect(Math.abs(share - percent)).toBeLessThan(4 * Math.sqrt((percent * (100 - percent)) / 10_000))
      }
    }
  })

  test('of one route says nothing about that on another', () => {
    const keys = Array.from({ length: 2000 }, (_, n) => `user-${n}`)
    const both = keys.filter((key) => bucketOf('shop', key) < 5000 && bucketOf('blog', key) < 5000).length
    expect(both).toBeGreaterThan(400)
    expect(both).toBeLessThan(600)
  })

  test('is new for an allowed key, and legacy for a method that the route does not name or a route that is killed', () => {
    const allow = new Set(['alice'])
    const definition = definitionOf({ methods: ['GET'] })
    const asked = { key: 'alice', method: 'GET', now: 0 }
    expect(chooseSide(routeWith({ definition }), allow, asked)).toBe('new')
    expect(chooseSide(routeWith({ definition, percent: 100 }), allow, { ...asked, method: 'POST' })).toBe('legacy')
    for (const state of ['killed', 'rolled-back'] as const)
      expect(chooseSide(routeWith({ state, percent: 100 }), allow, asked)).toBe('legacy')
  })

  test('without a key is legacy until all keys are new', () => {
    expect([sideAt(99.99, undefined), sideAt(100, undefined)]).toEqual(['legacy', 'new'])
  })

  test('changes at the moment that is published, and a kill does not wait for it', () => {
    const route = routeWith({ percent: 50, before: { percent: 5, until: 1000 } })
    expect([percentAt(route, 999), percentAt(route, 1000)]).toEqual([5, 50])
    expect(percentAt({ ...route, state: 'killed' }, 999)).toBe(0)
  })
})

describe('a key', () => {
  const headers = (fields: Readonly<Record<string, string>>) => (name: string) => new Headers(fields).get(name)
  const keyFrom = (key: Parameters<typeof keyOf>[0], fields: Readonly<Record<string, string>>, path = '/') =>
    keyOf(key, { header: headers(fields), path })
  const jwt = (claims: object) => `h.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.s`

  test('is read from a cookie, a header, the path, or the credentials', () => {
    expect(keyFrom({ from: 'cookie', name: 'sid' }, { cookie: 'a=1; sid=s=1; b=2' })).toBe('s=1')
    expect(keyFrom({ from: 'header', name: 'X-User' }, { 'x-user': 'alice' })).toBe('alice')
    expect(keyFrom({ from: 'path' }, {}, '/a/b')).toBe('/a/b')
    expect(keyFrom({ from: 'user' }, { authorization: `Bearer ${jwt({ sub: 'zoë' })}` })).toBe('zoë')
    expect(keyFrom({ from: 'user' }, { authorization: `bearer ${jwt({ sub: 7 })}` })).toBe('7')
    expect(keyFrom({ from: 'user' }, { authorization: `Basic ${btoa('alice:secret')}` })).toBe('alice')
  })

  test('is missing where there is none, and credentials that cannot be read throw nothing', () => {
    expect(keyFrom({ from: 'cookie', name: 'sid' }, { cookie: 'xsid=1; sid=' })).toBe(undefined)
    expect(keyFrom({ from: 'header', name: 'x-user' }, {})).toBe(undefined)
    for (const authorization of [
      'Bearer x',
      'Bearer a.b.c',
      'Bearer a.%.c',
      'Basic %',
      `Bearer ${jwt([])}`,
      'Digest x',
    ])
      expect(keyFrom({ from: 'user' }, { authorization })).toBe(undefined)
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (text) => {
        expect(() => keyOf({ from: 'user' }, { header: () => text, path: '' })).not.toThrow()
        expect(() => keyOf({ from: 'cookie', name: 'sid' }, { header: () => text, path: '' })).not.toThrow()
      }),
    )
  })
})
