import { describe, expect, test } from 'vitest'
import { badRule, nextInstant, type CronRule } from '../../src/jobs/cron.ts'
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
  test.each(peculiar)('agrees with looking at every minute, around every change of clocks 2020–2037, in %s', (zone) => {
    expect(compare(zone).differences).toEqual([])
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
    ['61 * * * *', {}, /^cron: /],
    ['* * * *', {}, /^cron: /],
    ['* * * * * *', {}, /^cron: /],
    ['0 0 31 2 *', {}, 'cron: it never comes'],
    ['0 0 * * *', { timeZone: 'Mars/Olympus' }, /^timeZone: Mars\/Olympus/],
    ['0 0 * * *', { timeZone: 'CET+1' }, /^timeZone: /],
  ] as const)('%s %o is refused with a sentence', (cron, more, why) => {
    expect(badRule(rule(cron, more), Date.UTC(2026, 0, 1))).toMatch(why)
  })
})
