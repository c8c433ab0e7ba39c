import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  addCounts,
  CountWindow,
  durationNumber,
  judge,
  noBaseline,
  noCounts,
  p95,
  type SideCounts,
} from '../../src/facade/judge.ts'
import { OutcomeCounts } from '../../src/facade/outcomes.ts'
import { percentAt } from '../../src/facade/choose.ts'
import {
  badRoute,
  killRoute,
  nextStep,
  nextStepAt,
  putRoute,
  resumeRoute,
  rollBackRoute,
  stepRoute,
  switchMs,
  type StoredRoute,
} from '../../src/facade/rollout.ts'
import { RouteWindow } from '../../src/facade/route-window.ts'
import { fallbackOf, mayRepeat, mayShadow } from '../../src/facade/repeat.ts'
import { definitionOf } from './definition.ts'

const counts = (calls: number, errors: number, ms = 10): SideCounts => ({
  calls,
  errors,
  durations: { [durationNumber(ms)]: calls },
})
const margins = { windowSeconds: 60, minCalls: 50, errorMargin: 2, p95Margin: 50 }

describe('the judgement of the new side', () => {
  const legacy = { errorRate: 0.01, p95Ms: 20 }

  test('is unknown below the smallest number of calls, then worse by errors or by p95 beyond a margin, else healthy', () => {
    expect(judge(margins, counts(49, 49), legacy)).toEqual({ kind: 'unknown' })
    expect(judge(margins, counts(100, 3, 20), legacy)).toEqual({ kind: 'healthy' })
    expect(judge(margins, counts(100, 4, 20), legacy)).toEqual({
      kind: 'worse',
      reason: 'error rate 4.0 %, of legacy 1.0 %',
    })
    expect(judge(margins, counts(100, 0, 28), legacy)).toEqual({ kind: 'healthy' })
    expect(judge(margins, counts(100, 0, 60), legacy)).toMatchObject({ kind: 'worse', reason: /^p95 / })
  })

  test('is not worse for two errors, a slow p95 that is slower by little, or a p95 without one to compare with', () => {
    expect(judge(margins, counts(50, 2), noBaseline).kind).toBe('healthy')
    expect(judge(margins, counts(100, 0, 18), { errorRate: 0, p95Ms: 1 }).kind).toBe('healthy')
    expect(judge(margins, counts(100, 0, 5000), noBaseline).kind).toBe('healthy')
  })

  test('finds a p95 within 5 % of the real one, and sums counts in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60_000 }), { minLength: 1 }), (times) => {
        const one = times.reduce((sum, ms) => addCounts(sum, counts(1, 0, ms)), noCounts)
        const real = times.toSorted((a, b) => a - b)[Math.ceil(0.95 * times.length) - 1] ?? 0
        expect(Math.abs((p95(one) ?? 0) / real - 1)).toBeLessThan(0.051)
        expect(addCounts(one, counts(2, 1))).toEqual(addCounts(counts(2, 1), one))
      }),
    )
  })

  test('looks at the window only: older counts drop out', () => {
    const window = new CountWindow(12_000)
    window.add(counts(5, 5), 0)
    window.add(counts(3, 0), 6000)
    expect(window.sum(11_999).calls).toBe(8)
    expect(window.sum(12_000)).toMatchObject({ calls: 3, errors: 0 })
    expect(window.sum(18_000).calls).toBe(0)
  })
})

const first = (given: object, percent?: number): StoredRoute =>
  putRoute(undefined, 'shop', { definition: definitionOf(given), percent }, 0) ?? expect.fail('no route')

describe('a route', () => {
  const schedule = { steps: [1, 5, 100], stepSeconds: 60 }

  test('changes its percent at one moment for all, and keeps it where none is given', () => {
    const route = first({}, 5)
    expect([route.version, percentAt(route, 0)]).toEqual([1, 5])
    const more = putRoute(route, 'shop', { definition: route.definition, percent: 25 }, 1000) ?? route
    expect([more.version, percentAt(more, 1000), percentAt(more, 1000 + switchMs)]).toEqual([2, 5, 25])
    expect(putRoute(more, 'shop', { definition: more.definition }, 2000)).toBe(undefined)
    const other = putRoute(more, 'shop', { definition: definitionOf({ allow: ['a'] }) }, 9000)
    expect(other).toMatchObject({ version: 3, percent: 25, before: null })
  })

  test('that is put again before it has changed does not go back first', () => {
    const more = putRoute(first({}, 5), 'shop', { definition: definitionOf({}), percent: 25 }, 0) ?? expect.fail()
    const again = putRoute(more, 'shop', { definition: definitionOf({ allow: ['a'] }) }, 1000) ?? expect.fail()
    expect([1000, 1000 + switchMs].map((now) => percentAt(again, now))).toEqual([5, 25])
  })

  test('is killed at once, and resumes with its share; after a rollback with none', () => {
    const route = first({}, 25)
    const killed = killRoute(route, 10)
    expect([killed.version, percentAt(killed, 10)]).toEqual([2, 0])
    expect(percentAt(resumeRoute(killed, undefined, 20), 20 + switchMs)).toBe(25)
    expect(percentAt(resumeRoute(killed, 5, 20), 20 + switchMs)).toBe(5)
    const back = rollBackRoute(route, 10)
    expect(percentAt(resumeRoute(back, undefined, 20), 20 + switchMs)).toBe(0)
    expect(putRoute(back, 'shop', { definition: back.definition, percent: 50 }, 30)).toMatchObject({
      state: 'rolled-back',
    })
  })

  test('steps up when a step is due and it is healthy, one step after the other', () => {
    let route = first({ schedule })
    const healthy = { kind: 'healthy' } as const
    const percents: number[] = []
    for (let now = 0; nextStep(route) !== undefined; now += 1000) {
      const next = stepRoute(route, route.percent === 0 ? { kind: 'unknown' } : healthy, now)
      if (next === undefined) continue
      expect(now).toBeGreaterThanOrEqual(nextStepAt(route) ?? Infinity)
      percents.push(next.percent)
      route = next
    }
    expect(percents).toEqual([1, 5, 100])
  })

  test('does not step while it is killed, worse, or has too few calls', () => {
    const route = { ...first({ schedule }), percent: 1 }
    for (const kind of ['unknown', 'worse'] as const)
      expect(stepRoute(route, kind === 'worse' ? { kind, reason: '' } : { kind }, 1e6)).toBe(undefined)
    expect(nextStepAt(killRoute(route, 0))).toBe(undefined)
  })

  test.each([
    [{ new: { url: 'https://legacy.example.com/' } }, 'new.url: must not be the address of legacy'],
    [{ new: { url: 'nowhere' } }, 'new.url: not a URL'],
    [{ legacy: { url: 'https://legacy.example.com/?a=1' } }, /^legacy\.url: must have no query/],
    [{ key: { from: 'header', name: 'Authorization' } }, /^key\.name: Authorization changes with every token; use/],
    [{ schedule: { steps: [5, 5] } }, 'schedule.steps.1: must be larger than the step before it'],
    [{ schedule: {}, rollback: null }, /^schedule: needs rollback/],
  ])('%j is refused with its field', (given, expected) => {
    expect(badRoute(definitionOf(given))).toMatch(expected)
    expect(badRoute(definitionOf({}))).toBe(undefined)
  })
})

