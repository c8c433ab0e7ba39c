import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SqlConsumerStore } from '../../durable-objects/event-consumer/sql-consumer-store.ts'
import { eventConsumerSchema } from '../../durable-objects/event-consumer/schema.ts'
import {
  Consumer,
  type ConsumerRules,
  type Delivery,
  type DeliveryOutcome,
} from '../../src/event-log/consumers/consumer.ts'
import { isSettled, startAfter, withFirst, withSettled } from '../../src/event-log/consumers/position.ts'
import { Pusher, type PostResult } from '../../src/event-log/consumers/pusher.ts'
import type { LogEvent } from '../../src/events/log-event.ts'
import { seeded } from '../jobs/support/chance.ts'
import { NodeSql } from '../jobs/support/node-sql.ts'

const rules: ConsumerRules = { types: [], keys: [], sources: [], condition: null, parallel: 3, maxAttempts: 4 }

const event = (offset: number, key: string | null = null, rest: Partial<LogEvent> = {}): LogEvent => ({
  offset,
  at: offset,
  source: '/s',
  id: String(offset),
  type: 'a',
  key,
  version: 1,
  data: String(offset),
  attributes: {},
  ...rest,
})

function open(given: Partial<ConsumerRules> = {}, sql = new NodeSql(eventConsumerSchema)) {
  const store = new SqlConsumerStore(sql)
  return { sql, store, consumer: new Consumer(store, { ...rules, ...given }, () => 0.5) }
}

const offsets = (deliveries: readonly Delivery[]) => deliveries.map((delivery) => delivery.event.offset)
const ended = (deliveries: readonly Delivery[], outcome: DeliveryOutcome) =>
  deliveries.map((delivery) => ({ delivery, outcome }))
const done = { kind: 'done' } as const
const retry = { kind: 'retry', reason: 'the endpoint answered 500' } as const

describe('a position', () => {
  test('holds exactly what was settled, in whatever order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 30 })), (given) => {
        let position = startAfter(0)
        for (const offset of given) position = withSettled(position, offset)
        for (let offset = 1; offset <= 31; offset++)
          expect([offset, isSettled(position, offset)]).toEqual([offset, given.includes(offset)])
        expect(isSettled(position, position.settled + 1)).toBe(false)
      }),
    )
  })

  test('counts the events that the topic deleted before they were settled', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 })), fc.integer({ min: 1, max: 22 }), (given, first) => {
        let position = startAfter(0)
        for (const offset of given) position = withSettled(position, offset)
        const before = Array.from({ length: first - 1 }, (_, n) => n + 1).filter((offset) => !given.includes(offset))
        const after = withFirst(position, first)
        expect(after.skipped).toBe(before.length)
        for (let offset = 1; offset <= 22; offset++)
          expect(isSettled(after, offset)).toBe(offset < first || given.includes(offset))
      }),
    )
  })
})

