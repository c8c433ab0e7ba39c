import { expect, test } from 'vitest'
import { KnownFor } from '../../src/kernel/known-for.ts'

test('an answer is used for its time, and asked for again when the clock was set back', () => {
  const known = new KnownFor<string>(10_000, 2)
  known.set('acme', 'secret', 50_000)
  const found = [50_000, 59_999, 60_000, 49_999, 0].map((now) => known.get('acme', now))
  expect(found).toEqual(['secret', 'secret', undefined, undefined, undefined])
})

test('the oldest answer is forgotten when there are too many', () => {
  const known = new KnownFor<number>(10_000, 2)
  for (const [index, key] of ['a', 'b', 'c'].entries()) known.set(key, index, 0)
  expect(['a', 'b', 'c'].map((key) => known.get(key, 1))).toEqual([undefined, 1, 2])
})
