import { describe, expect, test } from 'vitest'
import { putSchedule } from '../../src/jobs/schedules/schedule-runs.ts'
import { OneQueue } from './support/one-queue.ts'

const dayMs = 86_400_000
const nightly = {
  name: 'nightly',
  when: { kind: 'cron', cron: '0 3 * * *', timeZone: 'UTC', gap: 'shift', overlap: 'first' },
  catchUp: 'last',
  job: { type: 'test', payload: '{}' },
  paused: false,
} as const

describe('a queue whose tenant is suspended', () => {
  test('starts no job until the tenant is active again, and keeps what it accepted', () => {
    const world = new OneQueue()
    world.add('now')
    world.add('later', { runAt: world.now + 1000 })
    world.stores.settings.setHeld(true)
    world.pass(60_000)
    expect(world.take()).toEqual([])
    world.stores.settings.setHeld(false)
    expect(world.take().toSorted()).toEqual(['later', 'now'])
  })

  test('does not end a job that runs', () => {
    const world = new OneQueue()
    world.add('running')
    expect(world.take()).toEqual(['running'])
    world.stores.settings.setHeld(true)
    world.poll([['running', { kind: 'done' }]])
    expect(world.state('running')).toBe('done')
  })

  test('runs no schedule, asks for no alarm for it, and makes up afterwards for what the schedule says', () => {
    const world = new OneQueue()
    world.now = Date.UTC(2026, 0, 1)
    putSchedule(world.stores, nightly, world.now)
    world.stores.settings.setHeld(true)
    world.pass(5 * dayMs)
    expect(world.take()).toEqual([])
    expect(world.queue.plan(world.now)).toMatchObject({ runs: [] })
    expect(world.queue.nextDue(world.now)).toBeUndefined()
    world.stores.settings.setHeld(false)
    world.pass(0)
    expect(world.take()).toEqual(['nightly@20260105T030000Z'])
  })

  test('stays held when the actor starts anew', () => {
    const world = new OneQueue()
    world.add('now')
    world.stores.settings.setHeld(true)
    world.sleep()
    expect(world.stores.settings.isHeld).toBe(true)
    expect(world.take()).toEqual([])
  })
})
