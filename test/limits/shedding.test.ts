import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Overload, priorityOfEvent } from '../../durable-objects/shared/overload.ts'
import { admit, LoadGauge, priorities, type Load } from '../../src/limits/shedding.ts'
import type { Refusal } from '../../src/protocol/errors.ts'
import type { EphemeralEvent, StreamVerb } from '../../src/protocol/stream.ts'

const most: Load = { waiting: 1000, ageMs: 1000 }
const load = fc.record({ waiting: fc.nat({ max: 5000 }), ageMs: fc.nat({ max: 5000 }) })

describe('the order in which events are dropped', () => {
  test('whenever something may stay, so may everything that matters more', () => {
    fc.assert(
      fc.property(load, (now) => {
        const stays = priorities.map((priority) => admit(priority, now, most).kind === 'taken')
        expect(stays).toEqual(stays.toSorted((a, b) => Number(a) - Number(b)))
      }),
    )
  })

  test('a dropped kind of event stays dropped when the load grows, and every caller gets a wait that is neither zero nor infinite', () => {
    fc.assert(
      fc.property(load, load, fc.constantFrom(...priorities), (now, more, priority) => {
        const verdict = admit(priority, now, most)
        if (verdict.kind === 'taken') return
        expect(verdict.retryAfterMs).toBeGreaterThanOrEqual(500)
        expect(verdict.retryAfterMs).toBeLessThanOrEqual(10_000)
        const worse = { waiting: now.waiting + more.waiting, ageMs: now.ageMs + more.ageMs }
        expect(admit(priority, worse, most).kind).toBe('limited')
      }),
    )
  })

  test('typing goes first, messages last, by how many wait or for how long', () => {
    const droppedAt = (waiting: number, ageMs: number) =>
      priorities.filter((priority) => admit(priority, { waiting, ageMs }, most).kind === 'limited')
    expect(droppedAt(0, 0)).toEqual([])
    expect(droppedAt(70, 0)).toEqual(['typing'])
    expect(droppedAt(0, 130)).toEqual(['typing', 'presence'])
    expect(droppedAt(260, 0)).toEqual(['typing', 'presence', 'signal'])
    expect(droppedAt(0, 600)).toEqual(['typing', 'presence', 'signal', 'read'])
    expect(droppedAt(1000, 0)).toEqual([...priorities])
  })
})

describe('a gauge', () => {
  test('one slow call among many quick ones is no slow system, many slow ones are', () => {
    const gauge = new LoadGauge()
    for (let i = 0; i < 50; i++) gauge.end(0, 5, i)
    gauge.end(0, 1000, 50)
    expect(gauge.load(50).ageMs).toBeLessThan(80)
    for (let i = 0; i < 50; i++) gauge.end(0, 1000, 51 + i)
    expect(gauge.load(101).ageMs).toBeGreaterThan(900)
  })

  test('a slow call of a while ago says nothing about now', () => {
    const gauge = new LoadGauge()
    for (let i = 0; i < 100; i++) gauge.end(0, 4000, i)
    expect(gauge.load(100).ageMs).toBeGreaterThan(3000)
    expect(gauge.load(6000).ageMs).toBe(0)
    gauge.end(0, 4000, 6000)
    expect(gauge.load(6000).ageMs).toBeLessThan(300)
  })
})

test('a gauge whose clock jumps, either way, measures anew', () => {
  const gauge = new LoadGauge()
  const year = 31_536_000_000
  gauge.end(0, year, year)
  expect(gauge.load(year).ageMs).toBeLessThan(1000)
  for (let i = 0; i < 100; i++) gauge.end(0, 5000, year)
  expect(gauge.load(year).ageMs).toBeGreaterThan(4000)
  expect(gauge.load(1000).ageMs).toBe(0)
  gauge.end(0, -year, 1000)
  expect(gauge.load(1000).ageMs).toBe(0)
})