describe('a consumer', () => {
  test('hands out one event of each key at a time, and as many keys as it may', () => {
    const { consumer } = open()
    consumer.take([event(1, 'a'), event(2, 'a'), event(3, 'b'), event(4), event(5), event(6, 'c')], 1, 0)
    const first = consumer.handOut(0, 10)
    expect(offsets(first)).toEqual([1, 3, 4])
    expect(consumer.handOut(0, 10)).toEqual([])
    consumer.settle(ended(first.slice(0, 1), done), 0)
    expect(offsets(consumer.handOut(0, 10))).toEqual([2])
    expect(consumer.position).toMatchObject({ settled: 1 })
  })

  test('passes over events that do not match, and makes those whose condition fails dead letters', () => {
    const { consumer, store } = open({ types: ['order.'], condition: 'length(data.items) > `1`' })
    const data = (items: unknown) => JSON.stringify({ items })
    consumer.take(
      [
        event(1, null, { type: 'user.made' }),
        event(2, null, { type: 'order.placed', data: data([1]) }),
        event(3, null, { type: 'order.placed', data: data([1, 2]) }),
        event(4, null, { type: 'order.placed', data: data(3) }),
      ],
      1,
      7,
    )
    expect(offsets(consumer.handOut(0, 10))).toEqual([3])
    expect(consumer.position).toMatchObject({ settled: 2, ranges: [[4, 4]] })
    expect(store.deadAfter(0, 10)).toMatchObject([
      { event: { offset: 4 }, at: 7, reason: expect.stringMatching(/^condition: /) },
    ])
  })

  test('a dead letter that is handed out again goes before the events of its key that were read meanwhile, which keep their order', () => {
    const { consumer, sql } = open({ maxAttempts: 1 })
    consumer.take([event(1, 'a')], 1, 0)
    consumer.settle(ended(consumer.handOut(0, 10), retry), 0)
    consumer.take([event(2, 'a'), event(3, 'b')], 1, 0)
    consumer.redrive(1, 0)
    consumer.take([event(4, 'a')], 1, 0)
    const order: number[][] = []
    for (let next = consumer.handOut(0, 10); next.length > 0; next = consumer.handOut(0, 10)) {
      order.push(offsets(next))
      consumer.settle(ended(next, done), 0)
    }
    expect(order).toEqual([[1, 3], [2], [4]])
    expect(open({}, sql).consumer.position).toMatchObject({ settled: 4 })
  })

  test('a failed event holds up the events of its key, and no others', () => {
    const { consumer, sql } = open()
    consumer.take([event(1, 'a'), event(2, 'a'), event(3, 'b')], 1, 0)
    const [one, other] = consumer.handOut(0, 10)
    if (one === undefined || other === undefined) throw new Error('nothing was handed out')
    consumer.settle(
      [
        { delivery: one, outcome: retry },
        { delivery: other, outcome: done },
      ],
      1000,
    )
    expect(consumer.position.settled).toBe(3)
    consumer.take([event(4, 'a'), event(5, 'b')], 1, 1000)
    expect(offsets(consumer.handOut(1000, 10))).toEqual([5])
    const again = open({}, sql).consumer
    again.take([event(5, 'b')], 1, 1000)
    const due = again.nextDue() ?? 0
    expect(due).toBeGreaterThan(1000)
    const second = again.handOut(due, 10)
    expect(second).toMatchObject([{ event: { offset: 1 }, attempt: 2 }, { event: { offset: 5 } }])
    again.settle(ended(second, done), due)
    for (const offset of [2, 4]) {
      const next = again.handOut(due, 10)
      expect(offsets(next)).toEqual([offset])
      again.settle(ended(next, done), due)
    }
    expect(again.figures).toEqual({ retrying: 0, out: 0, dead: 0 })
  })

  test('an event is a dead letter after its last attempt, the rest goes on, and redriven it is handed out again', () => {
    const { consumer } = open({ maxAttempts: 2 })
    consumer.take([event(1, 'a'), event(2, 'a')], 1, 0)
    consumer.settle(ended(consumer.handOut(0, 10), retry), 0)
    consumer.settle(ended(consumer.handOut(1e9, 10), retry), 1e9)
    expect(consumer.figures).toMatchObject({ dead: 1 })
    const next = consumer.handOut(1e9, 10)
    expect(offsets(next)).toEqual([2])
    consumer.settle(ended(next, done), 1e9)
    expect(consumer.redrive(10, 1e9)).toBe(1)
    expect(consumer.handOut(1e9, 10)).toMatchObject([{ event: { offset: 1 }, attempt: 1 }])
  })

  test('outcomes of before a seek change nothing, and the events are handed out again with the same offsets', () => {
    const { consumer } = open()
    consumer.take([event(1, 'a'), event(2, 'b')], 1, 0)
    const before = consumer.handOut(0, 10)
    consumer.settle(ended(before.slice(0, 1), done), 0)
    consumer.seek(0)
    consumer.settle(ended(before.slice(1), done), 0)
    expect(consumer.position).toMatchObject({ generation: 2, settled: 0, ranges: [] })
    expect(consumer.readTo).toBe(0)
    consumer.take([event(1, 'a'), event(2, 'b')], 1, 0)
    expect(offsets(consumer.handOut(0, 10))).toEqual([1, 2])
  })

  test('a lease that is over is handed out again, also after a loss of memory, and acknowledged late it is refused', () => {
    const { consumer, sql } = open()
    consumer.take([event(1, 'a'), event(2, 'a'), event(3, 'b')], 1, 0)
    expect(offsets(consumer.lease(0, 10, 1000, 'one')?.deliveries ?? [])).toEqual([1, 3])
    expect(consumer.acknowledge('one', 3, done, 500)).toBe(true)
    expect(consumer.acknowledge('one', 3, done, 500)).toBe(false)
    expect(consumer.acknowledge('other', 1, done, 500)).toBe(false)
    const { consumer: again } = open({}, sql)
    again.take([event(1, 'a'), event(2, 'a'), event(3, 'b')], 1, 600)
    expect(again.lease(600, 10, 1600, 'two')).toBeUndefined()
    const next = again.lease(1000, 10, 2000, 'three')
    expect(next?.deliveries).toMatchObject([{ event: { offset: 1 }, attempt: 2 }])
    expect(again.acknowledge('one', 1, done, 1000)).toBe(false)
    expect(again.acknowledge('three', 1, done, 1000)).toBe(true)
    expect(offsets(again.lease(1000, 10, 2000, 'four')?.deliveries ?? [])).toEqual([2])
  })
})

