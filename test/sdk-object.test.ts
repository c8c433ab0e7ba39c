import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { oncePerDeliveryInObject } from '../sdk/event-inbox.ts'
import { ParleyError } from '../sdk/failure.ts'
import { ObjectOutbox } from '../sdk/object-outbox.ts'
import type { ObjectStorage, SqlValue } from '../sdk/object-storage.ts'
import { SagaCalls } from '../sdk/saga-calls.ts'
import type { NewEvent, NewRun } from '../sdk/server-client.ts'

/** The storage of a Durable Object, on SQLite; `alarms` are the times it was set to. */
function storageOf(database = new DatabaseSync(':memory:')): ObjectStorage & { readonly alarms: number[] } {
  const alarms: number[] = []
  let depth = 0
  return {
    alarms,
    sql: {
      exec: (query, ...values) => {
        const rows = rowsOf(database, query, values)
        return { toArray: () => rows }
      },
    },
    transactionSync: (closure) => {
      const name = `part_${depth++}`
      database.exec(`SAVEPOINT ${name}`)
      try {
        const value = closure()
        database.exec(`RELEASE ${name}`)
        return value
      } catch (thrown) {
        database.exec(`ROLLBACK TO ${name}; RELEASE ${name}`)
        throw thrown
      } finally {
        depth--
      }
    },
    setAlarm: async (at) => void (await Promise.resolve(alarms.push(at))),
  }
}

function rowsOf(database: DatabaseSync, query: string, values: readonly SqlValue[]): Record<string, SqlValue>[] {
  if (/^\s*CREATE/.test(query)) {
    database.exec(query)
    return []
  }
  const given = values.map((value) => (value instanceof ArrayBuffer ? new Uint8Array(value) : value))
  return database
    .prepare(query)
    .all(...given)
    .map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, simple(value)])))
}

const simple = (value: unknown): SqlValue => (typeof value === 'string' || typeof value === 'number' ? value : null)

test('in an object a delivery has its effect once, and none is noted whose effect fails', () => {
  const storage = storageOf()
  const effects: string[] = []
  const fail = () => {
    effects.push('failed')
    throw new Error('killed')
  }
  expect(() => oncePerDeliveryInObject(storage, 'a', fail)).toThrow('killed')
  expect(oncePerDeliveryInObject(storage, 'a', () => effects.push('made'))).toBe(true)
  expect(oncePerDeliveryInObject(storage, 'a', () => effects.push('again'))).toBe(false)
  expect(effects).toEqual(['failed', 'made'])
})

const done = { status: 200, body: { charge: 'ch_1' } }

test('a call of a saga that is repeated is given the answer of the first, a refusal as well', () => {
  const calls = new SagaCalls(storageOf())
  for (const [key, answer] of [
    ['r/pay', done],
    ['r/ship', { status: 422, body: { error: 'no' } }],
  ] as const) {
    expect(calls.once({ key, number: 1 }, () => answer)).toEqual(answer)
    expect(calls.once({ key, number: 2 }, () => ({ status: 500, body: 'a second effect' }))).toEqual(answer)
    expect(calls.known({ key, number: 3 })).toEqual(answer)
  }
  expect(calls.status({ key: 'r/pay', number: 4 })).toEqual({ outcome: 'done', result: done.body })
})

test('an answer that says to come later is not stored, and an effect that fails stores nothing', () => {
  const calls = new SagaCalls(storageOf())
  for (const status of [500, 503, 408, 425, 429])
    expect(calls.once({ key: 'r/pay', number: 1 }, () => ({ status, body: null })).status).toBe(status)
  const fail = () => {
    throw new Error('killed')
  }
  expect(() => calls.once({ key: 'r/pay', number: 2 }, fail)).toThrow('killed')
  expect(calls.once({ key: 'r/pay', number: 3 }, () => done)).toEqual(done)
})

test('a call that arrives after Parley was notified that it has not started is refused, and the next one is not', () => {
  const calls = new SagaCalls(storageOf())
  expect(calls.status({ key: 'r/pay', number: 2 })).toEqual({ outcome: 'not-started' })
  expect(calls.once({ key: 'r/pay', number: 1 }, () => done).status).toBe(409)
  expect(calls.once({ key: 'r/pay', number: 3 }, () => done)).toEqual(done)
})

