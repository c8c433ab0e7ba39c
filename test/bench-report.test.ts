import { expect, test } from 'vitest'
import { z } from 'zod'
import { count, flagsOf, someOf } from '../bench/command-line.ts'
import { chart } from '../bench/report/chart.ts'
import { comparison, linesOf, timesBetter, type Comparison } from '../bench/report/comparison.ts'
import { section, summary } from '../bench/report/summary.ts'
import { argumentsOf, readPlan, suiteNames } from '../bench/suites.ts'

const figures = {
  'pears/s': { better: 'higher', digits: 0, drawn: true },
  'p50 ms': { better: 'lower', digits: 2 },
  'worms, each': { better: 'neither', digits: 1 },
} as const

const found: Comparison = {
  suite: 'orchard',
  date: '2026-11-27T12:00:00.000Z',
  machine: { cpu: 'A & B', cores: 2, memoryGiB: 24, kernel: 'Linux 6', node: 'v24' },
  conditions: 'on a sunny day',
  othersCores: 0,
  sides: { ours: 'by hand', theirs: 'by machine' },
  yardstick: 'theirs',
  lines: linesOf(
    figures,
    new Map([
      ['ours', [{ 'pears/s': 3000, 'p50 ms': 2, 'worms, each': 1 }, { 'pears/s': 1000 }, { 'pears/s': 2000 }]],
      ['theirs', [{ 'pears/s': 1000, 'p50 ms': 3 }]],
    ]),
  ),
  notes: ['not equal: one has a ladder'],
  failures: [],
}

test('a figure is the median of all rounds that have it, and a side without it is left out', () => {
  const [pears, , worms] = found.lines
  expect(pears?.by['ours']).toEqual({ median: 2000, min: 1000, max: 3000 })
  expect(Object.keys(worms?.by ?? {})).toEqual(['ours'])
  expect(linesOf(figures, new Map([['ours', [{ 'pears/s': Number.NaN }]]]))).toEqual([])
})

test('above one is better than the yardstick, whichever way the figure points', () => {
  const times = found.lines.map((line) => timesBetter(line, 'ours', 'theirs'))
  expect(times).toEqual([2, 1.5, undefined])
})

test('a page and the terminal show the same rows, and how far rounds lie apart', () => {
  expect(section(found)).toContain('| pears/s | 2,000 (1,000–3,000)  ×2.00 | 1,000 |\n')
  expect(section(found)).toContain('| worms, each | 1.0 | - |\n')
  expect(summary(found)).toMatch(/^p50 ms +2\.00 {2}×1\.50 +3\.00$/m)
})

test('others who kept the machine busy are named, quiet ones are not', () => {
  expect(summary(found)).not.toContain('NOT QUIET')
  expect(summary({ ...found, othersCores: 0.8 })).toContain('NOT QUIET: others kept 0.80 cores busy')
})

test('the chart draws what is to be drawn, beside its yardstick', () => {
  const drawn = chart([found])
  expect(drawn.match(/rx="2"/g)).toHaveLength(2)
  expect(drawn).toContain('orchard: pears/s')
  expect(drawn).toContain('×2.00 (2,000)')
  expect(drawn).not.toContain('p50')
  expect(drawn).toContain('A &amp; B')
})

test('results that a suite wrote are read again unchanged', () => {
  expect(comparison.parse(JSON.parse(JSON.stringify(found)))).toEqual(found)
})

test('the whole bench is every suite; an option of the chat suite means that one', () => {
  expect(readPlan([])).toMatchObject({
    suite: [...suiteNames],
    rounds: 3,
  })
  expect(readPlan(['--suite', 'jobs,cost', '--quick'])).toMatchObject({ suite: ['jobs', 'cost'], quick: true })
  expect(readPlan(['--scenario', 'one', '--rounds', '1'])).toBeUndefined()
  expect(readPlan(['--help'])).toBe('help')
  expect(() => readPlan(['--suite', 'other'])).toThrow(/suite/)
  expect(() => readPlan(['--rounds', '0'])).toThrow(/rounds/)
  expect(() => readPlan(['--suite', 'jobs', '--scenario', 'one'])).toThrow(/scenario/)
})

test('a suite is given the number of rounds, but for one that only counts', () => {
  const plan = { suite: [], rounds: 5, quick: false }
  expect(argumentsOf('jobs', plan, 'jobs.json')).toEqual(['--rounds', '5', '--out', 'jobs.json'])
  expect(argumentsOf('cost', plan, 'cost.json')).toEqual(['--out', 'cost.json'])
  expect(argumentsOf('limits', { ...plan, quick: true }, 'x')).toEqual([
    '--rounds',
    '1',
    '--seconds',
    '1',
    '--out',
    'x',
  ])
})

test('flags are read by their schema, and a number is no flag', () => {
  const read = flagsOf(z.object({ jobs: count(5), details: z.boolean().default(false), side: someOf(['a', 'b']) }))
  expect(read([])).toEqual({ jobs: 5, details: false, side: ['a', 'b'] })
  expect(read(['--jobs', '7', '--details', '--side', 'b'])).toEqual({ jobs: 7, details: true, side: ['b'] })
  expect(() => read(['--side', 'c'])).toThrow(/side/)
})
