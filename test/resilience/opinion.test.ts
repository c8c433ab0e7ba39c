import { describe, expect, test } from 'vitest'
import { BreakerView, type CallUnderWay } from '../../src/resilience/breaker-view.ts'
import { serviceOpenTimes } from '../../src/resilience/opinion.ts'
import { SharedBreaker } from '../../src/resilience/shared-breaker.ts'
import { deadlineMs, slowMs, World } from './world.ts'

describe('a dependency that eight isolates call', () => {
  test.each([20, 100, 250])(
    'is refused by all of them within a second after it went down, when each calls it every %d ms',
    (everyMs) => {
      const world = new World(8)
      world.traffic(5000, everyMs)
      expect(world.opened).toBe(0)
      world.service.answers = () => false
      world.traffic(1000, everyMs)
      expect(world.opened).toBe(8)
      expect(world.shared.stored.state).toBe('open')
    },
  )

  test.each([
    [20, 1000],
    [100, 1300],
  ])(
    'that begins to swallow calls is refused by all of them, when each calls it every %d ms, within %d ms',
    (everyMs, withinMs) => {
      const world = new World(8)
      world.traffic(5000, everyMs)
      world.service.isSilent = true
      world.traffic(withinMs, everyMs)
      expect(world.opened).toBe(8)
      expect(world.shared.stored.state).toBe('open')
      world.service.isSilent = false
      world.traffic(10_000, everyMs)
      expect(world.opened).toBe(0)
    },
  )

  test('is not refused while it wakes up for two seconds after it has answered no call for a minute', () => {
    const world = new World(8)
    world.traffic(1000, 100)
    world.pass(61_000)
    world.service.isSilent = true
    world.traffic(2000, 100)
    expect(world.opened).toBe(0)
    expect(world.isolates.map(({ refused }) => refused)).toEqual(Array(8).fill(0))
  })

  test('is called at most once a second while the breaker is open, and by one isolate at a time', () => {
    const world = new World(8)
    world.service.answers = () => false
    world.traffic(1000, 20)
    const openedAt = world.now
    world.traffic(60_000, 20)
    const calls = world.service.calls.filter(({ at }) => at >= openedAt)
    expect(calls.length).toBeLessThanOrEqual(14)
    for (const [index, { at }] of calls.entries()) expect(at - (calls[index - 1]?.at ?? 0)).toBeGreaterThanOrEqual(1000)
  })

  test('is called again by all within a second after a probe succeeded', () => {
    const world = new World(8)
    world.service.answers = () => false
    world.traffic(10_000, 20)
    world.service.answers = () => true
    const probes = world.shared.stored.probes
    while (world.shared.stored.state !== 'closed') world.traffic(10, 20)
    expect(world.shared.stored.probes).toBe(probes + 1)
    world.traffic(1000, 20)
    expect(world.opened).toBe(0)
    const before = world.service.calls.length
    world.traffic(1000, 20)
    expect(world.service.calls.length - before).toBe(8 * 50)
  })
})

test('one isolate whose calls all fail opens its own view and no other', () => {
  const world = new World(8)
  world.service.answers = (isolate) => isolate !== 'isolate-3'
  world.traffic(30_000, 50)
  expect(world.shared.stored.state).toBe('closed')
  expect(world.shared.stored.openings).toBe(0)
  expect(world.isolates[3]?.view.state(world.now)).not.toBe('closed')
  expect(world.opened).toBe(1)
  expect(world.isolates.filter(({ refused }) => refused > 0)).toHaveLength(1)
})

test('two isolates of three open the breaker for the third', () => {
  const world = new World(3)
  world.service.answers = (isolate) => isolate === 'isolate-2'
  world.traffic(3000, 50)
  expect(world.shared.stored.openings).toBeGreaterThan(0)
  expect(world.isolates[2]?.refused).toBeGreaterThan(0)
})

test('two isolates of eight do not', () => {
  const world = new World(8)
  world.service.answers = (isolate) => isolate > 'isolate-1'
  world.traffic(30_000, 50)
  expect(world.shared.stored.openings).toBe(0)
})

test('while the breaker’s actor does not answer, each isolate goes on with its own view: open, and a probe of its own at growing distances', () => {
  const world = new World(4)
  world.isBreakerUp = false
  world.service.answers = () => false
  world.traffic(2000, 20)
  expect(world.opened).toBe(4)
  const openedAt = world.now
  world.traffic(30_000, 20)
  expect(world.service.since(openedAt)).toBeLessThanOrEqual(4 * 8)
  world.service.answers = () => true
  world.traffic(11_000, 20)
  expect(world.opened).toBe(0)
})