/** A consumer with an endpoint that fails, is slow and loses answers, and with kills between any two steps. */
async function story(seed: number) {
  const chance = seeded(seed)
  const sql = new NodeSql(eventConsumerSchema)
  const log = Array.from({ length: 40 }, (_, n) => event(n + 1, chance.happens(0.8) ? `k${chance.below(4)}` : null))
  /** What the endpoint did, each event once by its id, as an inbox does; and the order of first effects by key. */
  const effects = new Map<number, number>()
  const order = new Map<string, number[]>()
  let now = 0
  let life = 0
  let published = 10
  const makeEffect = ({ offset, key }: LogEvent) => {
    if (!effects.has(offset) && key !== null) order.set(key, [...(order.get(key) ?? []), offset])
    effects.set(offset, (effects.get(offset) ?? 0) + 1)
  }
  const killed = new Promise<never>(() => undefined)
  for (let deaths = 0; deaths < 200; deaths++) {
    const mine = ++life
    const isDead = () => mine !== life
    /** Each boundary between two steps: this life may end here, and what it does afterwards does not happen. */
    const boundary = async () => {
      await Promise.resolve()
      if (!isDead() && chance.happens(deaths < 100 ? 0.03 : 0)) life++
      if (isDead()) await killed
    }
    const { store, consumer } = open({ maxAttempts: 1000 }, sql)
    const pusher = new Pusher(consumer, {
      now: () => now,
      nextTask: async () => await Promise.resolve(),
      isPaused: () => false,
      read: async (after, limit) => {
        await boundary()
        const events = log
          .filter(({ offset }) => offset > after && offset <= published)
          .slice(0, Math.min(limit, 1 + chance.below(7)))
        await boundary()
        return { events, first: 1, top: published }
      },
      post: async ({ event: posted }): Promise<PostResult> => {
        await boundary()
        for (let slow = chance.below(4); slow > 0; slow--) await Promise.resolve()
        if (chance.happens(0.2)) return { outcome: { ...retry, delayMs: 10 } }
        makeEffect(posted)
        await boundary()
        if (chance.happens(0.15)) return { outcome: { ...retry, reason: 'no answer', delayMs: 10 } }
        return { outcome: done }
      },
      commit: (change) => {
        if (isDead()) throw new Error('written by the dead')
        return sql.transaction(change)
      },
    })
    for (let steps = 0; steps < 1000 && !isDead(); steps++) {
      const before = Math.max(0, published - chance.below(2))
      published = Math.min(log.length, published + chance.below(4))
      // The log gives some events together with the news of them, perhaps some that were given before.
      const given = { after: before, first: 1, events: log.slice(before, published) }
      pusher.noteTop(published, chance.happens(0.5) ? given : undefined)
      const run = pusher.run()
      // A run of a life that has ended fails at its next commit.
      run.catch(() => undefined)
      for (let ticks = 0; ticks < 200 && pusher.isRunning && !isDead(); ticks++)
        await new Promise((again) => setImmediate(again))
      if (isDead()) break
      await run
      now += 20
      if (published === log.length && store.position.settled === log.length && consumer.figures.retrying === 0)
        return { log, effects, order, deaths }
    }
  }
  throw new Error(`the story with seed ${seed} does not end`)
}

describe('a pusher that is killed between any two steps', () => {
  test.each(Array.from({ length: 25 }, (_, n) => n + 1))(
    'loses no event, and first effects of each key are in order (seed %i)',
    async (seed) => {
      const { log, effects, order } = await story(seed)
      expect([...effects.keys()].toSorted((one, other) => one - other)).toEqual(log.map(({ offset }) => offset))
      for (const [key, seen] of order) expect([key, seen]).toEqual([key, seen.toSorted((one, other) => one - other)])
    },
  )

  test('a view rebuilt from offset 0 equals the one that grew', async () => {
    const { log, order } = await story(99)
    const grown = Object.fromEntries(order)
    const rebuilt: Record<string, number[]> = {}
    const { consumer } = open({ parallel: 100 })
    const pusher = new Pusher(consumer, {
      now: () => 0,
      nextTask: async () => await Promise.resolve(),
      isPaused: () => false,
      read: async (after, limit) => ({
        events: log.filter(({ offset }) => offset > after).slice(0, limit),
        first: 1,
        top: log.length,
      }),
      post: async ({ event: { key, offset } }) => {
        if (key !== null) (rebuilt[key] ??= []).push(offset)
        return { outcome: done }
      },
      commit: (change) => change(),
    })
    pusher.noteTop(log.length)
    await pusher.run()
    expect(rebuilt).toEqual(grown)
    const first = structuredClone(rebuilt)
    for (const key of Object.keys(rebuilt)) delete rebuilt[key]
    consumer.seek(0)
    await pusher.run()
    expect(rebuilt).toEqual(first)
  })
})

test('posts of a pusher that are answered at about the same time are settled in one commit', async () => {
  const { store, consumer } = open({ parallel: 50 })
  const log = Array.from({ length: 50 }, (_, n) => event(n + 1, `key-${n}`))
  let commits = 0
  const nextTask = () => new Promise((next) => setImmediate(next))
  const pusher = new Pusher(consumer, {
    now: () => 0,
    nextTask,
    isPaused: () => false,
    read: async (after) => ({ events: log.slice(after), first: 1, top: log.length }),
    post: async () => {
      await nextTask()
      return { outcome: done }
    },
    commit: (change) => {
      commits++
      return change()
    },
  })
  pusher.noteTop(log.length)
  await pusher.run()
  expect(store.position.settled).toBe(50)
  // One takes the events in.
  expect(commits).toBe(2)
})
