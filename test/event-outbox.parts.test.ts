import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EventOutbox } from '../durable-objects/shared/event-outbox.ts'
import type { NewEvent } from '../src/events/log-event.ts'
import { StoredValues } from './sim/stored-values.ts'

/** The topic: an event is one by its id. */
class Topic {
  readonly events = new Map<string, readonly number[]>()
  /** Events that were published again with other changes. */
  readonly broken: string[] = []
  calls = 0

  take(events: readonly NewEvent[]): void {
    this.calls++
    for (const { id, data } of events) {
      const changes: number[] = JSON.parse(data ?? '[]')
      const known = this.events.get(id)
      if (known === undefined) this.events.set(id, changes)
      else if (known.join() !== changes.join()) this.broken.push(`${id} was ${known.join()} and is ${changes.join()}`)
    }
  }

  get changes(): number[] {
    return [...this.events.values()].flat()
  }
}

const eventsOf = (entries: readonly { readonly n: number; readonly change: number }[]): NewEvent[] => [
  {
    source: '/test',
    id: String(entries[0]?.n),
    type: 'test',
    key: null,
    version: 1,
    data: JSON.stringify(entries.map(({ change }) => change)),
    attributes: {},
  },
]

type Fault = 'none' | 'lost-call' | 'lost-answer'

function openOn(storage: StoredValues, topic: Topic, fault: () => Fault, wakes: number[] = []) {
  return new EventOutbox<number>(
    {
      tenant: 'acme',
      kv: storage,
      append: (_, events) => {
        const happens = fault()
        if (happens === 'lost-call') return Promise.reject(new Error('lost'))
        topic.take(events)
        return happens === 'none' ? Promise.resolve() : Promise.reject(new Error('the answer is lost'))
      },
      eventsOf,
      wakeAt: (at) => void wakes.push(at),
    },
    0,
  )
}

const now = () => 1000

describe('an outbox of own events', () => {
  test('publishes every change once and in order, whatever calls, answers and memory are lost', async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant('note' as const) },
      { weight: 3, arbitrary: fc.constantFrom('none' as const, 'lost-call' as const, 'lost-answer' as const) },
      { weight: 2, arbitrary: fc.constant('lost-memory' as const) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const storage = new StoredValues()
        const topic = new Topic()
        let fault: Fault = 'none'
        const open = () => openOn(storage, topic, () => fault)
        let outbox = open()
        outbox.setOn(true)
        let noted = 0
        for (const each of steps) {
          if (each === 'note') outbox.note(++noted, 0)
          else if (each === 'lost-memory') outbox = open()
          else {
            fault = each
            await outbox.run(now)
          }
        }
        fault = 'none'
        outbox = open()
        while (outbox.dueAt < Infinity) await outbox.run(now)
        expect(topic.broken).toEqual([])
        expect(topic.changes).toEqual(Array.from({ length: noted }, (_, place) => place + 1))
      }),
      { numRuns: 300 },
    )
  })

  test('writes, reads and asks for nothing while the tenant has no reader', async () => {
    const storage = new StoredValues()
    const topic = new Topic()
    const wakes: number[] = []
    const outbox = openOn(storage, topic, () => 'none', wakes)
    const afterStart = storage.reads
    for (let change = 0; change < 100; change++) outbox.note(change, 0)
    await outbox.run(now)
    expect([afterStart, storage.reads, storage.writes, topic.calls, wakes]).toEqual([1, 1, 0, 0, []])
  })

  test('gathers the changes of a burst into one call, and asks for the alarm once', async () => {
    const storage = new StoredValues()
    const topic = new Topic()
    const wakes: number[] = []
    const outbox = openOn(storage, topic, () => 'none', wakes)
    outbox.setOn(true)
    for (let change = 0; change < 90; change++) outbox.note(change, 500)
    expect(wakes).toEqual([1500])
    await outbox.run(now)
    expect([topic.calls, topic.changes.length, outbox.dueAt]).toEqual([1, 90, Infinity])
  })

  test('asks for the alarm again when an instance finds what the one before left', () => {
    const storage = new StoredValues()
    const topic = new Topic()
    const first = openOn(storage, topic, () => 'none')
    first.setOn(true)
    first.note(1, 0)
    const wakes: number[] = []
    openOn(storage, topic, () => 'none', wakes)
    expect(wakes).toEqual([0])
  })

  test('does not ring again at once while a call is under way, and rings later in case the actor ends', async () => {
    const wakes: number[] = []
    const outbox = new EventOutbox<number>(
      {
        tenant: 'acme',
        kv: new StoredValues(),
        append: () => Promise.withResolvers<void>().promise,
        eventsOf,
        wakeAt: (at) => void wakes.push(at),
      },
      0,
    )
    outbox.setOn(true)
    outbox.note(1, 0)
    void outbox.run(now)
    outbox.note(2, 500)
    // The alarm rings at 1500.
    await outbox.run(() => 1500)
    outbox.wakeAgain(1500)
    expect(wakes).toEqual([1000, 31_000, 1500, 2500])
  })

  test('drops what waits when the last reader goes, and gives no number twice after it', async () => {
    const storage = new StoredValues()
    const topic = new Topic()
    const outbox = openOn(storage, topic, () => 'none')
    outbox.setOn(true)
    outbox.note(1, 0)
    await outbox.run(now)
    outbox.note(2, 0)
    outbox.setOn(false)
    const again = openOn(storage, topic, () => 'none')
    again.setOn(true)
    again.note(3, 0)
    await again.run(now)
    expect([...topic.events]).toEqual([
      ['1', [1]],
      ['3', [3]],
    ])
  })

  test('rewrites what waits, and refuses while that is being published', async () => {
    const storage = new StoredValues()
    const topic = new Topic()
    let fault: Fault = 'none'
    const outbox = openOn(storage, topic, () => fault)
    outbox.setOn(true)
    outbox.note(1, 0)
    outbox.note(2, 0)
    const without = (gone: number) => (change: number) => (change === gone ? undefined : change)
    expect([outbox.rewrite(without(7)), outbox.rewrite(without(1))]).toEqual([0, 1])
    fault = 'lost-answer'
    await outbox.run(now)
    expect(() => outbox.rewrite(without(2))).toThrow('its events are being published')
    fault = 'none'
    await outbox.run(now)
    expect([outbox.rewrite(without(2)), topic.changes]).toEqual([0, [2]])
  })
})
