import { scenarios, type Figure, type Scenario } from '../load/scenarios.ts'
import type { MediumName } from '../media.ts'
import type { Spread } from '../statistics.ts'
import type { TargetName } from '../targets/target.ts'
import { figure, type BenchRecord } from './record.ts'

const figures: Readonly<Record<Figure, { label: string; better: 'higher' | 'lower'; digits: number }>> = {
  ackMedianMs: { label: 'median ack, ms', better: 'lower', digits: 2 },
  ackP99Ms: { label: 'p99 ack, ms', better: 'lower', digits: 2 },
  ackedPerSecond: { label: 'acked messages/s', better: 'higher', digits: 0 },
  deliveriesPerSecond: { label: 'deliveries/s', better: 'higher', digits: 0 },
}

/** What the others are compared with. */
const yardstick: TargetName = 'glued'

/** The table of one medium: a row per figure, a column per target, with its ratio to the glued stack. */
export function table(record: BenchRecord, medium: MediumName, targets: readonly TargetName[]): string {
  const measured = Object.values(scenarios).filter(({ name }) => record.runs.some((run) => run.scenario === name))
  const rows = measured.flatMap((scenario) =>
    scenario.shows.map((name) => [
      `${scenario.what}: ${figures[name].label}`,
      ...targets.map((target) => cell(record, medium, target, scenario, name)),
    ]),
  )
  const title = `on ${medium} (${record.fileSystems[medium] ?? 'unknown'})`
  return align([[title, ...targets], ...rows])
}

function cell(record: BenchRecord, medium: MediumName, target: TargetName, scenario: Scenario, name: Figure): string {
  const ours = figure(record, { medium, target, scenario: scenario.name }, name)
  if (ours === undefined) return '-'
  const theirs = figure(record, { medium, target: yardstick, scenario: scenario.name }, name)
  const comparison = theirs === undefined || target === yardstick ? '' : `  ×${ratio(ours, theirs, name).toFixed(2)}`
  return `${show(ours, figures[name].digits)}${comparison}`
}

/** Above 1 is better than the yardstick, whichever way the figure points. */
function ratio(ours: Spread, theirs: Spread, name: Figure): number {
  return figures[name].better === 'higher' ? ours.median / theirs.median : theirs.median / ours.median
}

export function show({ median, min, max }: Spread, digits: number): string {
  const number = (value: number) =>
    value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  return `${number(median)} (${number(min)}–${number(max)})`
}

export function align(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const pad = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[column] ?? 0) : text.padStart(widths[column] ?? 0)
  return rows.map((row) => row.map(pad).join('   ')).join('\n')
}