/** A gateway whose calls to one conversation are not answered until it is told to: one command is under way, the others wait. */
function stuck() {
  let now = 1_000_000
  const underWay = { commands: 0 }
  const overload = new Overload(underWay, () => now)
  const queue = { waiting: 0, calledAt: 0 }
  const call = () => {
    queue.waiting--
    queue.calledAt = now
    underWay.commands++
  }
  const ask = (verb: StreamVerb): Refusal | undefined => {
    const refusal = overload.refusal(verb, queue)
    if (refusal === undefined) queue.waiting++
    if (refusal === undefined && queue.calledAt === 0) call()
    return refusal
  }
  return {
    ask,
    queue,
    overload,
    wait: (ms: number) => void (now += ms),
    /** All calls are answered. */
    answer: () => {
      while (queue.calledAt > 0) {
        underWay.commands--
        overload.called(now - queue.calledAt, now)
        queue.calledAt = 0
        if (queue.waiting > 0) call()
      }
    },
  }
}

const send: StreamVerb = { kind: 'send', content: { clientId: 'a', text: 'hi' } }
const typing: StreamVerb = { kind: 'command', name: 'conversation.typing', input: {} }
const read: StreamVerb = { kind: 'command', name: 'conversation.read', input: { seq: 1 } }

describe('a gateway before a conversation that does not answer', () => {
  test('refuses typing within the second, then what passes, and takes messages until its bound, which holds', () => {
    const { ask, queue, wait } = stuck()
    ask(send)
    expect(ask(typing)).toBeUndefined()
    wait(600)
    expect(ask(typing)).toMatchObject({ error: 'tooManyRequests' })
    expect(ask(read)).toBeUndefined()
    wait(2000)
    expect(ask(read)).toMatchObject({ error: 'tooManyRequests' })

    const refusals = Array.from({ length: 10_000 }, () => ask(send)).filter((refusal) => refusal !== undefined)
    expect(queue.waiting).toBeLessThanOrEqual(4096)
    expect(refusals.length).toBeGreaterThan(5000)
    expect(refusals[0]).toMatchObject({ error: 'tooManyRequests' })
    expect(refusals[0]?.retryAfterMs).toBeGreaterThanOrEqual(500)
    expect(new Set(refusals.map(({ retryAfterMs }) => retryAfterMs)).size).toBeGreaterThan(100)
  })

  test('refuses messages, too, once their answers would come too late', () => {
    const { ask, wait } = stuck()
    ask(send)
    for (let i = 0; i < 40; i++) ask(send)
    wait(8100)
    expect(ask(send)).toMatchObject({ error: 'tooManyRequests' })
  })

  test('never refuses a leaving, and everything again once it answers', () => {
    const { ask, wait, answer, overload } = stuck()
    for (let i = 0; i < 5000; i++) ask(send)
    wait(9000)
    expect(ask({ kind: 'leave', last: true })).toBeUndefined()
    expect(ask(send)).toBeDefined()
    answer()
    wait(6000)
    for (const verb of [send, typing, read]) expect(ask(verb)).toBeUndefined()
    expect(overload.figures.message).toBeGreaterThan(0)
  })
})

describe('an update for a gateway that has too much to do', () => {
  const signals: EphemeralEvent[] = [
    { kind: 'pub', data: '{"type":"typing","user":"bob"}', except: 'c' },
    { kind: 'join', info: { user: 'bob', client: 'c' } },
    { kind: 'pub', data: '{"type":"read","user":"bob","seq":3}' },
    { kind: 'pub', data: '{"job":"done"}' },
    { kind: 'removed', user: 'bob', before: { epoch: 'e', offset: 3 } },
  ]
  const heardWithCallsOf = (ms: number) => {
    const overload = new Overload({ commands: 0 }, () => 100 * ms)
    for (let i = 0; i < 100; i++) overload.called(ms, i * ms)
    return overload.thin(signals).map((signal) => priorityOfEvent(signal) ?? 'kept')
  }

  test('loses typing, then joins and leaves, then read cursors; an event that ends something always arrives', () => {
    expect(heardWithCallsOf(5)).toEqual(['typing', 'presence', 'signal', 'kept', 'kept'])
    expect(heardWithCallsOf(600)).toEqual(['presence', 'signal', 'kept', 'kept'])
    expect(heardWithCallsOf(1200)).toEqual(['signal', 'kept', 'kept'])
    expect(heardWithCallsOf(3000)).toEqual(['kept', 'kept'])
  })
})
