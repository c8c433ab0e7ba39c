import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { recipientsOf } from '../../durable-objects/address.ts'
import { NotificationEvents } from '../../durable-objects/recipients/notification-events.ts'
import { RunDecider, type Moment, type Send } from '../../durable-objects/recipients/run-decider.ts'
import { recipientsSchema } from '../../durable-objects/recipients/schema.ts'
import { FeedTable } from '../../durable-objects/recipients/sql-feed.ts'
import { TopicTable } from '../../durable-objects/recipients/sql-topics.ts'
import { UserTable } from '../../durable-objects/recipients/sql-users.ts'
import { migrate } from '../../durable-objects/shared/migrate.ts'
import type { Sql } from '../../durable-objects/shared/sql.ts'
import type { WorkflowStep } from '../../src/notifications/model.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { at, email, specOf } from './test-user.ts'

const hourMs = 3_600_000
const user = 'ada'

/** Does work with the storage of an actor that does nothing itself, so that the test alone says what time it is. */
async function inStorage(work: (sql: Sql, kv: SyncKvStorage) => void): Promise<void> {
  const { id } = await newTenant()
  await runInDurableObject(recipientsOf(env, id, user), (_, { storage }) => {
    migrate(storage.sql, recipientsSchema)
    work(storage.sql, storage.kv)
  })
}

/** Runs of one user whose notices are kept for one hour. */
function shortKept(sql: Sql, kv: SyncKvStorage) {
  const users = new UserTable(sql)
  users.merge(user, { email: 'ada@example.com' }, at)
  const place = { tenant: 'acme', name: '0' }
  const events = new NotificationEvents(kv, env, place, () => undefined, at)
  const tables = { sql, users, feeds: new FeedTable(sql), topics: new TopicTable(sql), events }
  const runs = new RunDecider(tables)
  const providers = { email: [{ name: 'postmark', isIdempotent: true, openUntil: 0 }] }
  const momentAt = (now: number): Moment => ({
    now,
    settings: { preferences: {}, zone: 'UTC', keepMs: hourMs, providers },
    random: () => 0.5,
    providers: () => providers.email,
    template: () => undefined,
    isSending: () => false,
  })
  return {
    notify(id: string, time: number, steps: readonly WorkflowStep[]) {
      const part = { kind: 'users', users: [{ user }] } as const
      runs.handOver({ spec: specOf(steps, { id, at: time }), keepMs: hourMs, part }, momentAt(time))
    },
    lookAt(now: number): Send[] {
      for (const notice of runs.notices.due(now, 100)) runs.lookAt(notice, momentAt(now))
      return runs.takeConsequences().sends
    },
    settle({ notification, effect }: Send, now: number) {
      if (effect.kind === 'deliver')
        runs.settle({ user, notification }, effect.delivery, effect.attempt, { kind: 'delivered' }, momentAt(now))
    },
    sweep: (now: number) => runs.sweep('', now, 500, hourMs),
    has: (notification: string) =>
      runs.notices.has({ user, notification }) && runs.specs.find(notification) !== undefined,
  }
}

const digest = (name: string, hours: number): WorkflowStep => ({
  name,
  kind: 'digest',
  window: { kind: 'fixed', seconds: hours * 3600 },
})

const eventsOf = (sends: readonly Send[]) =>
  sends.map(({ effect }) => (effect.kind === 'deliver' ? effect.order.document : undefined))

describe('notices whose time is over', () => {
  test('a digest shows each notification that it gathered, also when they are kept for less time than its window', async () => {
    await inStorage((sql, kv) => {
      const runs = shortKept(sql, kv)
      for (const n of [1, 2, 3]) runs.notify(`n${n}`, at + n, [digest('day', 24), email('mail')])
      runs.sweep(at + 2 * hourMs)
      const sends = runs.lookAt(at + 25 * hourMs)
      expect(eventsOf(sends)).toMatchObject([{ total: 3, events: [{ id: 'n1' }, { id: 'n2' }, { id: 'n3' }] }])
    })
  })

  test('a notice stays while a run goes on that stands for it by another digest, and goes once that run has ended', async () => {
    await inStorage((sql, kv) => {
      const runs = shortKept(sql, kv)
      const steps = [digest('short', 2), digest('long', 24), email('mail')]
      runs.notify('n1', at, steps)
      runs.notify('n2', at + 3 * hourMs, steps)
      runs.notify('n3', at + 4 * hourMs, steps)
      for (const hours of [2, 5, 6]) expect(runs.lookAt(at + hours * hourMs)).toEqual([])
      // n3 was gathered into n2, and n2 into n1.
      for (const hours of [7, 9, 11]) runs.sweep(at + hours * hourMs)
      const [sent, ...others] = runs.lookAt(at + 27 * hourMs)
      expect(others).toEqual([])
      expect(eventsOf(sent === undefined ? [] : [sent])).toMatchObject([
        { total: 3, events: [{ id: 'n1' }, { id: 'n2' }, { id: 'n3' }] },
      ])
      if (sent !== undefined) runs.settle(sent, at + 27 * hourMs)
      for (const hours of [30, 32]) runs.sweep(at + hours * hourMs)
      expect(['n1', 'n2', 'n3'].map((id) => runs.has(id))).toEqual([false, false, false])
    })
  })
})
