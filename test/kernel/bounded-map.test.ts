import { expect, test } from 'vitest'
import { BoundedMap } from '../../src/kernel/bounded-map.ts'

const filled = (max: number, count: number) => {
  const map = new BoundedMap<number, string>(max)
  for (let key = 0; key < count; key++) map.set(key, `value ${key}`)
  return map
}

test('a bounded map never has more entries than its bound', () => {
  const map = new BoundedMap<number, number>(100)
  for (let key = 0; key < 1000; key++) {
    map.set(key, key)
    expect(map.size).toBeLessThanOrEqual(100)
  }
  expect(map.get(999)).toBe(999)
})

test('a full bounded map drops the sixteenth that was set longest ago and keeps all others', () => {
  const map = filled(160, 161)
  expect([...map.keys()]).toEqual(Array.from({ length: 151 }, (_, index) => index + 10))
})

test('an entry that is set again is the newest and drops no other', () => {
  const map = filled(16, 16)
  map.set(0, 'again')
  expect(map.size).toBe(16)
  map.set(16, 'one more')
  expect(map.has(1)).toBe(false)
  expect(map.get(0)).toBe('again')
})

test('a bounded map of one entry holds the newest', () => {
  expect([...filled(1, 3)]).toEqual([[2, 'value 2']])
})
