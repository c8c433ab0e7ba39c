import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { cover, noAllowance } from '../../src/limits/allowance.ts'
import { LeaseAccount } from '../../src/limits/lease-account.ts'
import { SlidingWindow } from '../../src/limits/windows/sliding-window.ts'
import { bucketRules, type Rules, type Window } from '../../src/limits/rules.ts'
import { SteadyClock } from '../../src/limits/steady-clock.ts'
import { idealCount } from './oracle.ts'

const hour = 3_600_000
const rules = (...windows: Window[]): Rules => ({ windows, mode: 'hard', version: 1 })
const sliding = (limit: number, windowMs: number): Window => ({
  algorithm: 'sliding-window',
  limit,
  windowMs,
  burst: 0,
})
const slots = (limit: number): Window => ({ algorithm: 'concurrency', limit, windowMs: 0, burst: 0 })

const one = (ledger: LeaseAccount, now: number, cost = 1) =>
  ledger.ask({ rules: ledger.rules, costs: [cost], want: 0, closing: [] }, now)

describe('decisions of the limiter alone are those of an exact log', () => {
  const window = fc.oneof(
    fc.record({
      algorithm: fc.constantFrom('token-bucket' as const, 'gcra' as const),
      limit: fc.integer({ min: 1, max: 50 }),
      windowMs: fc.constantFrom(100, 1000, 60_000),
      burst: fc.integer({ min: 1, max: 50 }),
    }),
    fc.record({
      algorithm: fc.constantFrom('sliding-window' as const, 'fixed-window' as const),
      limit: fc.integer({ min: 1, max: 50 }),
      windowMs: fc.constantFrom(100, 1000, 60_000),
      burst: fc.constant(0),
    }),
  )

  test('in every window and at any times', () => {
    fc.assert(
      fc.property(window, fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 300 }), (each, gaps) => {
        const ledger = new LeaseAccount(rules(each))
        let now = 1_000_000
        const demands = gaps.map((gap) => (now += gap))
        const allowed = demands.filter((at) => one(ledger, at).allowed === 1).length
        expect(allowed).toBe(idealCount(each, demands))
      }),
      { numRuns: 500 },
    )
  })

  test('and a caller that waits as long as the refusal says is let in', () => {
    fc.assert(
      fc.property(
        window,
        fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 60, maxLength: 120 }),
        (each, gaps) => {
          const ledger = new LeaseAccount(rules(each))
          let now = 1_000_000
          for (const gap of gaps) {
            const { allowed, retryAfterMs } = one(ledger, (now += gap))
            if (allowed === 1) continue
            expect(one(ledger, now + retryAfterMs).allowed).toBe(1)
            return
          }
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('an account', () => {
  test('a decision must fit into every window', () => {
    const ledger = new LeaseAccount(rules(sliding(3, 1000), sliding(5, hour)))
    const allowed = [0, 0, 0, 0, 1000, 1000, 1000, 2000].map((ms) => one(ledger, 1_000_000 + ms).allowed)
    expect(allowed).toEqual([1, 1, 1, 0, 1, 1, 0, 0])
  })

  test('a slot is held until it is released or its time is over', () => {
    const ledger = new LeaseAccount(rules(slots(2)))
    const first = ledger.reserve(1, 5000, 1000)
    ledger.reserve(1, 9000, 1000)
    expect(ledger.reserve(1, 5000, 2000)).toEqual({ kind: 'limited', retryAfterMs: 4000 })
    expect(ledger.reserve(1, 5000, 6000).kind).toBe('reserved')
    expect(first.kind === 'reserved' && ledger.settle([{ lease: first.lease, spent: 1, idleMs: 0 }], 6001)).toBe(0)
  })

  test('a refund never makes more than there would have been', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 2, maxLength: 40 }),
        fc.nat(39),
        (gaps, which) => {
          const withRefund = new LeaseAccount(bucketRules(10, 20, 1))
          const without = new LeaseAccount(bucketRules(10, 20, 1))
          let now = 1_000_000
          let refunded = -1
          for (const [place, gap] of gaps.entries()) {
            now += gap
            const { allowed, at } = one(withRefund, now)
            if (allowed === 0) continue
            if (place === which) refunded = at
            else one(without, now)
          }
          if (refunded >= 0) withRefund.refund(1, refunded, now)
          expect(withRefund.peek(now).remaining).toBeLessThanOrEqual(without.peek(now).remaining)
        },
      ),
    )
  })

  test('new rules go on with what was used, and older ones change nothing', () => {
    const ledger = new LeaseAccount(bucketRules(1, 10, 1))
    one(ledger, 1_000_000, 8)
    ledger.adopt(bucketRules(1, 20, 2), 1_000_000)
    expect(ledger.peek(1_000_000)).toMatchObject({ remaining: 12, limit: 20 })
    ledger.adopt(bucketRules(1, 10, 1), 1_000_000)
    expect(ledger.peek(1_000_000)).toMatchObject({ limit: 20 })
    ledger.adopt({ ...rules(sliding(10, hour)), version: 3 }, 1_000_000)
    expect(ledger.peek(1_000_000)).toMatchObject({ remaining: 2, limit: 10 })
  })

  test('soft rules lend near the limit, too', () => {
    const lent = (mode: Rules['mode']) => {
      const ledger = new LeaseAccount({ ...bucketRules(1, 100, 1), mode })
      one(ledger, 1_000_000, 98)
      return ledger.ask({ rules: ledger.rules, costs: [1], want: 50, closing: [] }, 1_000_000).lease?.units ?? 0
    }
    expect(lent('hard')).toBe(0)
    expect(lent('soft')).toBeGreaterThan(1)
  })
})

