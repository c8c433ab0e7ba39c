import { describe, expect, test } from 'vitest'
import { nextRun, type Recurrence, type Schedule } from '../../src/jobs/schedules/schedule.ts'
import { putSchedule } from '../../src/jobs/schedules/schedule-runs.ts'
import { maxScheduleBytes, maxSchedules, refuseUsage, usageWith } from '../../src/jobs/schedules/schedule-limits.ts'
import { isDoneWithin } from '../support/speed.ts'
import { OneQueue } from './support/one-queue.ts'

const hourMs = 3_600_000
const daily: Recurrence = { kind: 'cron', cron: '0 3 * * *', timeZone: 'UTC', gap: 'shift', overlap: 'first' }

function scheduled(when: Recurrence, more: Partial<Schedule> = {}) {
  const world = new OneQueue()
  world.now = Date.UTC(2026, 0, 1)
  const nextAt = nextRun(when, world.now) ?? null
  world.stores.schedules.put({
    name: 'nightly',
    when,
    catchUp: 'last',
    job: { type: 'test', payload: '{}' },
    paused: false,
    madeAt: world.now,
    nextAt,
    lastAt: null,
    note: '',
    ...more,
  })
  return world
}

describe('thousands of schedules due in one minute', () => {
  const due = Date.UTC(2026, 0, 1, 3)
  const many = (count: number, more: Partial<Schedule> = {}) => {
    const world = scheduled(daily, more)
    for (let n = 1; n < count; n++)
      world.stores.schedules.put({
        ...required(world.stores.schedules.get('nightly')),
        name: `s${String(n).padStart(5, '0')}`,
      })
    world.now = due
    return world
  }
  const enqueued = (world: OneQueue) => world.stores.jobs.counts().reduce((all, count) => all + count, 0)

  test('are enqueued at most 200 in one go and once a second, and the queue asks to be woken for the rest', () => {
    const world = many(1000)
    const after = (ms: number) => {
      world.pass(ms)
      return enqueued(world)
    }
    expect([after(0), after(0), after(500), after(499), after(1)]).toEqual([200, 200, 200, 200, 400])
    expect(world.queue.plan(world.now).lookAt).toBe(world.now + 1000)
    expect([after(1000), after(1000), after(1000), after(1000)]).toEqual([600, 800, 1000, 1000])
    expect(world.stores.schedules.next).toBe(due + 24 * hourMs)
  })

  test('that catch nothing up are none of them missed by that pace', () => {
    const world = many(maxSchedules, { catchUp: 'none' })
    for (let second = 0; second < 60; second++) world.pass(1000)
    expect(enqueued(world)).toBe(maxSchedules)
    for (let n = 0; n < 120; n++) world.pass(1000)
    expect(enqueued(world)).toBe(maxSchedules)
  })

  test('let one that catches up a year of minutes keep none of the others waiting', () => {
    const world = many(10)
    const minutely: Recurrence = { ...daily, cron: '* * * * *' }
    const nextAt = due - 365 * 24 * hourMs
    world.stores.schedules.put({
      ...required(world.stores.schedules.get('nightly')),
      when: minutely,
      catchUp: 'all',
      nextAt,
    })
    world.pass(0)
    expect(enqueued(world)).toBe(29)
    expect(world.stores.jobs.get('s00009@20260101T030000Z')).toBeDefined()
  })
})

describe('the schedules of a tenant', () => {
  const none = { schedules: 0, bytes: 0 }

  test('is bounded in number and in bytes over all its queues, and what makes nothing larger is allowed', () => {
    const full = { schedules: maxSchedules, bytes: maxScheduleBytes }
    const one = { schedules: 1, bytes: 1000 }
    expect(refuseUsage(none, full, none)).toBeUndefined()
    expect(refuseUsage(none, one, { ...none, schedules: maxSchedules })?.detail).toMatch(/^schedules: at most 10000 of/)
    expect(refuseUsage(none, one, { ...none, bytes: maxScheduleBytes })?.detail).toMatch(
      /^schedules: at most 16777216 bytes/,
    )
    expect(refuseUsage(one, { schedules: 1, bytes: 900 }, full)).toBeUndefined()
  })

  test('is counted by what is stored, over making, changing and removing', () => {
    const { stores, now } = scheduled(daily)
    const wanted = {
      ...required(stores.schedules.get('nightly')),
      name: 'other',
      job: { type: 'test', payload: '"é"'.repeat(100) },
    }
    const { schedules, bytes } = stores.schedules.usage()
    expect([schedules, bytes]).toEqual([1, stores.schedules.bytesOf('nightly')])
    const expected = usageWith(stores.schedules, wanted)
    putSchedule(stores, wanted, now)
    const stored = stores.schedules.usage()
    expect(stored).toEqual({ schedules: 2, bytes: bytes + (stores.schedules.bytesOf('other') ?? 0) })
    expect(expected.schedules).toBe(2)
    expect(expected.bytes).toBeGreaterThanOrEqual(stored.bytes)
    expect(usageWith(stores.schedules, wanted).schedules).toBe(2)
    stores.schedules.remove('other')
    expect(stores.schedules.usage()).toEqual({ schedules: 1, bytes })
  })
})

