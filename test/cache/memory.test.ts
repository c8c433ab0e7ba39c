import { expect, test, vi } from 'vitest'
import { Memory } from '../../src/cache/memory.ts'

test('the memory of a cache stays within its bytes', () => {
  const memory = new Memory<string>(100_000)
  for (let n = 0; n < 1000; n++) {
    memory.set(`key ${n}`, 'v', (n % 7) * 500)
    expect(memory.bytes).toBeLessThanOrEqual(100_000)
  }
  expect(memory.size).toBeGreaterThan(20)
})

test('a value larger than the memory is not kept', () => {
  const memory = new Memory<string>(1000)
  memory.set('large', 'v', 5000)
  expect([memory.get('large'), memory.bytes]).toEqual([undefined, 0])
})

test('values that are read often stay while a scan passes through', () => {
  const memory = new Memory<number>(100_000)
  for (let round = 0; round < 20; round++)
    for (let n = 0; n < 100; n++) if (memory.get(`often ${n}`) === undefined) memory.set(`often ${n}`, n, 500)
  for (let n = 0; n < 5000; n++) if (memory.get(`once ${n}`) === undefined) memory.set(`once ${n}`, n, 500)
  const left = Array.from({ length: 100 }, (_, n) => memory.get(`often ${n}`)).filter((value) => value !== undefined)
  expect(left.length).toBeGreaterThan(90)
})

test('no timer is left behind by the memory: it would keep an actor in memory, which is billed', () => {
  vi.useFakeTimers()
  try {
    const memory = new Memory<string>(1000)
    memory.set('a', 'v', 10)
    memory.set('b', 'v', 10)
    memory.delete('a')
    expect(memory.get('b')).toBe('v')
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})
