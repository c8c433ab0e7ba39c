import * as fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { hash32, mixed32, randomToken, uuidFrom, uuidv7 } from '../../src/kernel/id.ts'
import { isDeeper } from '../../src/kernel/json.ts'
import { backoffMs, within } from '../../src/kernel/retry.ts'
import { byteLength, isPlainText } from '../../src/kernel/text.ts'

describe('ids', () => {
  test('of one kind sort by when they were made and are never made twice', () => {
    const times = [0, 1, 0xffff, 0x10000, Date.UTC(2026, 0), 2 ** 47]
    const ids = times.map(uuidv7)
    expect(ids.toSorted()).toEqual(ids)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(new Set(Array.from({ length: 1000 }, () => uuidv7(1))).size).toBe(1000)
  })

  test('of a text are always the same', async () => {
    expect(await uuidFrom('a')).toBe(await uuidFrom('a'))
    expect(await uuidFrom('a')).not.toBe(await uuidFrom('b'))
    expect(await uuidFrom('a')).toMatch(/^[0-9a-f-]{14}8[0-9a-f]{3}-[89ab]/)
  })

  test('that are random are as long as asked and fit a URL', () => {
    for (const length of [8, 12, 43]) expect(randomToken(length)).toMatch(new RegExp(`^[\\w-]{${length}}$`))
  })

  test('spread evenly: a hash fills its buckets, mixed also for names that differ in their end', () => {
    const buckets = new Map<number, number>()
    for (let n = 0; n < 8000; n++) {
      const bucket = Math.floor(mixed32(hash32(`tenant@${n}`)) / 2 ** 29)
      buckets.set(bucket, (buckets.get(bucket) ?? 0) + 1)
    }
    expect(buckets.size).toBe(8)
    for (const filled of buckets.values()) expect(Math.abs(filled - 1000)).toBeLessThan(150)
  })
})

describe('trying again', () => {
  test('waits longer and longer up to the cap, never less than half', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (n, random) => {
          const wait = backoffMs(n, 1000, 60_000, random)
          const ceiling = Math.min(60_000, 1000 * 2 ** (n - 1))
          expect(wait).toBeGreaterThanOrEqual(ceiling / 2)
          expect(wait).toBeLessThanOrEqual(ceiling)
        },
      ),
    )
  })

  test('within a time gives the answer also where the runtime has no timer left: a full table fails no work', async () => {
    const full = vi.spyOn(globalThis, 'setTimeout').mockImplementation(() => {
      throw new DOMException('You have exceeded the number of active timeouts you may set.', 'QuotaExceededError')
    })
    try {
      expect(await within(1000, 'work', Promise.resolve(7))).toBe(7)
      await expect(within(1000, 'work', Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    } finally {
      full.mockRestore()
    }
  })

  test('within a time gives the answer, the failure, or says what took too long', async () => {
    vi.useFakeTimers()
    expect(await within(1000, 'work', Promise.resolve(7))).toBe(7)
    await expect(within(1000, 'work', Promise.reject(new Error('broken')))).rejects.toThrow('broken')
    const late = expect(within(1000, 'the work', new Promise(() => {}))).rejects.toThrow(
      'the work timed out after 1000 ms',
    )
    await vi.advanceTimersByTimeAsync(1000)
    await late
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })
})

describe('text', () => {
  test('is plain when it is whole characters, without controls or tricks of direction', () => {
    for (const good of ['', 'Hungry?', 'Zoë 👩‍🍳', 'two\nlines\tand a tab', 'שלום']) expect(isPlainText(good)).toBe(true)
    for (const bad of ['\u0000', '\u001b[31m', '\r', '\u007f', 'a\u202eb', '\u2066x', '\ud800', 'x\udc00'])
      expect(isPlainText(bad)).toBe(false)
  })

  test('is measured in bytes as wire and storage count', () => {
    expect([byteLength(''), byteLength('a'), byteLength('é'), byteLength('👩')]).toEqual([0, 1, 2, 4])
  })
})

test('depth is found without going deeper than asked', () => {
  expect([isDeeper(1, 0), isDeeper([], 0), isDeeper([[1]], 2), isDeeper({ a: [{}] }, 2)]).toEqual([
    false,
    true,
    false,
    true,
  ])
  expect(isDeeper(JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`), 32)).toBe(true)
})
