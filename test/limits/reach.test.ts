import { expect, test } from 'vitest'
import { LeaseHolder } from '../../src/limits/holder.ts'
import type { Limiter } from '../../src/limits/ports.ts'
import { bucketRules } from '../../src/limits/rules.ts'
import { reachLimiter, returnIdle } from '../../src/limits/reach.ts'

const rules = () => bucketRules(10, 10, 1)
const lent = {
  allowed: 1,
  at: 0,
  retryAfterMs: 0,
  lease: { id: 1, units: 5, forMs: 5000 },
  remaining: 4,
  limit: 10,
  resetMs: 0,
}

test('a limiter is looked up when it is asked, and one that is not admitted only to return what it lent', async () => {
  const looked: string[] = []
  const named = (name: string): Limiter => {
    looked.push(name)
    return { lease: async () => lent, settle: async () => undefined, refund: async () => undefined }
  }
  const admit = () => {
    throw new Error('too many actors')
  }
  const limiter = reachLimiter({ admit, named }, 'one')
  expect(looked).toEqual([])
  await expect(limiter.lease({ rules: rules(), costs: [1], want: 0, closing: [] })).rejects.toThrow('too many actors')
  expect(looked).toEqual([])
  await limiter.refund(1, 0)
  expect(looked).toEqual(['one'])
})

test('units that are not spent return to their limiters, and one that cannot be reached keeps none from the others', async () => {
  const returned: string[] = []
  const find = (name: string): Limiter => ({
    lease: async () => lent,
    settle: async () => {
      if (name === 'away') throw new Error('unreachable')
      returned.push(name)
    },
    refund: async () => undefined,
  })
  const holder = new LeaseHolder(() => 'policy')
  for (const name of ['away', 'one', 'other'])
    await holder.take(name, {
      limiter: reachLimiter({ admit: () => undefined, named: find }, name),
      rules,
      clock: () => 1000,
    })
  await returnIdle(holder, find, 4000)
  expect(returned.toSorted()).toEqual(['one', 'other'])
  expect(returnIdle(holder, find, 60_000)).toBeUndefined()
})
