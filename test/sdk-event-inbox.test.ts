import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { inboxTable, oncePerDelivery, oncePerDeliverySync } from '../sdk/event-inbox.ts'

/** An account that events add to; `killAt` is the number of the step before which the process dies. */
function account() {
  const database = new DatabaseSync(':memory:')
  database.exec(inboxTable)
  database.exec('CREATE TABLE balance (cents INTEGER NOT NULL); INSERT INTO balance VALUES (0)')
  const handle = (delivery: string, cents: number, killAt: number): boolean => {
    let steps = 0
    const step = () => {
      if (++steps === killAt) throw new Error('killed')
    }
    database.exec('BEGIN')
    try {
      step()
      oncePerDeliverySync(database, delivery, () => {
        step()
        database.prepare('UPDATE balance SET cents = cents + ?').run(cents)
        step()
      })
      step()
      database.exec('COMMIT')
      return killAt !== steps + 1
    } catch {
      database.exec('ROLLBACK')
      return false
    }
  }
  return { handle, balance: () => database.prepare('SELECT cents FROM balance').get()?.['cents'] }
}

test('an event that is delivered again after a kill between any two steps has its effect once', () => {
  for (let killAt = 1; killAt <= 5; killAt++) {
    const { handle, balance } = account()
    // The last of them dies after the commit and before the acknowledgement.
    expect(handle('billing/orders/1', 20, killAt)).toBe(false)
    expect(handle('billing/orders/1', 20, 99)).toBe(true)
    expect(handle('billing/orders/1', 20, 99)).toBe(true)
    expect(handle('billing/orders/2', 5, 99)).toBe(true)
    expect([killAt, balance()]).toEqual([killAt, 25])
  }
})

test('in Postgres the effect runs when the delivery was not noted before, and says so', async () => {
  const noted = new Set<unknown>()
  const transaction = {
    query: async (_: string, [delivery]: unknown[]) => {
      const rowCount = noted.has(delivery) ? 0 : 1
      noted.add(delivery)
      return await Promise.resolve({ rowCount })
    },
  }
  const effects: string[] = []
  const effect = async () => void effects.push(await Promise.resolve('made'))
  expect(await oncePerDelivery(transaction, 'a', effect)).toBe(true)
  expect(await oncePerDelivery(transaction, 'a', effect)).toBe(false)
  expect(effects).toEqual(['made'])
})
