import { describe, expect, test } from 'vitest'
import type { Run } from '../../src/notifications/runs/run.ts'
import type { WorkflowStep } from '../../src/notifications/model.ts'
import { CountedSql, deciderOn, documentsOf, inStorage } from '../support/worker/recipients.ts'
import { at, email, inApp, specOf } from './test-user.ts'

const keepMs = 30 * 86_400_000
const hourMs = 3_600_000

const steps: readonly WorkflowStep[] = [
  { name: 'few', kind: 'throttle', limit: 5, seconds: 3600 },
  inApp('feed'),
  { name: 'hour', kind: 'digest', window: { kind: 'fixed', seconds: 3600 } },
  email('mail', { heedsQuietHours: false }),
]

const names = Array.from({ length: 200 }, (_, n) => `user-${n}`)

describe('recipients that were notified before', () => {
  test('a decision with a throttle and an open digest writes the notice, its item and one row more, for many recipients with one statement', async () => {
    await inStorage('user-0', (storage, kv) => {
      const sql = new CountedSql(storage)
      const { notify, users } = deciderOn(sql, kv, keepMs)
      for (const user of names) users.merge(user, { email: `${user}@example.com` }, at)
      notify(specOf(steps, { id: 'n1' }), names)
      Object.assign(sql, { rows: 0, statements: 0 })
      notify(specOf(steps, { id: 'n2', at: at + 1 }), names)
      const entries = storage.exec('SELECT count(*) AS n FROM notices WHERE leader IS NOT NULL').one()['n']
      expect(entries).toBe(names.length)
      // The notice with its place in the digest, which is an entry of an index, and the item; the throttle is the row beyond.
      expect(sql.rows).toBeLessThanOrEqual(names.length * 4 + 2)
      expect(sql.statements).toBeLessThanOrEqual(names.length * 0.3 + 10)
    })
  })

  test('the run that opened a window is not written for each notification that is gathered, and has them all when the window closes', async () => {
    await inStorage('ada', (storage, kv) => {
      const { notify, users, lookAt, runs } = deciderOn(storage, kv, keepMs)
      users.merge('ada', { email: 'ada@example.com' }, at)
      const text = () => storage.exec(`SELECT run FROM notices WHERE notification = 'n0'`).one()['run']
      notify(specOf(steps.slice(2), { id: 'n0' }), ['ada'])
      const before = text()
      for (let n = 1; n < 99; n++) notify(specOf(steps.slice(2), { id: `n${n}`, at: at + n }), ['ada'])
      expect(text()).toBe(before)
      expect(runs.view({ user: 'ada', notification: 'n0' })?.run).toMatchObject({ events: 99, followers: 98 })
      for (let n = 99; n < 250; n++) notify(specOf(steps.slice(2), { id: `n${n}`, at: at + n }), ['ada'])
      const documents = documentsOf(lookAt(at + hourMs))
      expect(documents).toMatchObject([{ total: 250, events: { length: 100, 0: { id: 'n150' }, 99: { id: 'n249' } } }])
    })
  })

  test('a run that another one joins after it was read for its alarm has it all the same', async () => {
    await inStorage('ada', (storage, kv) => {
      const { notify, users, runs, lookAt } = deciderOn(storage, kv, keepMs)
      users.merge('ada', { email: 'ada@example.com' }, at)
      const sliding: readonly WorkflowStep[] = [
        { name: 'slides', kind: 'digest', window: { kind: 'sliding', seconds: 60, maxSeconds: 600 } },
        email('mail', { heedsQuietHours: false }),
      ]
      notify(specOf(sliding, { id: 'n1' }), ['ada'])
      const [read] = runs.notices.due(at + 60_000, 10)
      notify(specOf(sliding, { id: 'n2', at: at + 59_000 }), ['ada'])
      const settings = { preferences: {}, zone: 'UTC', keepMs, providers: {} }
      const moment = {
        settings,
        random: () => 0.5,
        providers: () => [],
        template: () => undefined,
        isSending: () => false,
      }
      if (read !== undefined) runs.lookAt(read, { ...moment, now: at + 60_000 })
      expect(documentsOf(runs.takeConsequences().sends)).toEqual([])
      expect(documentsOf(lookAt(at + 119_000))).toMatchObject([{ total: 2 }])
    })
  })
})

/** A run as the version of 30 November 2026 (7d93b06d) stored it. */
const earlierRun = (id: string, fields: Partial<Run>): Run => ({
  id: `${id}/ada`,
  notification: id,
  recipient: 'ada',
  workflow: 'comment',
  version: 1,
  startedAt: at,
  outcome: null,
  endedAt: 0,
  step: 'hour',
  wait: null,
  steps: {},
  deliveries: [],
  notes: [{ at, step: 'hour', rule: 'digest', text: 'opened a window until 2026-11-30T13:00:00.000Z' }],
  events: 1,
  followers: 0,
  gatheredInto: null,
  isOwnCanceled: false,
  ...fields,
})

const storeEarlier = (storage: SqlStorage, notification: string, run: Run, columns: Record<string, string | number>) =>
  storage.exec(
    `INSERT INTO notices (user, notification, look_at, digest_key, leader, follower, run) VALUES ('ada', ?, ?, ?, ?, ?, ?)`,
    notification,
    columns['look_at'] ?? null,
    columns['digest_key'] ?? null,
    columns['leader'] ?? null,
    columns['follower'] ?? null,
    JSON.stringify(run),
  )

describe('notices that an earlier version stored', () => {
  test('a window that it opened gathers what comes, and closes at its time with all that it had before', async () => {
    await inStorage('ada', (storage, kv) => {
      const { notify, users, lookAt, runs } = deciderOn(storage, kv, keepMs)
      users.merge('ada', { email: 'ada@example.com' }, at)
      for (const [n, id] of ['n1', 'n2', 'n3'].entries()) {
        runs.specs.put(specOf(steps.slice(2), { id, at: at + n }), at + keepMs, ['ada'])
        const key = 'comment/hour/'
        if (n > 0) {
          const ended = { outcome: 'gathered', endedAt: at, step: null, gatheredInto: { run: 'n1/ada', n } } as const
          storeEarlier(storage, id, earlierRun(id, ended), { leader: 'n1', follower: n })
        } else {
          const wait = { kind: 'digest', key, until: at + hourMs } as const
          const open = earlierRun(id, { wait, events: 3, followers: 2 })
          storeEarlier(storage, id, open, { look_at: at + hourMs, digest_key: key })
        }
      }
      for (const n of [4, 5]) notify(specOf(steps.slice(2), { id: `n${n}`, at: at + n }), ['ada'])
      expect(runs.view({ user: 'ada', notification: 'n1' })?.run).toMatchObject({ events: 5 })
      expect(documentsOf(lookAt(at + hourMs - 1))).toEqual([])
      const ids = ['n1', 'n2', 'n3', 'n4', 'n5'].map((id) => ({ id }))
      expect(documentsOf(lookAt(at + hourMs))).toMatchObject([{ total: 5, events: ids }])
    })
  })

  test('a run that it ended is read as it was', async () => {
    await inStorage('ada', (storage, kv) => {
      const { runs } = deciderOn(storage, kv, keepMs)
      const ended = earlierRun('n1', { outcome: 'throttled', endedAt: at, step: null })
      runs.specs.put(specOf(steps, { id: 'n1' }), at + keepMs, ['ada'])
      storeEarlier(storage, 'n1', ended, {})
      expect(runs.view({ user: 'ada', notification: 'n1' })?.run).toEqual(ended)
    })
  })
})
