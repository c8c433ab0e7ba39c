import { expect, test } from 'vitest'
import { attacks } from './attacks.ts'

test('each way in which one caller could stop the others is an attack of the torture, and ends within minutes', () => {
  const lines = Object.values(attacks).map(({ line }) => line)
  expect(lines.toSorted((a, b) => a - b)).toEqual([1, 2, 2, 3, 4, 5, 6, 8, 9, 14, 15])
  for (const { seconds } of Object.values(attacks)) expect(seconds).toBeLessThanOrEqual(90)
})
