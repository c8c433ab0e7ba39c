import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { processViewSchema } from '../../durable-objects/process-view/schema.ts'
import { SqlProcessStore } from '../../durable-objects/process-view/sql-process-store.ts'
import type { LogEvent, NewEvent, SeenEvent } from '../../src/events/log-event.ts'
import { badProcess, warningsOf, type ProcessSpec } from '../../src/processes/definition.ts'
import { judge } from '../../src/processes/judge.ts'
import { maxInstanceEvents, ProcessTracker, type TopicPage } from '../../src/processes/tracker.ts'
import { seeded } from '../jobs/support/chance.ts'
import { NodeSql } from '../jobs/support/node-sql.ts'

const watched = (type: string, more: { starts?: boolean; ends?: boolean; correlation?: string } = {}) => ({
  type,
  correlation: null,
  starts: false,
  ends: false,
  ...more,
})

const spec: ProcessSpec = {
  topics: ['orders', 'payments'],
  correlation: null,
  events: [watched('placed', { starts: true }), watched('paid'), watched('shipped', { ends: true })],
  expectations: [
    { name: 'pay', after: 'placed', expect: 'paid', withinSeconds: 10, count: 1 },
    { name: 'ship', after: 'paid', expect: 'shipped', withinSeconds: 20, count: 2 },
  ],
  raiseTo: 'alerts',
  keepSeconds: 60,
  idleSeconds: 100,
  watchers: [],
}

/** Logs of topics with one clock each, as a process reads them. */
class Topics {
  readonly #events = new Map<string, LogEvent[]>()
  now = 0

  append(topic: string, type: string, key: string | null, id: string, at: number): SeenEvent {
    const events = this.#events.get(topic) ?? []
    this.#events.set(topic, events)
    const offset = events.length + 1
    events.push({ offset, at, source: '/s', id, type, key, version: 1, data: null, attributes: {} })
    return { topic, offset, at, type, source: '/s', id, key, version: 1 }
  }

