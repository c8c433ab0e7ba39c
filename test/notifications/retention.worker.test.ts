import { describe, expect, test } from 'vitest'
import type { SweepPosition } from '../../durable-objects/recipients/run-decider.ts'
import type { Sql } from '../../durable-objects/shared/sql.ts'
import type { WorkflowStep } from '../../src/notifications/model.ts'
import { CountedSql, deciderOn, documentsOf, inStorage } from '../support/worker/recipients.ts'
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
