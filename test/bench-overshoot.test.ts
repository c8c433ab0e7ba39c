import { expect, test } from 'vitest'
import { overAnySecond, overBucket } from '../bench/limits/overshoot.ts'

const at = (ms: number, units: number) => ({ from: ms, until: ms, units })

test('a bucket that is exceeded is found out, at whatever moment', () => {
  expect(overBucket([at(0, 20)], 10, 20)).toBe(0)
  expect(overBucket([at(0, 20), at(100, 1)], 10, 20)).toBe(0)
  expect(overBucket([at(0, 20), at(100, 3)], 10, 20)).toBe(2)
  expect(overBucket([at(0, 1), at(5000, 20), at(5050, 4)], 10, 20)).toBe(3)
})

test('a limit of any second is found out across the border of two, and not over longer spans', () => {
  expect(overAnySecond([at(900, 10), at(1100, 10)], 10)).toBe(10)
  expect(overAnySecond([at(0, 10), at(1000, 10), at(2000, 10)], 10)).toBe(0)
})

test('an excess that a reading of the clock may explain is no overshoot, any other is', () => {
  expect(overBucket([at(0, 20), { from: 50, until: 100, units: 1 }], 10, 20)).toBe(0)
  expect(overBucket([at(0, 20), { from: 20, until: 80, units: 2 }], 10, 20)).toBe(1)
  expect(overAnySecond([at(0, 10), { from: 900, until: 1200, units: 5 }], 10)).toBe(0)
})
