import { expect, test } from 'vitest'
import { LocalLimits } from '../../src/limits/local-limits.ts'
import type { Window } from '../../src/limits/rules.ts'

/** Five at once, and one a second. */
const windows: readonly Window[] = [{ algorithm: 'token-bucket', limit: 1, windowMs: 1000, burst: 5 }]

const spendAll = (limits: LocalLimits, key: string, now: number) => limits.takeAll(key, windows, now, 5)

test('more keys than it means to keep are limited all the same', () => {
  const limits = new LocalLimits(10)
  for (let n = 0; n < 30; n++) expect(spendAll(limits, `k${n}`, 0).kind).toBe('taken')
  for (let n = 0; n < 30; n++) expect(limits.takeAll(`k${n}`, windows, 0).kind).toBe('limited')
})

test('a caller with all units back is forgotten, any other is remembered', () => {
  const limits = new LocalLimits(10, 20)
  spendAll(limits, 'busy', 0)
  for (let n = 0; n < 19; n++) limits.takeAll(`idle${n}`, windows, 0)
  for (let n = 0; n < 18; n++) expect(limits.takeAll(`new${n}`, windows, 1000).kind).toBe('taken')
  expect(limits.takeAll('busy', windows, 1000, 2).kind).toBe('limited')
})

test('memory is bounded: beyond that the longest known is forgotten', () => {
  const limits = new LocalLimits(10, 20)
  for (let n = 0; n < 21; n++) spendAll(limits, `k${n}`, 0)
  expect(limits.takeAll('k1', windows, 0).kind).toBe('limited')
  expect(limits.takeAll('k0', windows, 0).kind).toBe('taken')
})
