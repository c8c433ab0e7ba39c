import { nextInstant, type CronRule } from '../../../src/jobs/schedules/cron.ts'
import { changesOf, runsAround, type Change } from './cron-reference.ts'

const hourMs = 3_600_000
const two = (value: number) => String(value).padStart(2, '0')

/** Expressions of every kind, some aimed at the very hours a change concerns. */
function expressions(change: Change): string[] {
  const local = new Date(Math.min(change.at + change.before, change.at + change.after))
  const [hour, minute] = [local.getUTCHours(), local.getUTCMinutes()]
  const later = new Date(local.getTime() + 45 * 60_000)
  return [
    `${minute} ${hour} * * *`,
    `30 ${hour} * * *`,
    `${later.getUTCMinutes()} ${later.getUTCHours()} * * *`,
    `15,45 ${hour},${(hour + 1) % 24} * * 0-6`,
    `0 0 * * *`,
    `${minute} ${hour} ${later.getUTCDate()} * ${local.getUTCDay()}`,
    `*/15 * * * *`,
    `0 */2 * * *`,
    `5 ${hour}-${Math.min(23, hour + 2)} * ${local.getUTCMonth() + 1} *`,
  ]
}

const policies = [
  { gap: 'skip', overlap: 'first' },
  { gap: 'shift', overlap: 'both' },
] as const

/** Compares with the reference around every change of a zone in these years. Returns what was compared and what differs. */
export function compare(
  zone: string,
  [first, last]: readonly [number, number],
): { changes: number; runs: number; differences: string[] } {
  const changes = changesOf(zone, Date.UTC(first, 0, 1), Date.UTC(last + 1, 0, 1))
  const differences: string[] = []
  let runs = 0
  for (const change of changes)
    for (const cron of expressions(change))
      for (const policy of policies) {
        const rule: CronRule = { cron, timeZone: zone, ...policy }
        const expected = runsAround(rule, change, change.at - 26 * hourMs, change.at + 26 * hourMs)
        const actual = walk(rule, change.at - 26 * hourMs, change.at + 26 * hourMs)
        runs += expected.length
        if (expected.join() !== actual.join()) differences.push(describe(rule, change, expected, actual))
      }
  return { changes: changes.length, runs, differences }
}

function walk(rule: CronRule, from: number, to: number): number[] {
  const runs: number[] = []
  let next = nextInstant(rule, from - 1)
  while (next !== undefined && next < to) {
    runs.push(next)
    next = nextInstant(rule, next)
  }
  return runs
}

function describe(rule: CronRule, change: Change, expected: number[], actual: number[]): string {
  const show = (times: number[]) => times.map((at) => new Date(at).toISOString().slice(5, 16)).join(' ')
  const missing = expected.filter((at) => !actual.includes(at))
  const extra = actual.filter((at) => !expected.includes(at))
  const at = new Date(change.at)
  return `${rule.timeZone} "${rule.cron}" ${rule.gap}/${rule.overlap} at ${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}: missing ${show(missing)}; extra ${show(extra)}`
}
