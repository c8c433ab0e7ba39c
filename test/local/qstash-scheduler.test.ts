import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Clock } from '../../local/qstash/clock.ts'
import { nextInstant } from '../../local/qstash/cron.ts'
import { Destinations } from '../../local/qstash/destinations.ts'
import { readPublishOptions } from '../../local/qstash/options.ts'
import { Post } from '../../local/qstash/post.ts'
import { Scheduler } from '../../local/qstash/scheduler.ts'
import type { Schedule } from '../../local/qstash/store/schedules.ts'
import { openStore, type Store } from '../../local/qstash/store/store.ts'

const minute = 60_000
const start = Date.parse('2026-01-01T00:00:30Z')

let folder = ''
let store: Store
let now = start

beforeEach(async () => {
  now = start
  folder = await mkdtemp(join(tmpdir(), 'qstash-'))
  store = openStore(join(folder, 'qstash.sqlite'))
})

afterEach(async () => {
  store.close()
  await rm(folder, { recursive: true })
})

/** A scheduler whose clock stands still until told, its waits divided by `timeScale`. */
function schedulerAt(timeScale: number): Scheduler {
  const lasting = (spanMs: number) => spanMs / timeScale
  const clock: Clock = { now: () => now, after: (waitMs) => now + lasting(waitMs), lasting }
  return new Scheduler(store, clock, new Post(store, clock), new Destinations(store.groups, () => true))
}

const everyMinute: Schedule = {
  id: 'every-minute',
  cron: '* * * * *',
  destination: 'http://127.0.0.1:1/',
  queue: null,
  options: readPublishOptions({}, () => {}),
  body: new Uint8Array(),
  callerIp: '127.0.0.1',
  paused: false,
  createdAt: start,
  lastAt: null,
  lastStates: {},
  nextAt: null,
  dueAt: null,
}

function fireAt(scheduler: Scheduler, instant: number): number {
  now = instant
  const before = [...store.messages.all()].length
  store.atomically(() => scheduler.fireDue(now))
  return [...store.messages.all()].length - before
}

test('fires at each instant, not before', () => {
  const scheduler = schedulerAt(1)
  store.schedules.put(scheduler.fromNow(everyMinute))

  expect(store.schedules.nextDue()).toBe(start + minute / 2)
  expect(fireAt(scheduler, start + minute / 2 - 1)).toBe(0)
  expect(fireAt(scheduler, start + minute / 2)).toBe(1)
  expect(store.schedules.nextDue()).toBe(start + minute * 1.5)
})

test('instants missed while down fire once, and the next lies ahead', () => {
  const scheduler = schedulerAt(1)
  store.schedules.put(scheduler.fromNow(everyMinute))

  expect(fireAt(scheduler, start + 10 * minute)).toBe(1)
  expect(store.schedules.nextDue()).toBe(start + 10.5 * minute)
})

test('in scaled time the instants come faster, yet keep their names', () => {
  const scheduler = schedulerAt(60)
  store.schedules.put(scheduler.fromNow(everyMinute))

  expect(fireAt(scheduler, start + 500)).toBe(1)
  expect(fireAt(scheduler, start + 1500)).toBe(1)
  expect(store.schedules.get('every-minute')).toMatchObject({
    lastAt: start + 1.5 * minute,
    nextAt: start + 2.5 * minute,
    dueAt: start + 2500,
  })
})

test('a schedule to a URL group that is gone fires nothing and lives on', () => {
  const scheduler = schedulerAt(1)
  store.schedules.put(scheduler.fromNow({ ...everyMinute, destination: 'gone' }))

  expect(fireAt(scheduler, start + minute)).toBe(0)
  expect(store.schedules.nextDue()).toBeGreaterThan(now)
})

test('a time zone follows its summer time', () => {
  const cron = 'CRON_TZ=America/New_York 0 4 * * *'
  const next = (from: string) => new Date(nextInstant(cron, Date.parse(from)) ?? 0).toISOString()
  expect(next('2026-01-10T00:00:00Z')).toBe('2026-01-10T09:00:00.000Z')
  expect(next('2026-07-10T00:00:00Z')).toBe('2026-07-10T08:00:00.000Z')
})

test('an instant that never comes is none', () => {
  expect(nextInstant('0 0 31 2 *', start)).toBeUndefined()
})
