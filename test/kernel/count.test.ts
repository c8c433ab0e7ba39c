import { expect, test } from 'vitest'
import { countByName } from '../../src/kernel/count.ts'

test('names are counted whatever they are', () => {
  const names = ['acme', 'constructor', 'acme', 'toString', '__proto__', '__proto__']
  expect(Object.entries(countByName(names))).toEqual([
    ['acme', 2],
    ['constructor', 1],
    ['toString', 1],
    ['__proto__', 2],
  ])
})
