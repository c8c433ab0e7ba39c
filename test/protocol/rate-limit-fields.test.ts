import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rateLimitFields, type QuotaState } from '../../src/protocol/rate-limit-fields.ts'
import { parseList, type Bare } from '../support/structured-fields.ts'

const state = fc.record({
  name: fc.string(),
  quota: fc.double({ min: 0, max: 1e18, noNaN: true }),
  windowSeconds: fc.double({ min: 0, max: 1e10, noNaN: true }),
  remaining: fc.double({ min: -1e6, max: 1e18, noNaN: true }),
  resetSeconds: fc.double({ min: -5, max: 1e10, noNaN: true }),
})

const isWhole = (value: Bare | undefined): boolean => Number.isInteger(value) && Number(value) >= 0
const parsed = (states: readonly QuotaState[], field: string) => parseList(rateLimitFields(states)[field] ?? '')

describe('the fields of draft-ietf-httpapi-ratelimit-headers-11', () => {
  test.each([
    '"burst";q=100;w=60,"daily";q=1000;w=86400',
    '"default";q=100;w=10',
    '"peruser";q=65535;qu="content-bytes";w=10;pk=:sdfjLJUOUA==:',
    '"default";r=50;t=30',
    '"default";r=300000000;t=60;pk=:QXBwLTk5OQ==:',
  ])('the parser that judges ours reads the draft’s own example %s', (example) => {
    expect(parseList(example)[0]?.value).toBeTypeOf('string')
  })

  test.each([
    'default;q=1',
    '"a";q=1.5',
    '"a";w=',
    '"a" "b"',
    '"a";q=1,',
    '"ä";q=1',
    '"a";q=1234567890123456',
    '"a";q',
  ])('and refuses %s', (malformed) => {
    expect(() => parseList(malformed)).toThrow()
  })

  test('whatever a policy is called and whatever its figures, the policy says q and w, and w is above zero', () => {
    fc.assert(
      fc.property(fc.array(state, { minLength: 1, maxLength: 4 }), (states) => {
        const policies = parsed(states, 'RateLimit-Policy')
        expect(policies.map(({ value }) => value)).toEqual(states.map(({ name }) => name.replace(/[^\x20-\x7e]/g, '')))
        for (const { parameters } of policies) {
          expect([...parameters.keys()]).toEqual(['q', 'w'])
          expect(isWhole(parameters.get('q'))).toBe(true)
          expect(parameters.get('w')).toBeGreaterThan(0)
        }
      }),
    )
  })

  test('and the limit says r and t under the same names, never more than there is and never too early', () => {
    fc.assert(
      fc.property(fc.array(state, { minLength: 1, maxLength: 4 }), (states) => {
        const limits = parsed(states, 'RateLimit')
        expect(limits.map(({ value }) => value)).toEqual(parsed(states, 'RateLimit-Policy').map(({ value }) => value))
        for (const [place, { parameters }] of limits.entries()) {
          expect([...parameters.keys()]).toEqual(['r', 't'])
          expect(isWhole(parameters.get('r')) && isWhole(parameters.get('t'))).toBe(true)
          expect(parameters.get('r')).toBeLessThanOrEqual(Math.max(0, states[place]?.remaining ?? 0))
          expect(parameters.get('t')).toBeGreaterThanOrEqual(states[place]?.resetSeconds ?? 0)
        }
      }),
    )
  })
})

test('the older fields describe the first policy, in whole numbers and seconds', () => {
  const first = { name: 'a', quota: 10.9, windowSeconds: 60, remaining: 3.9, resetSeconds: 0.1 }
  expect(rateLimitFields([first, { ...first, name: 'b', quota: 99 }])).toMatchObject({
    'X-RateLimit-Limit': '10',
    'X-RateLimit-Remaining': '3',
    'X-RateLimit-Reset': '1',
  })
  expect(rateLimitFields([])).toEqual({})
})
