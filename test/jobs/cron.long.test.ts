import { expect, test } from 'vitest'
import { compare } from './support/cron-check.ts'

test('cron agrees with looking at every minute in every IANA zone, around every change of clocks 2020–2037', () => {
  const totals = { zones: 0, changes: 0, runs: 0 }
  const differences: string[] = []
  for (const zone of Intl.supportedValuesOf('timeZone')) {
    const compared = compare(zone, [2020, 2037])
    totals.zones++
    totals.changes += compared.changes
    totals.runs += compared.runs
    differences.push(...compared.differences)
  }
  process.stdout.write(`${JSON.stringify(totals)}\n`)
  expect(differences).toEqual([])
}, 1_200_000)
