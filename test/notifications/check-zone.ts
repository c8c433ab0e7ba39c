import { expect } from 'vitest'
import { advance } from '../../src/notifications/runs/advance.ts'
import { nextTimeOfDay, sendAt, type SendTimes } from '../../src/notifications/times/send-at.ts'
import { email, specOf, TestUser } from './test-user.ts'
import { dayMs, isAllowed, isQuiet, minuteMs, randomRange, type ZoneClock } from './zones.ts'

/** Random quiet hours and windows around each change of a zone: the answer is the first time that is allowed. */
export function checkSendTimes(clock: ZoneClock, random: () => number, tries: number): void {
  for (const change of clock.changes)
    for (let n = 0; n < tries; n++) {
      const now = change.at + Math.floor((random() - 0.6) * 2 * 1440) * minuteMs + Math.floor(random() * minuteMs)
      const times: SendTimes = {
        zone: clock.zone,
        ...(random() < 0.8 ? { quietHours: { ranges: [randomRange(random), randomRange(random)] } } : {}),
        ...(random() < 0.4 ? { windows: [randomRange(random)] } : {}),
      }
      const found = sendAt(now, times)?.at ?? now + 9 * dayMs
      const said = `${JSON.stringify(times)} from ${new Date(now).toISOString()}: ${new Date(found).toISOString()}`
      if (found < now || (found < now + 9 * dayMs && !isAllowed(clock, found, times)))
        expect.fail(`sent too early: ${said}`)
      if (found > now && isAllowed(clock, now, times)) expect.fail(`skipped its own time: ${said}`)
      // A range has a minute at least, and most have more than seven: a long wait is looked at more coarsely.
      const step = found - now > 2 * dayMs ? 7 * minuteMs : minuteMs
      for (let at = Math.ceil((now + 1) / minuteMs) * minuteMs; at < found; at += step)
        if (isAllowed(clock, at, times)) expect.fail(`skipped ${new Date(at).toISOString()}: ${said}`)
    }
}

/** Each day around each change has one time of day: the first at which clocks show it, or the change that skips it. */
export function checkTimesOfDay(clock: ZoneClock, random: () => number): void {
  for (const change of clock.changes) {
    const minute = Math.floor(random() < 0.7 ? random() * 240 : random() * 1440)
    const time = `${String(Math.floor(minute / 60)).padStart(2, '0')}:${String(minute % 60).padStart(2, '0')}`
    const start = change.at - 2 * dayMs
    const firstDay = Math.floor(clock.wall(start) / dayMs) * dayMs
    const expected: number[] = []
    for (let day = firstDay; expected.length < 4; day += dayMs) {
      const wall = day + minute * minuteMs
      const shown = [wall - change.before, wall - change.after].filter((at) => clock.wall(at) === wall)
      const at = shown.length > 0 ? Math.min(...shown) : change.at
      if (at > start) expected.push(at)
    }
    let at = start
    const found = expected.map(() => (at = nextTimeOfDay(clock.zone, at, { time })))
    if (found.join() !== expected.join()) expect.fail(`${clock.zone} ${time}: ${found.join()}, not ${expected.join()}`)
  }
}

/** A run over each change: its message leaves once, at a time that is not quiet. */
export function checkRuns(clock: ZoneClock, random: () => number, every: number): void {
  const ranges = [randomRange(random), { start: '22:00', end: '07:30' }]
  for (const [number, { at }] of clock.changes.entries()) {
    if (number % every !== 0) continue
    const user = new TestUser()
    user.isDelivering = true
    user.now = at - Math.floor(random() * 600) * minuteMs
    user.profile = { ...user.profile, zone: clock.zone }
    user.preferences = { recipient: { quietHours: { ranges } } }
    user.start(specOf([email('mail')]))
    // The alarm rings too early, twice, and after a restart.
    for (let n = 0; n < 3; n++) user.do('n1', advance)
    user.pass(at + 3 * dayMs)
    const sent = user.taken()
    expect(sent).toHaveLength(1)
    const sentAt = user.get('n1').deliveries[0]?.attempts[0]?.at ?? 0
    if (isQuiet(clock, sentAt, ranges)) expect.fail(`${clock.zone}: sent in a quiet hour at ${sentAt}`)
  }
}