test('a question that arrives a second time, after a newer one, lets no call in that the newer one gave up', () => {
  const calls = new SagaCalls(storageOf())
  calls.status({ key: 'r/pay', number: 4 })
  calls.status({ key: 'r/pay', number: 2 })
  expect(calls.once({ key: 'r/pay', number: 3 }, () => done).status).toBe(409)
})

test('a call that arrives after its compensation is refused', () => {
  const calls = new SagaCalls(storageOf())
  expect(calls.undo({ key: 'r/pay/undo', number: 4 }, () => done)).toEqual(done)
  expect(calls.undo({ key: 'r/pay/undo', number: 5 }, () => ({ status: 500, body: null }))).toEqual(done)
  expect(calls.once({ key: 'r/pay', number: 9 }, () => done).status).toBe(409)
})

/** Parley as an outbox sees it; what it `sent` is in order. */
function parleyOf() {
  const sent: string[] = []
  const parley = {
    isDown: false,
    refused: '',
    publish: async (topic: string, events: readonly NewEvent[]) => {
      await Promise.resolve()
      if (parley.isDown) throw new ParleyError('unreachable', 'the server cannot be reached')
      if (events.some(({ id }) => id === parley.refused)) throw new ParleyError('invalid', 'data: too long')
      sent.push(`${topic}: ${events.map(({ id }) => id).join(' ')}`)
    },
    startRun: async (saga: string, { id }: NewRun) => {
      await Promise.resolve()
      sent.push(`${saga} ${id}`)
    },
  }
  return { parley, sent }
}

const event = (id: string, key = id): NewEvent => ({ source: '/shop', id, type: 'order.placed', key })

test('an outbox sends what was committed, in order, events of a topic together', async () => {
  const { parley, sent } = parleyOf()
  const storage = storageOf()
  const outbox = new ObjectOutbox(storage, parley)
  expect(storage.alarms).toEqual([])
  outbox.publish('shop', event('a'))
  outbox.publish('shop', event('b'))
  outbox.startRun('order', { id: 'r', input: {} })
  outbox.publish('shop', event('c'))
  outbox.publish('other', event('d'))
  expect(() =>
    storage.transactionSync(() => {
      outbox.publish('shop', event('never'))
      throw new Error('killed')
    }),
  ).toThrow('killed')
  expect(storage.alarms.length).toBeGreaterThan(0)
  await outbox.relay()
  expect(sent).toEqual(['shop: a b', 'order r', 'shop: c', 'other: d'])
  expect(outbox.pending).toBe(0)
})

test('an outbox that cannot reach Parley keeps its rows and comes back by the alarm, and so does one that died', async () => {
  const { parley, sent } = parleyOf()
  const database = new DatabaseSync(':memory:')
  const storage = storageOf(database)
  const outbox = new ObjectOutbox(storage, parley)
  outbox.publish('shop', event('a'))
  parley.isDown = true
  storage.alarms.length = 0
  await outbox.relay()
  expect([outbox.pending, storage.alarms.length > 0, sent]).toEqual([1, true, []])

  const after = storageOf(database)
  const restarted = new ObjectOutbox(after, parley)
  expect(after.alarms.length).toBeGreaterThan(0)
  parley.isDown = false
  await restarted.relay()
  expect(sent).toEqual(['shop: a'])
})

test('a row that Parley refuses says the reason, and holds up later rows of its key only', async () => {
  const { parley, sent } = parleyOf()
  const outbox = new ObjectOutbox(storageOf(), parley)
  for (const id of ['a', 'b', 'c']) outbox.publish('shop', event(id))
  outbox.publish('shop', event('b2', 'b'))
  parley.refused = 'b'
  await outbox.relay()
  expect(sent).toEqual(['shop: a', 'shop: c'])
  expect(outbox.refused()).toEqual([{ key: 'b', error: 'data: too long' }])
  expect(outbox.pending).toBe(2)
})
