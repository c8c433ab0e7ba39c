import { expect, test } from 'vitest'
import { nextTimeOfDay, sendAt } from '../../src/notifications/times/send-at.ts'
import { checkRuns, checkSendTimes, checkTimesOfDay } from './check-zone.ts'
import { dayMs, seeded, ZoneClock } from './zones.ts'

const zones = Intl.supportedValuesOf('timeZone')

test('in every zone, around every change of clocks from 2024 to 2037, a message is sent at the first time that is allowed', () => {
  const random = seeded(1)
  let changes = 0
  for (const zone of zones) {
    const clock = new ZoneClock(zone, 7 * dayMs)
    changes += clock.changes.length
    checkSendTimes(clock, random, 1)
    checkTimesOfDay(clock, random)
    checkRuns(clock, random, 9)
  }
  expect(zones.length).toBeGreaterThan(400)
  expect(changes).toBeGreaterThan(3000)
})

const at = (text: string) => Date.parse(text)
const berlin = 'Europe/Berlin'
const night = { ranges: [{ start: '22:00', end: '07:00' }] }

test('quiet hours hold on the clock of the recipient, also over midnight and from a weekday on', () => {
  expect(sendAt(at('2026-11-30T20:59:59Z'), { zone: berlin, quietHours: night })).toEqual({
    at: at('2026-11-30T20:59:59Z'),
  })
  expect(sendAt(at('2026-11-30T21:00:00Z'), { zone: berlin, quietHours: night })).toEqual({
    at: at('2026-12-01T06:00:00Z'),
    rule: 'quiet-hours',
  })
  const weekend = { ranges: [{ start: '22:00', end: '07:00', weekdays: [5, 6] }] }
  expect(sendAt(at('2026-12-06T03:00:00Z'), { zone: 'UTC', quietHours: weekend })).toEqual({
    at: at('2026-12-06T07:00:00Z'),
    rule: 'quiet-hours',
  })
  expect(sendAt(at('2026-12-07T03:00:00Z'), { zone: 'UTC', quietHours: weekend })).toEqual({
    at: at('2026-12-07T03:00:00Z'),
  })
})

test('quiet hours have a zone of their own where they name one, and windows that of the recipient', () => {
  const quietHours = { ...night, zone: 'Asia/Tokyo' }
  expect(sendAt(at('2026-11-30T14:00:00Z'), { zone: berlin, quietHours })?.at).toBe(at('2026-11-30T22:00:00Z'))
  const windows = [{ start: '09:00', end: '10:00' }]
  expect(sendAt(at('2026-11-30T14:00:00Z'), { zone: berlin, quietHours, windows })).toEqual({
    at: at('2026-12-01T08:00:00Z'),
    rule: 'quiet-hours',
  })
  expect(sendAt(at('2026-11-30T12:00:00Z'), { zone: berlin, windows })?.rule).toBe('windows')
})

test('a window that clocks skip as a whole opens right after the change, and a quiet hour that they repeat is quiet twice', () => {
  const windows = [{ start: '02:15', end: '02:45', weekdays: [7] }]
  expect(sendAt(at('2026-03-28T12:00:00Z'), { zone: berlin, windows })?.at).toBe(at('2026-03-29T01:00:00Z'))
  expect(sendAt(at('2026-03-29T01:29:59Z'), { zone: berlin, windows })?.at).toBe(at('2026-03-29T01:29:59Z'))
  const quietHours = { ranges: [{ start: '02:00', end: '02:30' }] }
  expect(sendAt(at('2026-10-25T00:10:00Z'), { zone: berlin, quietHours })?.at).toBe(at('2026-10-25T00:30:00Z'))
  expect(sendAt(at('2026-10-25T01:10:00Z'), { zone: berlin, quietHours })?.at).toBe(at('2026-10-25T01:30:00Z'))
})

test('quiet hours and windows that leave no time are found out', () => {
  const quietHours = { ranges: [{ start: '08:00', end: '20:00' }] }
  expect(
    sendAt(at('2026-11-30T10:00:00Z'), { zone: berlin, quietHours, windows: [{ start: '09:00', end: '17:00' }] }),
  ).toBeUndefined()
})

test('a time of day comes once a day: right after a change that skips it, and the first time where it is repeated', () => {
  expect(nextTimeOfDay(berlin, at('2026-03-28T12:00:00Z'), { time: '02:30' })).toBe(at('2026-03-29T01:00:00Z'))
  const first = at('2026-10-25T00:30:00Z')
  expect(nextTimeOfDay(berlin, at('2026-10-24T12:00:00Z'), { time: '02:30' })).toBe(first)
  expect(nextTimeOfDay(berlin, first, { time: '02:30' })).toBe(at('2026-10-26T01:30:00Z'))
  expect(nextTimeOfDay(berlin, first, { time: '02:30', weekdays: [5] })).toBe(at('2026-10-30T01:30:00Z'))
})
