import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { monthsFrom } from '../../src/cron/months.ts'

test('months begin with the one it is, in UTC, and go on over the year’s end', () => {
  expect(monthsFrom(Date.UTC(2026, 10, 30, 23, 59, 59, 999), 3)).toEqual(['2026-11-01', '2026-12-01', '2027-01-01'])
  expect(monthsFrom(Date.UTC(2028, 0, 31), 2)).toEqual(['2028-01-01', '2028-02-01'])
})

test('months follow one another without a gap, from any moment', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true }), (now) => {
      const months = monthsFrom(now.getTime(), 13)
      expect(months[0]).toBe(`${now.toISOString().slice(0, 7)}-01`)
      expect(new Set(months).size).toBe(13)
      expect(months.toSorted()).toEqual(months)
    }),
  )
})
