import { expect, test } from 'vitest'
import { inSlices, sliceItems } from '../../src/kernel/in-slices.ts'

test('a hundred thousand items are worked on in their order, with a pause after each slice of 500', async () => {
  const items = Array.from({ length: 100_000 }, (_, n) => n)
  const done: number[] = []
  const slices: number[] = []
  await inSlices(
    items,
    (item) => done.push(item),
    async () => {
      slices.push(done.length - slices.reduce((sum, size) => sum + size, 0))
    },
  )
  expect(done).toEqual(items)
  expect(slices).toEqual(Array.from({ length: 199 }, () => sliceItems))
})
