import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LeaseAccount } from '../../src/limits/lease-account.ts'
import type { Rules } from '../../src/limits/rules.ts'

const slots = (limit: number, version = 1): Rules => ({
  windows: [{ algorithm: 'concurrency', limit, windowMs: 0, burst: 0 }],
  mode: 'hard',
  version,
})
const ttlMs = 90_000

describe('slots that holders keep under their names', () => {
  test('are never more than there are, also when holders ask, end, repeat themselves or are forgotten and read again', () => {
    const step = fc.record({
      holder: fc.nat({ max: 7 }),
      units: fc.nat({ max: 12 }),
      gapMs: fc.nat({ max: 60_000 }),
      reread: fc.boolean(),
    })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), fc.array(step, { maxLength: 60 }), (limit, steps) => {
        let ledger = new LeaseAccount(slots(limit))
        let now = 1_000_000
        const held = new Map<number, { readonly units: number; readonly until: number }>()
        for (const { holder, units, gapMs, reread } of steps) {
          now += gapMs
          if (reread) ledger = new LeaseAccount(slots(limit), structuredClone(ledger.save()))
          const granted = ledger.hold(String(holder), units, ttlMs, now)
          held.set(holder, { units: granted, until: now + ttlMs })
          const live = [...held.values()].filter(({ until }) => until > now)
          const total = live.reduce((sum, each) => sum + each.units, 0)
          expect(granted).toBeLessThanOrEqual(units)
          expect(total).toBeLessThanOrEqual(limit)
          expect(granted === units || total === limit).toBe(true)
        }
      }),
    )
  })

  test('are free again when a holder does not say in time that it still has them', () => {
    const ledger = new LeaseAccount(slots(3))
    expect(ledger.hold('a', 3, ttlMs, 0)).toBe(3)
    expect(ledger.hold('b', 1, ttlMs, ttlMs - 1)).toBe(0)
    expect(ledger.hold('b', 1, ttlMs, ttlMs)).toBe(1)
    expect(ledger.hold('a', 3, ttlMs, ttlMs)).toBe(2)
  })

  test('stay with their holders when the limit becomes smaller, but no more are given', () => {
    const ledger = new LeaseAccount(slots(5))
    ledger.hold('a', 4, ttlMs, 0)
    ledger.adopt(slots(2, 2), 0)
    expect(ledger.hold('a', 5, ttlMs, 1)).toBe(4)
    expect(ledger.hold('b', 1, ttlMs, 1)).toBe(0)
    expect(ledger.hold('a', 1, ttlMs, 2)).toBe(1)
    expect(ledger.hold('b', 1, ttlMs, 2)).toBe(1)
  })
})
