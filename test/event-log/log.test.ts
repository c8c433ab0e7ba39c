import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { eventLogSchema } from '../../durable-objects/event-log/schema.ts'
import { SqlEventStore } from '../../durable-objects/event-log/sql-event-store.ts'
import { WaitTable } from '../../durable-objects/event-log/wait-table.ts'
import { append } from '../../src/event-log/append.ts'
import { firstKept, removedAtOnce, removeOld } from '../../src/event-log/retention.ts'
import type { EventWait, NewEvent } from '../../src/events/log-event.ts'
import { NodeSql } from '../jobs/support/node-sql.ts'

const event = (id: string, rest: Partial<NewEvent> = {}): NewEvent => ({
  source: '/shop',
  id,
  type: 'order.placed',
  key: null,
  version: 1,
  data: '{}',
  attributes: {},
  ...rest,
})

function openLog(sql = new NodeSql(eventLogSchema)) {
  return { sql, store: new SqlEventStore(sql, 0) }
}

describe('an event log', () => {
  test('keeps each event once in the order of its first append, whatever is repeated and whenever it loses its memory', () => {
    const ids = fc.constantFrom('a', 'b', 'c', 'd', 'e')
    const calls = fc.array(fc.record({ ids: fc.array(ids, { minLength: 1, maxLength: 4 }), restarts: fc.boolean() }))
    fc.assert(
      fc.property(calls, (all) => {
        const { sql, store: first } = openLog()
        let store = first
        const expected: string[] = []
        for (const { ids: given, restarts } of all) {
          const answer = append(
            store,
            given.map((id) => event(id)),
            1000,
          )
          for (const id of given) if (!expected.includes(id)) expected.push(id)
          if (answer.kind !== 'appended') throw new Error(answer.detail)
          expect(answer.events.map(({ offset }) => offset)).toEqual(given.map((id) => expected.indexOf(id) + 1))
          if (restarts) store = new SqlEventStore(sql, 0)
        }
        expect(store.read(0, 100, 1e9).map(({ id, offset }) => [id, offset])).toEqual(
          expected.map((id, index) => [id, index + 1]),
        )
      }),
    )
  })

  test('adds nothing of a call in which one event has the identity of another', () => {
    const { store } = openLog()
    append(store, [event('a')], 0)
    expect(append(store, [event('b'), event('a', { data: '1' })], 0)).toMatchObject({
      kind: 'refused',
      error: 'conflict',
      detail: expect.stringMatching(/^events\.1\.id/),
    })
    expect(append(store, [event('c'), event('c', { type: 'x' })], 0)).toMatchObject({ kind: 'refused' })
    expect(store.top).toBe(1)
  })

  test('has times that never decrease, also when the clock was set back', () => {
    const { store } = openLog()
    append(store, [event('a')], 2000)
    append(store, [event('b')], 1000)
    expect(store.read(0, 10, 1e9).map(({ at }) => at)).toEqual([2000, 2000])
  })

  test('a page has at most so many bytes, but at least one event', () => {
    const { store } = openLog()
    append(
      store,
      ['a', 'b', 'c'].map((id) => event(id, { data: JSON.stringify('x'.repeat(1000)) })),
      0,
    )
    expect(store.read(0, 10, 1).map(({ id }) => id)).toEqual(['a'])
    expect(store.read(0, 10, 1500).map(({ id }) => id)).toEqual(['a', 'b'])
    expect(store.read(2, 10, 1e6).map(({ id }) => id)).toEqual(['c'])
  })
})

describe('retention', () => {
  test('removes exactly what is over age or size, and shows nothing of it before', () => {
    const sizes = fc.array(
      fc.record({ gap: fc.integer({ min: 0, max: 2000 }), bytes: fc.integer({ min: 2, max: 400 }) }),
      {
        maxLength: 30,
      },
    )
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 100, max: 5000 }),
        (given, maxAgeSeconds, maxBytes) => {
          const { store } = openLog()
          let now = 0
          for (const [index, { gap, bytes }] of given.entries()) {
            now += gap
            append(store, [event(String(index), { data: 'x'.repeat(bytes) })], now)
          }
          const retention = { maxAgeSeconds, maxBytes }
          const all = store.read(0, 1000, 1e9)
          const size = (offset: number) => store.totalOf(store.top) - store.totalOf(offset)
          const kept = all.filter(({ at, offset }) => at > now - maxAgeSeconds * 1000 && size(offset) < maxBytes)
          const first = firstKept(store, retention, now)
          expect(all.filter(({ offset }) => offset >= first)).toEqual(kept)
          removeOld(store, retention, now)
          expect(store.read(0, 1000, 1e9)).toEqual(kept)
        },
      ),
    )
  })

  test('removes a large part in steps', () => {
    const { store } = openLog()
    append(
      store,
      Array.from({ length: removedAtOnce + 10 }, (_, n) => event(String(n))),
      0,
    )
    const retention = { maxAgeSeconds: 1, maxBytes: 1e9 }
    expect(removeOld(store, retention, 5000)).toBe(5000)
    expect(store.first).toBe(removedAtOnce + 1)
    expect(removeOld(store, retention, 5000)).toBeUndefined()
    expect(store.first).toBe(store.top + 1)
  })
})

describe('a wait', () => {
  const wait = (rest: Partial<EventWait> = {}): EventWait => ({
    id: 'w',
    waiter: { kind: 'saga', name: '1' },
    type: 'paid',
    correlation: 'o-1',
    after: 0,
    until: 5000,
    ...rest,
  })

  test('finds the event of its type and correlation, and no other', () => {
    const { sql, store } = openLog()
    const waits = new WaitTable(sql, true)
    waits.add(wait())
    const added = (given: NewEvent, now = 0) => append(store, [given], now, (each) => waits.noteEvent(each))
    added(event('1', { type: 'paid', key: 'o-2' }))
    added(event('2', { type: 'sent', key: 'o-1' }))
    added(event('3', { type: 'paid', key: 'o-1', attributes: { extensions: { correlationid: 'other' } } }))
    expect(waits.found(10)).toEqual([])
    added(event('4', { type: 'paid', key: 'x', attributes: { extensions: { correlationid: 'o-1' } } }))
    added(event('5', { type: 'paid', key: 'o-1' }))
    expect(new WaitTable(sql, true).found(10)).toEqual([{ id: 'w', waiter: { kind: 'saga', name: '1' }, offset: 4 }])
    waits.remove('w')
    expect(waits.size).toBe(0)
  })

  test('is dropped when its time is over, unless its event came before', () => {
    const { sql, store } = openLog()
    const waits = new WaitTable(sql, true)
    waits.add(wait())
    waits.add(wait({ id: 'v', correlation: 'o-2' }))
    append(store, [event('1', { type: 'paid', key: 'o-2' })], 4999, (each) => waits.noteEvent(each))
    waits.expire(5000)
    expect(waits.size).toBe(1)
    expect(waits.found(10)).toMatchObject([{ id: 'v' }])
  })
})