test('a long log stays small, and brings units back late by a slot at most, never early', () => {
  const meter = new SlidingWindow(sliding(100_000, hour))
  const start = 1_000_000
  for (let i = 0; i < 50_000; i++) meter.spend(1, start + i * 50)
  expect(meter.save().length).toBeLessThanOrEqual(2 * 1024)
  for (const ms of [0, 100_000, 1_000_000, 2_400_000]) {
    const exact = 50_000 - Math.floor(ms / 50) - 1
    const used = meter.used(start + hour + ms)
    expect(used).toBeGreaterThanOrEqual(exact)
    expect(used - exact).toBeLessThanOrEqual(hour / 512 / 50 + 1)
  }
})

describe('the stored row of an account', () => {
  const plenty = bucketRules(1000, 1000, 1)

  test('a quiet key is written as it is, a busy one once for many', () => {
    const first = cover(noAllowance, 1, plenty, 0)
    expect(first).toMatchObject({ write: true, allowance: { units: 0 } })
    const second = cover(first.allowance, 10, plenty, 100)
    expect(second).toMatchObject({ write: true, allowance: { units: 80 } })
    expect(cover(second.allowance, 80, plenty, 200)).toMatchObject({ write: false })
    expect(cover(second.allowance, 81, plenty, 200)).toMatchObject({ write: true, allowance: { units: 500 } })
  })

  test('an allowance is not good for longer than leases could outlive it', () => {
    const { allowance } = cover({ units: 0, used: 0, writtenAt: 0 }, 10, plenty, 100)
    expect(cover(allowance, 1, plenty, 10_100)).toMatchObject({ write: true, allowance: { units: 0 } })
  })

  test('slots are written one by one', () => {
    const { allowance } = cover(noAllowance, 1, rules(slots(100)), 0)
    expect(cover(allowance, 1, rules(slots(100)), 1)).toMatchObject({ write: true, allowance: { units: 0 } })
  })
})

test('a clock that jumps back goes on from where it was', () => {
  let beneath = 1_000_000
  const clock = new SteadyClock(() => beneath)
  clock.now()
  beneath -= hour
  expect(clock.now()).toBe(1_000_000)
  beneath += 500
  expect(clock.now()).toBe(1_000_500)
  expect(clock.jumps).toBe(1)
  expect(new SteadyClock(() => 5, 1_000_000).now()).toBe(1_000_000)
})