const required = <T>(value: T | undefined): T => {
  if (value === undefined) throw new Error('there is none')
  return value
}

describe('a schedule', () => {
  test('enqueues its job at each of its times, under the name of that time', () => {
    const world = scheduled(daily)
    world.pass(3 * hourMs)
    expect(world.take()).toEqual(['nightly@20260101T030000Z'])
    world.pass(24 * hourMs)
    expect(world.stores.jobs.get('nightly@20260102T030000Z')).toBeDefined()
    expect(world.stores.schedules.next).toBe(Date.UTC(2026, 0, 3, 3))
  })

  test('every so many seconds counts from its beginning, however late one run is', () => {
    const world = scheduled({ kind: 'every', seconds: 600, from: Date.UTC(2026, 0, 1) })
    world.pass(630_000)
    expect(world.stores.schedules.next).toBe(Date.UTC(2026, 0, 1, 0, 20))
  })

  test.each([
    ['none', []],
    ['last', ['nightly@20260110T030000Z']],
    ['all', ['01', '02', '03', '04', '05', '06', '07', '08', '09', '10'].map((day) => `nightly@202601${day}T030000Z`)],
  ] as const)('after ten days in which nothing could start, catch-up "%s" starts %j', (catchUp, expected) => {
    const world = scheduled(daily, { catchUp })
    world.pass(9 * 24 * hourMs + 4 * hourMs)
    expect(world.take()).toEqual(expected)
    expect(world.stores.schedules.next).toBe(Date.UTC(2026, 0, 11, 3))
  })

  test('a year of missed minutes is caught up in little time', () => {
    const catchUp = () => {
      const world = scheduled({ ...daily, cron: '* * * * *' })
      world.pass(365 * 24 * hourMs)
      expect(world.take()).toHaveLength(1)
    }
    expect(isDoneWithin(1000, catchUp)).toBe(true)
  })

  test('a refused run leaves its reason in the note, and the schedule continues', () => {
    const world = scheduled(daily, { job: { type: 'test', payload: '{}', unique: { name: 'n', mode: 'reject' } } })
    world.pass(3 * hourMs)
    world.pass(24 * hourMs)
    expect(world.stores.schedules.get('nightly')?.note).toBe('unique: n is held by job nightly@20260101T030000Z')
    expect(world.stores.schedules.next).toBe(Date.UTC(2026, 0, 3, 3))
  })

  const wanted = { name: 'nightly', catchUp: 'all', job: { type: 'test', payload: '{}' }, paused: false } as const

  test('put again, as every deploy does, it still makes the runs that were due', () => {
    const world = scheduled(daily, { catchUp: 'all' })
    world.now += 27 * hourMs
    putSchedule(world.stores, { ...wanted, when: daily }, world.now)
    expect(world.take()).toEqual(['nightly@20260101T030000Z', 'nightly@20260102T030000Z'])
  })

  test('put again more often than it runs, it runs all the same', () => {
    const when = { kind: 'every', seconds: 3600, from: Date.UTC(2026, 0, 1) } as const
    const world = scheduled(when)
    for (let deploys = 0; deploys < 4; deploys++) {
      world.pass(hourMs / 2)
      putSchedule(world.stores, { ...wanted, when: { ...when, from: world.now } }, world.now)
    }
    expect(world.take()).toEqual(['nightly@20260101T010000Z', 'nightly@20260101T020000Z'])
    putSchedule(world.stores, { ...wanted, when: { ...when, seconds: 600, from: world.now + 1 } }, world.now + 1)
    expect(world.stores.schedules.next).toBe(world.now + 1 + 600_000)
  })

  test('paused, it waits; what it would have run meanwhile is not made up', () => {
    const world = scheduled(daily, { paused: true, nextAt: null })
    world.pass(10 * 24 * hourMs)
    expect(world.take()).toEqual([])
  })
})