describe('a window of a route', () => {
  const counted = { tenant: 'acme', route: 'shop', version: 1 }

  test('is judged by what several processes report, merged, and begins anew with each version', () => {
    const route = first({})
    const window = new RouteWindow(route)
    for (const _process of ['a', 'b']) {
      const outcomes = new OutcomeCounts()
      for (let n = 0; n < 30; n++) outcomes.noteCall(counted, 'new', n < 3, 5)
      for (let n = 0; n < 60; n++) outcomes.noteCall(counted, 'legacy', false, 5)
      for (const report of outcomes.take('acme')) window.add(report, 1000)
      expect(outcomes.take('acme')).toEqual([])
    }
    expect(window.judge(1000)).toEqual({ kind: 'worse', reason: 'error rate 10.0 %, of legacy 0.0 %' })
    const next = new RouteWindow({ ...route, version: 2 }, window)
    const [late] = [new OutcomeCounts()].flatMap((outcomes) => {
      outcomes.noteCall(counted, 'new', true, 5)
      return outcomes.take('acme')
    })
    if (late !== undefined) next.add(late, 2000)
    expect(next.judge(2000)).toEqual({ kind: 'unknown' })
    expect(next.figures(2000)).toMatchObject({ new: { calls: 0, errors: 0, p95Ms: null } })
  })

  test('holds the new side against what legacy did last, when legacy has no calls any more', () => {
    const outcomes = new OutcomeCounts()
    const window = new RouteWindow(first({}))
    const add = (side: 'legacy' | 'new', ms: number, now: number) => {
      for (let n = 0; n < 60; n++) outcomes.noteCall(counted, side, false, ms)
      for (const report of outcomes.take('acme')) window.add(report, now)
      return window.judge(now)
    }
    add('legacy', 20, 0)
    expect(add('new', 200, 100_000)).toMatchObject({ kind: 'worse', reason: /^p95/ })
  })
})

describe('a request', () => {
  const plain = definitionOf({})
  const unsafe = definitionOf({ fallback: { unsafe: true } })
  const get = { method: 'GET', hasBody: false, bodyBytes: undefined }
  const post = { method: 'POST', hasBody: true, bodyBytes: 10 }

  test('is sent twice only when it has no second effect, or the route says so, and its body can be kept', () => {
    expect([get, { ...post, method: 'PUT' }, post].map((one) => mayRepeat(plain, one))).toEqual([true, true, false])
    expect(
      [post, { ...post, bodyBytes: undefined }, { ...post, bodyBytes: 1e6 }].map((one) => mayRepeat(unsafe, one)),
    ).toEqual([true, false, false])
  })

  test('is shadowed only when it is safe, or the route says so', () => {
    expect([get, { ...post, method: 'PUT' }].map((one) => mayShadow(plain, one))).toEqual([true, false])
    expect(mayShadow(definitionOf({ shadow: { unsafe: true } }), post)).toBe(true)
  })

  test('goes to legacy for the reasons of the route; one that was not sent goes whatever it is; to the new side only where both are named', () => {
    expect(fallbackOf(plain, 'new', '5xx', true)).toBe('legacy')
    expect(fallbackOf(plain, 'new', '5xx', false)).toBe(undefined)
    expect(fallbackOf(plain, 'new', 'timeout', false)).toBe(undefined)
    expect(fallbackOf(plain, 'new', 'breaker', false)).toBe('legacy')
    expect(fallbackOf(plain, 'legacy', '5xx', true)).toBe(undefined)
    expect(fallbackOf(definitionOf({ fallback: { both: true } }), 'legacy', 'timeout', true)).toBe('new')
    expect(fallbackOf(definitionOf({ fallback: { on: ['timeout'] } }), 'new', '5xx', true)).toBe(undefined)
  })
})
