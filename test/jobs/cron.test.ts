import { describe, expect, test } from 'vitest'
import { badRule, nextInstant, type CronRule } from '../../src/jobs/schedules/cron.ts'
import { compare } from './support/cron-check.ts'

const rule = (cron: string, more: Partial<CronRule> = {}): CronRule => ({
  cron,
  timeZone: 'Europe/Berlin',
  gap: 'shift',
  overlap: 'first',
  ...more,
})
const next = (given: CronRule, after: string) =>
  new Date(nextInstant(given, Date.parse(after)) ?? Number.NaN).toISOString()

/** Zones with every peculiarity there is: half hours, changes by half an hour or two, at midnight, at odd times, none. */
const peculiar = [
  'Europe/Berlin',
  'Australia/Lord_Howe',
  'Antarctica/Troll',
  'Africa/Casablanca',
  'America/Asuncion',
  'America/Nuuk',
  'Pacific/Chatham',
  'Asia/Kathmandu',
  'America/Havana',
]

describe('cron in a time zone', () => {
  // cron.long.test.ts does so from 2020 through 2037 in every zone.
  test.each(peculiar)('agrees with looking at every minute, around every change of clocks 2023–2028, in %s', (zone) => {
    expect(compare(zone, [2023, 2028]).differences).toEqual([])
  })

  test('a time that clocks jump over comes as soon as the gap is over, or not at all', () => {
    expect(next(rule('30 2 * * *'), '2026-03-28T12:00:00Z')).toBe('2026-03-29T01:00:00.000Z')
    expect(next(rule('30 2 * * *', { gap: 'skip' }), '2026-03-28T12:00:00Z')).toBe('2026-03-30T00:30:00.000Z')
  })

  test('a time that clocks show twice comes at the first showing, or at both', () => {
    const after = '2026-10-25T00:30:00.000Z'
    expect(next(rule('30 2 * * *'), '2026-10-24T12:00:00Z')).toBe(after)
    expect(next(rule('30 2 * * *'), after)).toBe('2026-10-26T01:30:00.000Z')
    expect(next(rule('30 2 * * *', { overlap: 'both' }), after)).toBe('2026-10-25T01:30:00.000Z')
  })

  test('every so often means elapsed time, whatever clocks do', () => {
    const often = rule('*/30 * * * *')
    const runs = ['2026-10-25T00:00:00Z']
    for (let n = 0; n < 4; n++) runs.push(next(often, runs.at(-1) ?? ''))
    expect(runs.slice(1).map((run) => run.slice(11, 16))).toEqual(['00:30', '01:00', '01:30', '02:00'])
  })

  test('a leap day is waited for', () => {
    expect(next(rule('0 12 29 2 *', { timeZone: 'UTC' }), '2025-01-01T00:00:00Z')).toBe('2028-02-29T12:00:00.000Z')
  })

  test.each([
    ['0 9 1-7 * */7', '01-04 02-01 03-01 04-05'],
    ['0 9 */10 * 1', '05-11 06-01 08-31 09-21'],
    ['0 9 1 * 1', '01-01 01-05 01-12 01-19'],
    ['0 9 1,* * 1', '01-01 01-02 01-03 01-04'],
    ['0 9 ? * 1', '01-05 01-12 01-19 01-26'],
    ['0 9 * * 0-7/7', '01-04 01-11 01-18 01-25'],
  ])(
    '%s runs on days that match both day fields if one begins with *, else on days that match either',
    (cron, days) => {
      const runs = [Date.UTC(2026, 0, 1)]
      while (runs.length < 5) runs.push(nextInstant(rule(cron, { timeZone: 'UTC' }), runs.at(-1) ?? 0) ?? Infinity)
      expect(
        runs
          .slice(1)
          .map((run) => new Date(run).toISOString().slice(5, 10))
          .join(' '),
      ).toBe(days)
    },
  )

  test.each([
    ['@hourly', '0 * * * *'],
    ['@daily', '0 0 * * *'],
    ['@midnight', '0 0 * * *'],
    ['@weekly', '0 0 * * 0'],
    ['@monthly', '0 0 1 * *'],
    ['@yearly', '0 0 1 1 *'],
    ['@annually', '0 0 1 1 *'],
  ])('%s is %s, over a change of clocks as well', (name, fields) => {
    for (const after of [Date.UTC(2026, 9, 25), Date.UTC(2026, 9, 25, 0, 30), Date.UTC(2026, 2, 29)])
      expect(nextInstant(rule(name), after)).toBe(nextInstant(rule(fields), after))
  })

  const year = Date.UTC(2026, 0, 1)

  test.each([
    ['0 9 32 * *', 'cron: day of month "32": give 1 to 31, *, a range (1-5), a list (1,3) or a step (*/2)'],
    ['0 9 1-32 * *', 'cron: day of month "1-32": give 1 to 31'],
    ['0 9 0 * *', 'cron: day of month "0": give 1 to 31'],
    ['0 9 * 13 *', 'cron: month "13": give 1 to 12 or JAN to DEC'],
    ['0 9 * foo *', 'cron: month "foo": give 1 to 12 or JAN to DEC'],
    ['61 * * * *', 'cron: minute "61": give 0 to 59'],
    ['0 24 * * *', 'cron: hour "24": give 0 to 23'],
    ['*/0 * * * *', 'cron: minute "*/0": give 0 to 59'],
    ['0 9 1, * *', 'cron: day of month "1,": give 1 to 31'],
    ['0 9 * * 8', 'cron: day of week "8": give 0 to 7 (0 and 7 are Sunday) or SUN to SAT'],
    ['* * * *', 'cron: five fields (minute, hour, day of month, month, day of week), got 4'],
    ['* * * * * *', 'cron: five fields (minute, hour, day of month, month, day of week), got 6'],
    [
      '@reboot',
      'cron: "@reboot" is not known; give @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually or five fields',
    ],
    ['', 'cron: five fields (minute, hour, day of month, month, day of week), got 0'],
  ])('%s is refused by the words that were written', (cron, why) => {
    expect(badRule(rule(cron), year)?.slice(0, why.length)).toBe(why)
  })

  test.each([
    ['0 0 31 2 *', {}, 'cron: it never comes'],
    ['0 0 * * *', { timeZone: 'Mars/Olympus' }, /^timeZone: Mars\/Olympus/],
    ['0 0 * * *', { timeZone: 'CET+1' }, /^timeZone: /],
  ] as const)('%s %o is refused with a sentence', (cron, more, why) => {
    expect(badRule(rule(cron, more), Date.UTC(2026, 0, 1))).toMatch(why)
  })
})
