import { expect, inject, test } from 'vitest'
import { checkRuns, checkSendTimes, checkTimesOfDay } from './check-zone.ts'
import { dayMs, seeded, ZoneClock } from './zones.ts'

test('in every zone, read day by day, many quiet hours and windows around every change are kept, and no run sends twice', () => {
  const random = seeded(inject('seed'))
  let changes = 0
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    const clock = new ZoneClock(zone, dayMs)
    changes += clock.changes.length
    checkSendTimes(clock, random, 20)
    for (let n = 0; n < 10; n++) checkTimesOfDay(clock, random)
    checkRuns(clock, random, 1)
  }
  expect(changes).toBeGreaterThan(3000)
})
