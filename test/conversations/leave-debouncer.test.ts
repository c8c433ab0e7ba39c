import { describe, expect, test } from 'vitest'
import { LeaveDebouncer } from '../../src/conversations/leave-debouncer.ts'

const graceMs = 5000
const info = (user: string, client = 'c') => ({ user, client })

describe('a leave', () => {
  test('is gone after the grace, once', () => {
    const attendance = new LeaveDebouncer(graceMs)
    attendance.left(info('bob'), 1000)
    expect(attendance.waitMs(1000)).toBe(graceMs)
    expect(attendance.due(5999)).toEqual([])
    expect(attendance.due(6000)).toEqual([info('bob')])
    expect(attendance.due(60_000)).toEqual([])
    expect(attendance.waitMs(60_000)).toBeUndefined()
  })

  test('and comes back within it has neither gone nor come', () => {
    const attendance = new LeaveDebouncer(graceMs)
    attendance.left(info('bob'), 1000)
    expect(attendance.joined(info('bob', 'd'))).toBe(false)
    expect(attendance.due(60_000)).toEqual([])
  })

  test('and comes back after it has come', () => {
    const attendance = new LeaveDebouncer(graceMs)
    attendance.left(info('bob'), 1000)
    attendance.due(6000)
    expect(attendance.joined(info('bob', 'd'))).toBe(true)
  })

  test('again and again is waited for from the last time', () => {
    const attendance = new LeaveDebouncer(graceMs)
    for (let now = 0; now < 20_000; now += 1000) attendance.left(info('bob', `${now}`), now)
    attendance.left(info('carol'), 19_500)
    expect(attendance.due(23_999)).toEqual([])
    expect(attendance.due(24_000)).toEqual([info('bob', '19000')])
    expect(attendance.waitMs(24_000)).toBe(500)
  })
})

test('a new user has joined', () => {
  expect(new LeaveDebouncer(graceMs).joined(info('bob'))).toBe(true)
})
