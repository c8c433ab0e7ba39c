import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { recipientsOf } from '../../durable-objects/address.ts'
import { NoticeTable } from '../../durable-objects/recipients/notice-table.ts'
import type { SweepPosition } from '../../durable-objects/recipients/run-decider.ts'
import type { Sql } from '../../durable-objects/shared/sql.ts'
import type { WorkflowStep } from '../../src/notifications/model.ts'
import { CountedSql, deciderOn, documentsOf, inStorage } from '../support/worker/recipients.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant } from '../support/worker/tenant.ts'
import { at, email, specOf } from './test-user.ts'

const hourMs = 3_600_000
const user = 'ada'

/** Runs of one user whose notices are kept for one hour. */
function shortKept(sql: Sql, kv: SyncKvStorage) {
  const decider = deciderOn(sql, kv, hourMs)
  const { runs, users } = decider
  users.merge(user, { email: 'ada@example.com' }, at)
  return {
    ...decider,
    notify: (id: string, time: number, steps: readonly WorkflowStep[]) =>
      decider.notify(specOf(steps, { id, at: time }), [user]),
    sweep: (now: number) => runs.sweep({ after: '' }, now, 500, hourMs),
    has: (notification: string) =>
      runs.notices.has({ user, notification }) && runs.specs.find(notification) !== undefined,
  }
}

const digest = (name: string, hours: number): WorkflowStep => ({
  name,
  kind: 'digest',
  window: { kind: 'fixed', seconds: hours * 3600 },
})

describe('notices whose time is over', () => {
  test('a digest shows each notification that it gathered, also when they are kept for less time than its window', async () => {
    await inStorage(user, (sql, kv) => {
      const runs = shortKept(sql, kv)
      for (const n of [1, 2, 3]) runs.notify(`n${n}`, at + n, [digest('day', 24), email('mail')])
      runs.sweep(at + 2 * hourMs)
      const sends = runs.lookAt(at + 25 * hourMs)
      expect(documentsOf(sends)).toMatchObject([{ total: 3, events: [{ id: 'n1' }, { id: 'n2' }, { id: 'n3' }] }])
    })
  })

  test('a notice stays while a run goes on that stands for it by another digest, and goes once that run has ended', async () => {
    await inStorage(user, (sql, kv) => {
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
      expect(documentsOf(sent === undefined ? [] : [sent])).toMatchObject([
        { total: 3, events: [{ id: 'n1' }, { id: 'n2' }, { id: 'n3' }] },
      ])
      if (sent !== undefined) runs.settle(sent, at + 27 * hourMs)
      for (const hours of [30, 32]) runs.sweep(at + hours * hourMs)
      expect(['n1', 'n2', 'n3'].map((id) => runs.has(id))).toEqual([false, false, false])
    })
  })

  test('a sweep looks at a bounded number of notices in each commit, and keeps a page that has an open run until it has ended', async () => {
    await inStorage(user, (storage, kv) => {
      const sql = new CountedSql(storage)
      const { runs, notify, lookAt, settle } = deciderOn(sql, kv, hourMs)
      const pages = Array.from({ length: 6 }, (_, page) => Array.from({ length: 500 }, (__, n) => `u-${page}-${n}`))
      const steps: readonly WorkflowStep[] = [
        { kind: 'delay', name: 'day', seconds: 86_400, when: "recipient.id == 'u-2-7'" },
        email('mail', { heedsQuietHours: false, when: "recipient.id == 'u-2-7'" }),
      ]
      for (const page of pages) notify(specOf(steps, { id: 'n1' }), page)
      const count = () => Number(storage.exec('SELECT count(*) AS n FROM notices').one()['n'])
      expect(count()).toBe(3000)
      const left: number[] = []
      let from: SweepPosition | undefined = { after: '' }
      while (from !== undefined) {
        from = runs.sweep(from, at + 2 * hourMs, 500, hourMs)
        left.push(count())
      }
      // Two pages of 500 users in each commit; the third page has a run that waits.
      expect(left).toEqual([2000, 1500, 500])
      expect(runs.view({ user: 'u-2-7', notification: 'n1' })?.run.endedAt).toBe(0)
      for (const send of lookAt(at + 25 * hourMs)) settle(send, at + 25 * hourMs)
      expect(runs.sweep({ after: '' }, at + 27 * hourMs, 500, hourMs)).toBeUndefined()
      expect(count()).toBe(0)
      expect(storage.exec('SELECT count(*) AS n FROM pages').one()['n']).toBe(0)
    })
  })
})

/** Stores throttles of users in the order of their ids: at first some that limit for an hour more, then some that allow everything again. */
const addThrottles = (sql: Sql, now: number, { limiting, over }: { limiting: number; over: number }) =>
  sql.exec(
    `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1 + ?2)
      INSERT INTO throttles SELECT printf('u-%05d', n), 'few', CASE WHEN n <= ?1 THEN ?3 ELSE ?4 END, '[]' FROM numbers`,
    limiting,
    over,
    now + hourMs,
    now,
  )

const throttlesIn = (sql: Sql) => Number(sql.exec('SELECT count(*) AS n FROM throttles').one()['n'])

describe('throttles', () => {
  test('that allow everything again are deleted by the alarm, also behind many that limit, when the actor sleeps between', async () => {
    const { id } = await newTenant()
    const actor = recipientsOf(env, id, user)
    await actor.putUsers([{ id: user, given: {} }])
    await runInDurableObject(actor, (_, { storage }) =>
      addThrottles(storage.sql, Date.now(), { limiting: 1100, over: 60 }),
    )
    for (let round = 0; round < 3; round++) {
      await runInDurableObject(actor, async (_, { storage }) => {
        await storage.deleteAlarm()
        await storage.setAlarm(Date.now() + 1e8)
      })
      await runDurableObjectAlarm(actor)
      await putToSleep(actor)
    }
    expect(await runInDurableObject(actor, (_, { storage }) => throttlesIn(storage.sql))).toBe(1100)
  })

  test('are looked at in a bounded number in each commit', async () => {
    await inStorage(user, (sql) => {
      addThrottles(sql, at, { limiting: 0, over: 25 })
      const table = new NoticeTable(sql)
      const left: number[] = []
      for (let after: readonly [string, string] | undefined = ['', '']; after !== undefined;) {
        after = table.sweepThrottles(after, at, 10)
        left.push(throttlesIn(sql))
      }
      expect(left).toEqual([15, 5, 0])
    })
  })
})

describe('the alarm of a sweep', () => {
  test('is set by runs that end at once, and stays when the actor has slept and more of them end', async () => {
    const { id } = await newTenant()
    const actor = recipientsOf(env, id, user)
    const alarm = () => runInDurableObject(actor, (_, { storage }) => storage.getAlarm())
    const hand = (notification: string) =>
      actor.handOver({
        spec: specOf([], { id: notification, at: Date.now() }),
        keepMs: 30 * 24 * hourMs,
        part: { kind: 'users', users: [{ user }] },
      })
    await hand('n1')
    const first = await alarm()
    expect(first).not.toBeNull()
    expect(first).toBeLessThanOrEqual(Date.now() + hourMs)
    await putToSleep(actor)
    await hand('n2')
    expect(await alarm()).toBe(first)
  })
})
