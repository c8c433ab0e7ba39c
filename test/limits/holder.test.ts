import { describe, expect, test } from 'vitest'
import { decideAll, type Decider, type Level } from '../../src/limits/decide.ts'
import { LeaseHolder } from '../../src/limits/holder.ts'
import { LeaseAccount } from '../../src/limits/lease-account.ts'
import { LocalLimits } from '../../src/limits/local-limits.ts'
import type { Limiter, Source } from '../../src/limits/ports.ts'
import { bucketRules, type Rules } from '../../src/limits/rules.ts'

/** A limiter near by, and the clock all read. */
class Near {
  now = 1_000_000_000
  calls = 0
  reachable = true
  readonly ledgers = new Map<string, LeaseAccount>()
  readonly clock = () => this.now

  source(key: string, rules: Rules): Source {
    const ledger = this.ledgers.get(key) ?? new LeaseAccount(rules)
    this.ledgers.set(key, ledger)
    const limiter: Limiter = {
      lease: async (ask) => {
        if (!this.reachable) throw new Error('gone')
        this.calls++
        return ledger.ask(ask, this.now)
      },
      settle: async (closing) => ledger.settle(closing, this.now),
      refund: async (units, at) => ledger.refund(units, at, this.now),
    }
    return { limiter, rules: () => rules, clock: this.clock }
  }

  remaining(key: string): number {
    return this.ledgers.get(key)?.peek(this.now).remaining ?? -1
  }
}

/** Decisions one after the other, as a gateway makes them. */
async function takeMany(holder: LeaseHolder, near: Near, source: Source, count: number): Promise<void> {
  for (let i = 0; i < count; i++) if (holder.takeNow('k', near.now) === undefined) await holder.take('k', source)
}

const newHolder = (keys?: number) => new LeaseHolder(() => 'test', keys)

describe('a holder', () => {
  test('asks once for one, and not at all while a lease lasts', async () => {
    const near = new Near()
    const source = near.source('k', bucketRules(1000, 1000, 1))
    const holder = newHolder()
    expect(holder.takeNow('k', near.now)).toBeUndefined()
    await holder.take('k', source)
    expect(near.remaining('k')).toBe(999)

    await takeMany(holder, near, source, 500)
    expect(near.calls).toBeLessThan(12)
  })

  test('is lent one at a time for a key that is quiet, and near the limit', async () => {
    const near = new Near()
    const source = near.source('k', bucketRules(10, 4, 1))
    const holder = newHolder()
    for (let i = 0; i < 4; i++) {
      await holder.take('k', source)
      expect(holder.state('k', near.now)?.remaining).toBe(3 - i)
      expect(holder.takeNow('k', near.now)).toBeUndefined()
    }
    expect(await holder.take('k', source)).toEqual({ kind: 'limited', retryAfterMs: 100 })
    expect(near.calls).toBe(5)
  })

  test('refuses without asking until the limiter said there is more', async () => {
    const near = new Near()
    const source = near.source('k', bucketRules(10, 1, 1))
    const holder = newHolder()
    await holder.take('k', source)
    await holder.take('k', source)
    near.now += 60
    expect(holder.takeNow('k', near.now)).toEqual({ kind: 'limited', retryAfterMs: 40 })
    near.now += 40
    expect(holder.takeNow('k', near.now)).toBeUndefined()
    expect(near.calls).toBe(2)
  })

  test('does not refuse for a day because of what has changed since: the key was reset, or its limit raised', async () => {
    const near = new Near()
    const daily = (limit: number, version: number): Rules => ({
      windows: [{ algorithm: 'sliding-window', limit, windowMs: 86_400_000, burst: 0 }],
      mode: 'hard',
      version,
    })
    const source = near.source('k', daily(2, 1))
    const [holder, other] = [newHolder(), newHolder()]
    for (let i = 0; i < 2; i++) await holder.takeAlone('k', source)
    const full = { kind: 'limited', retryAfterMs: 86_400_000 }
    expect([await holder.takeAlone('k', source), await other.takeAlone('k', source)]).toEqual([full, full])

    near.ledgers.get('k')?.reset()
    near.now += 1000
    expect(await holder.takeAlone('k', source, 2)).toMatchObject({ kind: 'taken' })
    const wider = near.source('k', daily(3, 2))
    near.ledgers.get('k')?.adopt(await wider.rules(), near.now)
    expect(await other.takeAlone('k', wider)).toMatchObject({ kind: 'taken' })
  })

  test('answers those who wait in their order, with one question', async () => {
    const near = new Near()
    const source = near.source('k', bucketRules(1, 5, 1))
    const holder = newHolder()
    const order: number[] = []
    const all = Array.from({ length: 8 }, (_, place) =>
      holder.take('k', source).then(({ kind }) => void order.push(kind === 'taken' ? place : -place)),
    )
    await Promise.all(all)
    expect(order).toEqual([0, 1, 2, 3, 4, -5, -6, -7])
    expect(near.calls).toBeLessThanOrEqual(3)
  })

  test('returns the units that are not spent', async () => {
    const near = new Near()
    const source = near.source('k', bucketRules(1, 100, 1))
    const holder = newHolder()
    await takeMany(holder, near, source, 4)
    const lent = near.ledgers.get('k')?.peek(near.now).leased ?? 0
    expect(lent).toBeGreaterThan(0)
    near.now += 1000
    for (const { closing } of holder.idle(near.now)) await source.limiter.settle(closing)
    expect(near.ledgers.get('k')?.peek(near.now).leased).toBe(0)
    expect(near.remaining('k')).toBe(97)
    expect(holder.counters.all()['test']).toMatchObject({ returned: lent })
  })

  test('drops its leases when its clock jumps back, since their age is unknown', async () => {
    const near = new Near()
    const source = near.source('k', bucketRules(1, 100, 1))
    const holder = newHolder()
    await takeMany(holder, near, source, 4)
    expect(holder.takeNow('k', near.now - 100)).toEqual({ kind: 'taken' })
    expect(holder.takeNow('k', near.now - 3_600_000)).toBeUndefined()
  })

  test('forgets the longest known key when it knows too many', async () => {
    const near = new Near()
    const holder = newHolder(2)
    for (const key of ['a', 'b', 'c']) await holder.take(key, near.source(key, bucketRules(1, 1, 1)))
    expect(holder.state('a', near.now)).toBeUndefined()
    expect(holder.state('c', near.now)).toBeDefined()
  })
})

