import { describe, expect, test } from 'vitest'
import { CallCounts, reportEveryMs } from '../../src/tenants/call-counts.ts'

describe('calls of tenants', () => {
  test('are reported together, at most once a minute', () => {
    const counts = new CallCounts()
    expect(counts.isDue(1000)).toBe(false)
    for (let n = 0; n < 500; n++) counts.add(n % 2 === 0 ? 'acme' : 'beta', 1)
    counts.add('acme', 3)
    expect(counts.isDue(1000 + reportEveryMs - 1)).toBe(false)
    expect(counts.isDue(1000 + reportEveryMs)).toBe(true)
    expect([...counts.take(1000 + reportEveryMs)]).toEqual([
      ['acme', 253],
      ['beta', 250],
    ])
    counts.add('acme', 1)
    expect(counts.isDue(1000 + reportEveryMs)).toBe(false)
  })

  test('are not reported while there are none', () => {
    const counts = new CallCounts()
    expect(counts.isDue(0)).toBe(false)
    expect(counts.isDue(10 * reportEveryMs)).toBe(false)
  })

  test('are reported a minute later where the clock was set back', () => {
    const counts = new CallCounts()
    counts.add('acme', 1)
    expect(counts.isDue(10_000_000)).toBe(false)
    expect(counts.isDue(5_000_000)).toBe(false)
    expect(counts.isDue(5_000_000 + reportEveryMs)).toBe(true)
  })
})