test('an actor that comes back in the middle of an outage opens for all and gives one probe', () => {
  const world = new World(4)
  world.isBreakerUp = false
  world.service.answers = () => false
  world.traffic(5000, 20)
  world.isBreakerUp = true
  world.traffic(30_000, 20)
  world.service.answers = () => true
  world.traffic(12_000, 20)
  expect(world.opened).toBe(0)
})

test('a probe that is not reported within its lease is given to the next isolate that asks', () => {
  const breaker = new SharedBreaker(serviceOpenTimes)
  const bad = { calls: 5, failed: 5, slow: 0 }
  const none = { calls: 0, failed: 0, slow: 0 }
  breaker.report({ isolate: 'a', counts: bad, isOpen: true }, -300)
  expect(breaker.report({ isolate: 'b', counts: bad, isOpen: true }, 0).state).toBe('open')
  const lost = breaker.report({ isolate: 'a', counts: none, isOpen: false, probeMs: 5000 }, 2100)
  expect(lost).toMatchObject({ state: 'half-open', probe: 1 })
  expect(breaker.report({ isolate: 'b', counts: none, isOpen: false, probeMs: 5000 }, 2200).probe).toBeUndefined()
  expect(breaker.report({ isolate: 'b', counts: none, isOpen: false, probeMs: 5000 }, 7100).probe).toBe(2)
  // The first is late, and says nothing any more.
  breaker.report({ isolate: 'a', counts: none, isOpen: false, probed: { probe: 1, isSuccess: true } }, 7200)
  expect(breaker.stored.state).toBe('half-open')
  breaker.report({ isolate: 'b', counts: none, isOpen: false, probed: { probe: 2, isSuccess: true } }, 7300)
  expect(breaker.stored.state).toBe('closed')
})

test('isolates whose calls succeed report once a second at most, and none that makes few calls', () => {
  const busy = new World(8)
  busy.traffic(60_000, 20)
  expect(busy.reports).toBeLessThanOrEqual(8 * 61)
  const quiet = new World(8)
  quiet.traffic(60_000, 20_000)
  expect(quiet.reports).toBe(0)
})

test('a thousand isolates whose calls succeed make two hundred reports a second, not a thousand', () => {
  const breaker = new SharedBreaker(serviceOpenTimes)
  const counts = { calls: 10, failed: 0, slow: 0 }
  for (let n = 0; n < 1000; n++) breaker.report({ isolate: `isolate-${n}`, counts, isOpen: false }, n)
  expect(breaker.opinion(1000).reportEveryMs).toBe(5000)
})

test('the stored row of a breaker is enough to go on after its actor was gone', () => {
  const world = new World(8)
  world.service.answers = () => false
  world.traffic(2500, 20)
  const { stored } = world.shared
  world.shared = new SharedBreaker(serviceOpenTimes, stored)
  expect(world.shared.opinion(world.now).state).toBe(stored.state)
  const before = world.now
  world.traffic(30_000, 20)
  expect(world.service.since(before)).toBeLessThanOrEqual(8)
})

test('an isolate whose calls were silent for a second calls the service again as soon as one of them is answered', () => {
  const view = new BreakerView(64)
  view.end(view.begin(deadlineMs, slowMs, 0), true, 10)
  const calls = [20, 40, 60, 80, 100].map((at) => view.begin(deadlineMs, slowMs, at))
  expect(view.decide(800).kind).toBe('call')
  expect(view.decide(900).kind).toBe('open')
  const [first] = calls
  if (first === undefined) throw new Error('five calls began')
  view.end(first, true, 1000)
  expect(view.decide(1000).kind).toBe('call')
})

test('calls that take a second each are not taken for silence while others are answered meanwhile', () => {
  const view = new BreakerView(64)
  view.end(view.begin(deadlineMs, slowMs, 0), true, 10)
  const underWay: { readonly call: CallUnderWay; readonly endsAt: number }[] = []
  for (let now = 100; now < 60_000; now += 100) {
    while (underWay[0] !== undefined && underWay[0].endsAt <= now) {
      view.end(underWay[0].call, true, now)
      underWay.shift()
    }
    expect(view.decide(now).kind).toBe('call')
    // The first ones are quicker, so that no second passes without an answer.
    underWay.push({ call: view.begin(deadlineMs, slowMs, now), endsAt: now + Math.min(1000, now / 2) })
  }
})