describe('one decision through all levels', () => {
  const world = (whenUnreachable: Level['whenUnreachable'] = 'open') => {
    const near = new Near()
    const failures: string[] = []
    const holder = newHolder()
    const fallback = new LocalLimits()
    const decider: Decider = { holder, fallback, alone: true, onUnreachable: ({ key }) => failures.push(key) }
    const level = (key: string, rules: Rules, cost = 1): Level => ({
      key,
      cost,
      whenUnreachable,
      source: near.source(key, rules),
    })
    return { near, failures, holder, decider, level }
  }

  test('takes from each', async () => {
    const { near, decider, level } = world()
    const levels = [level('user', bucketRules(1, 5, 1)), level('tenant', bucketRules(1, 9, 1), 2)]
    expect(await decideAll(decider, levels)).toEqual({ kind: 'taken' })
    expect([near.remaining('user'), near.remaining('tenant')]).toEqual([4, 7])
  })

  test('takes from none when one refuses, and names it', async () => {
    const { near, decider, level } = world()
    const levels = [level('user', bucketRules(1, 5, 1)), level('tenant', bucketRules(1, 1, 1))]
    await decideAll(decider, levels)
    expect(await decideAll(decider, levels)).toEqual({ kind: 'limited', key: 'tenant', retryAfterMs: 1000 })
    expect(near.remaining('user')).toBe(4)
  })

  test('puts a leased unit back into its lease', async () => {
    const { near, holder, decider, level } = world()
    const user = level('user', bucketRules(1, 400, 1))
    for (let i = 0; i < 4; i++) await decideAll(decider, [user])
    const before = holder.state('user', near.now)?.remaining
    const full = level('tenant', bucketRules(1, 1, 1))
    await decideAll(decider, [full])
    expect(await decideAll(decider, [user, full])).toMatchObject({ kind: 'limited', key: 'tenant' })
    expect(holder.state('user', near.now)?.remaining).toBe(before)
  })

  test('open: a limiter that is gone leaves this process its own bucket, and says so', async () => {
    const { near, failures, holder, decider, level } = world('open')
    near.reachable = false
    const levels = [level('user', bucketRules(1, 2, 1))]
    const kinds = []
    for (let i = 0; i < 3; i++) kinds.push((await decideAll(decider, levels)).kind)
    expect(kinds).toEqual(['taken', 'taken', 'limited'])
    expect(failures).toEqual(['user', 'user', 'user'])
    expect(holder.counters.all()['test']).toMatchObject({ failedOpen: 3, failedClosed: 0 })
  })

  test('closed: every request is refused, with that reason', async () => {
    const { near, holder, decider, level } = world('closed')
    near.reachable = false
    expect(await decideAll(decider, [level('user', bucketRules(1, 2, 1))])).toEqual({
      kind: 'unreachable',
      key: 'user',
    })
    expect(holder.counters.all()['test']).toMatchObject({ failedOpen: 0, failedClosed: 1 })
  })

  test('a lease in hand outlives its limiter', async () => {
    const { near, holder, decider, level } = world('closed')
    const user = level('user', bucketRules(1, 400, 1))
    for (let i = 0; i < 4; i++) await decideAll(decider, [user])
    near.reachable = false
    expect(holder.leaseOf('user')).toBeGreaterThan(0)
    expect(await decideAll(decider, [user])).toEqual({ kind: 'taken' })
  })
})