  /** What the log answers at `now`: events that were appended by then. */
  read(topic: string, after: number, limit: number): TopicPage {
    const there = (this.#events.get(topic) ?? []).filter(({ at }) => at <= this.now)
    return { events: there.slice(after, after + limit), first: 1, top: there.length, now: this.now }
  }
}

function open(given: ProcessSpec = spec, sql = new NodeSql(processViewSchema)) {
  const store = new SqlProcessStore(sql, 'order')
  if (store.versions.length === 0) {
    store.epoch = 'e'
    store.addVersion(1, given, 0)
    for (const name of given.topics) store.putTopic({ name, position: 0, readUpTo: 0, skipped: 0 })
  }
  return { sql, store, tracker: new ProcessTracker(store) }
}

/** Reads all topics to their ends and lets time pass. */
function catchUp({ store, tracker }: ReturnType<typeof open>, topics: Topics): void {
  for (const { name, position } of store.topics()) tracker.take(name, topics.read(name, position, 1000), topics.now)
  tracker.passTime(topics.now, 1000)
}

const raisedBy = (store: SqlProcessStore) =>
  (store.raised(10_000)?.events ?? []).map(({ type, key, id }) => `${type} ${key} ${id.split('/')[2]}`)

describe('an instance', () => {
  test('is complete when its events come in time, and raises nothing', () => {
    const topics = new Topics()
    const process = open()
    topics.append('orders', 'placed', 'o-1', 'a', 1000)
    topics.append('payments', 'paid', 'o-1', 'b', 5000)
    topics.append('orders', 'shipped', 'o-1', 'c', 6000)
    topics.append('orders', 'shipped', 'o-1', 'd', 7000)
    topics.now = 30_000
    catchUp(process, topics)
    expect(process.tracker.judged('o-1')?.judgement.state).toBe('complete')
    expect(raisedBy(process.store)).toEqual([])
  })

  test('is late once its time is over, and tells that the event arrived afterwards', () => {
    const topics = new Topics()
    const process = open()
    topics.append('orders', 'placed', 'o-1', 'a', 1000)
    topics.append('payments', 'paid', 'o-1', 'b', 12_000)
    topics.now = 11_000
    catchUp(process, topics)
    expect(raisedBy(process.store)).toEqual([])
    topics.now = 11_001
    catchUp(process, topics)
    catchUp(process, topics)
    expect(process.tracker.judged('o-1')?.judgement.state).toBe('late')
    expect(raisedBy(process.store)).toEqual(['process.late o-1 pay'])
    topics.now = 12_500
    catchUp(process, topics)
    expect(process.tracker.judged('o-1')?.judgement.state).toBe('open')
    expect(raisedBy(process.store)).toEqual(['process.late o-1 pay', 'process.arrived o-1 pay'])
  })

  test('is not late while a topic that may have the event in time has not been read', () => {
    const topics = new Topics()
    const process = open()
    topics.append('orders', 'placed', 'o-1', 'a', 1000)
    topics.append('payments', 'paid', 'o-1', 'b', 2000)
    topics.now = 60_000
    process.tracker.take('orders', topics.read('orders', 0, 10), topics.now)
    process.tracker.passTime(topics.now, 10)
    expect(process.tracker.judged('o-1')?.judgement.state).toBe('open')
    catchUp(process, topics)
    expect(process.tracker.judged('o-1')?.judgement.expectations[0]?.state).toBe('met')
    expect(raisedBy(process.store).filter((line) => line.endsWith('pay'))).toEqual([])
  })

  test('that no event starts is shown as such, and one without an end is abandoned and deleted', () => {
    const topics = new Topics()
    const process = open()
    topics.append('orders', 'shipped', 'o-1', 'a', 1000)
    topics.now = 2000
    catchUp(process, topics)
    expect(process.tracker.judged('o-1')?.instance.state).toBe('unstarted')
    topics.now = 101_003
    catchUp(process, topics)
    expect(process.tracker.judged('o-1')?.instance.state).toBe('abandoned')
    topics.now = 161_002
    catchUp(process, topics)
    expect(process.tracker.judged('o-1')).toBeUndefined()
    expect(process.store.instances).toBe(0)
    expect(process.store.entries(1)).toEqual([])
  })

  test('keeps the version that it began with, and a new one begins with the newest', () => {
    const topics = new Topics()
    const process = open()
    topics.append('orders', 'placed', 'old', 'a', 1000)
    topics.now = 2000
    catchUp(process, topics)
    const [pay] = spec.expectations
    if (pay === undefined) throw new Error('the spec has expectations')
    process.store.addVersion(2, { ...spec, expectations: [{ ...pay, withinSeconds: 1 }] }, 2000)
    topics.append('orders', 'placed', 'new', 'b', 3000)
    topics.now = 6000
    catchUp(process, topics)
    expect(process.tracker.judged('old')?.instance.version).toBe(1)
    expect(process.tracker.judged('new')?.instance.version).toBe(2)
    expect(raisedBy(process.store)).toEqual(['process.late new pay'])
    expect(process.store.forgetUnused()).toEqual([])
    expect(process.store.versions).toHaveLength(2)
    topics.now = 300_000
    catchUp(process, topics)
    expect(process.store.forgetUnused()).toEqual([])
    expect(process.store.versions.map(({ definition }) => definition.version)).toEqual([2])
  })

  test('keeps a bounded number of events and counts the others', () => {
    const topics = new Topics()
    const process = open()
    for (let n = 0; n < maxInstanceEvents + 5; n++) topics.append('orders', 'shipped', 'o-1', `e${n}`, n)
    topics.now = 5000
    for (let read = 0; read < 5; read++) catchUp(process, topics)
    for (let position = 1000; position < 1005; position += 1000)
      process.tracker.take('orders', topics.read('orders', position, 1000), topics.now)
    expect(process.store.figures).toMatchObject({ events: maxInstanceEvents, beyond: 5 })
  })

  test('counts events without a correlation id, and those that the topic deleted', () => {
    const topics = new Topics()
    const process = open()
    topics.append('orders', 'placed', null, 'a', 1000)
    topics.append('orders', 'other', 'o-1', 'b', 1000)
    topics.now = 2000
    process.tracker.take('orders', { ...topics.read('orders', 0, 10), first: 1 }, 2000)
    process.tracker.take('payments', { events: [], first: 8, top: 7, now: 2000 }, 2000)
    expect(process.store.figures).toMatchObject({ uncorrelated: 1, instances: 0 })
    expect(process.store.topics().find(({ name }) => name === 'payments')).toMatchObject({ position: 7, skipped: 7 })
  })
})

interface Given {
  readonly topic: string
  readonly type: string
  readonly key: string
  readonly id: string
  readonly at: number
}

const lasting: ProcessSpec = { ...spec, keepSeconds: 1000, idleSeconds: 1000 }

const given = fc.record<Given>({
  topic: fc.constantFrom('orders', 'payments'),
  type: fc.constantFrom('placed', 'paid', 'shipped'),
  key: fc.constantFrom('x', 'y'),
  // Few ids, so that an event is published to both topics.
  id: fc.integer({ min: 1, max: 12 }).map(String),
  at: fc.integer({ min: 1, max: 40_000 }),
})

/** What is true of the events of one key when all topics have been read up to a time. */
function truthOf(all: readonly SeenEvent[], key: string, readUpTo: number) {
  const first = new Map<string, SeenEvent>()
  for (const event of all.filter((one) => one.key === key)) {
    const known = first.get(event.id)
    const isEarlier =
      known === undefined ||
      event.at < known.at ||
      (event.at === known.at &&
        (event.topic < known.topic || (event.topic === known.topic && event.offset < known.offset)))
    if (isEarlier) first.set(event.id, event)
  }
  const seen = [...first.values()]
  return seen.length === 0 ? undefined : judge({ ...lasting, name: 'order', version: 1 }, seen, readUpTo)
}

/** Which events are due: late ones, and those that arrived after their time. */
function dueEvents(all: readonly SeenEvent[], readUpTo: number): string[] {
  const due: string[] = []
  for (const key of ['x', 'y'])
    for (const { name, state } of truthOf(all, key, readUpTo)?.expectations ?? []) {
      if (state === 'late' || state === 'arrived') due.push(`process.late ${key} ${name}`)
      if (state === 'arrived') due.push(`process.arrived ${key} ${name}`)
    }
  return due
}

describe('a process', () => {
  test('shows the same whatever the order of reading, with duplicates, losses of memory and commits that fail, and raises each late event exactly once', () => {
    fc.assert(
      fc.property(fc.array(given, { maxLength: 30 }), fc.integer({ min: 1, max: 1_000_000 }), (events, seed) => {
        const chance = seeded(seed)
        const random = () => chance.next()
        const topics = new Topics()
        const all = events
          .toSorted((one, other) => one.at - other.at)
          .map(({ topic, type, key, id, at }) => topics.append(topic, type, key, `${type}${key}${id}`, at))
        let process = open(lasting)
        /** The topic of raised events, in which an event is one by its id. */
        const raised = new Map<string, string>()
        const append = (more: readonly NewEvent[]) => {
          for (const { type, key, id } of more) raised.set(id, `${type} ${key} ${id.split('/')[2]}`)
        }
        for (let step = 0; step < 40; step++) {
          topics.now += Math.floor(random() * 2500)
          const topic = random() < 0.5 ? 'orders' : 'payments'
          const after = process.store.topics().find(({ name }) => name === topic)?.position ?? 0
          // Now and then a page is read again that was read before.
          const page = topics.read(topic, random() < 0.2 ? Math.max(0, after - 3) : after, 1 + Math.floor(random() * 4))
          const fails = random() < 0.2
          try {
            process.sql.transaction(() => {
              process.tracker.take(topic, page, topics.now)
              if (random() < 0.7) process.tracker.passTime(topics.now, 1 + Math.floor(random() * 3))
              if (fails) throw new Error('the commit failed')
            })
          } catch (thrown) {
            if (!fails) throw thrown
          }
          // What is in memory is lost with each failure, and now and then by itself.
          if (fails || random() < 0.3) process = open(lasting, process.sql)
          // Events leave in the order in which they were raised; the process may die before it notes that they have left.
          const next = process.store.raised(5)
          if (next !== undefined && random() < 0.5) {
            append(next.events)
            if (random() < 0.7) process.store.removeRaised(next.topic, next.last)
          }
        }
        topics.now = 80_000
        for (let round = 0; round < 3; round++) catchUp(process, topics)
        append(process.store.raised(1000)?.events ?? [])
        const readUpTo = topics.now - 1
        expect([...raised.values()].toSorted()).toEqual(dueEvents(all, readUpTo).toSorted())
        for (const key of ['x', 'y'])
          expect(process.tracker.judged(key)?.judgement).toEqual(truthOf(all, key, readUpTo))
      }),
      { numRuns: 150 },
    )
  })
})

describe('a definition', () => {
  const events = ['a', 'b', 'c'].map((type) => watched(type, { starts: type === 'a', ends: type === 'c' }))
  const expectation = (name: string, after: string, expected: string, count = 1) => ({
    name,
    after,
    expect: expected,
    withinSeconds: 10,
    count,
  })
  const define = (more: Partial<ProcessSpec>): ProcessSpec => ({ ...spec, events, expectations: [], ...more })

  test('is refused with the field and the reason when it cannot mean anything', () => {
    const refusals: readonly (readonly [Partial<ProcessSpec>, string])[] = [
      [{ events: [watched('a'), watched('b', { ends: true })] }, 'events: one of them has to start'],
      [{ events: [watched('a', { starts: true }), watched('b')] }, 'events: one of them has to end'],
      [{ events: [...events, watched('a')] }, 'events.3.type: a is listed twice'],
      [{ events: [...events, watched('process.late')] }, 'events.3.type: begins with "process."'],
      [{ expectations: [expectation('x', 'a', 'nope')] }, 'expectations.0.expect: nope is not among events'],
      [{ expectations: [expectation('x', 'nope', 'a')] }, 'expectations.0.after: nope is not among events'],
      [{ expectations: [expectation('x', 'a', 'b'), expectation('x', 'b', 'c')] }, 'expectations.1.name: x is listed'],
      [{ expectations: [expectation('x', 'a', 'a')] }, 'expectations.0.expect: the event a itself meets it'],
      [{ expectations: [expectation('x', 'a', 'b')], idleSeconds: 5 }, 'expectations.0.withinSeconds: at most'],
      [
        { expectations: [expectation('x', 'a', 'b'), expectation('y', 'b', 'c'), expectation('z', 'c', 'b')] },
        'expectations: a cycle, b → c → b',
      ],
    ]
    for (const [more, refusal] of refusals) expect(badProcess(define(more))).toContain(refusal)
    expect(badProcess(define({ expectations: [expectation('x', 'a', 'a', 2)] }))).toBeUndefined()
  })

  test('is warned about where it is permitted and may not be meant', () => {
    const lonely = define({
      events: [...events, watched('d')],
      expectations: [expectation('x', 'b', 'b', 2)],
    })
    expect(warningsOf(lonely, new Set(['a', 'b', 'c']))).toEqual([
      'events.2: ends the process, and no expectation leads to it',
      'events.3.type: no schema of d is registered; check that it is spelled as it is published',
      'events.3: nothing leads to d and nothing follows it; it is only shown',
      'expectations.0.after: b neither starts the process nor is expected; this holds only when it comes',
    ])
  })
})
