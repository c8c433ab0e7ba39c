import type { Outcome } from '../load/measurement.ts'
import type { Figure, ScenarioName } from '../load/scenarios.ts'
import type { MediumName } from '../media.ts'
import { spread, type Spread } from '../statistics.ts'
import type { Running, TargetName } from '../targets/target.ts'
import type { Machine } from './machine.ts'

/** One measurement, and what it was of. */
export interface Run {
  medium: MediumName
  round: number
  target: TargetName
  scenario: ScenarioName
  /** How many cores others kept busy just before the target was started. */
  othersCores: number
  outcome: Outcome
}

/** Everything a run of the bench found out. */
export interface BenchRecord {
  date: string
  machine: Machine
  /** The load runs on the same machine, in a process of its own. */
  settings: { rounds: number; seconds: number; warmUpSeconds: number; deflateOffered: boolean }
  fileSystems: Partial<Record<MediumName, string>>
  targets: Partial<Record<TargetName, { what: string } & Pick<Running, 'durability' | 'versions'>>>
  /** What was not measured, and why. */
  skipped: string[]
  runs: Run[]
}

/** A figure over all rounds; undefined where no round gave one. */
export function figure(
  record: BenchRecord,
  of: Pick<Run, 'medium' | 'target' | 'scenario'>,
  name: Figure,
): Spread | undefined {
  const values = record.runs
    .filter((run) => run.medium === of.medium && run.target === of.target && run.scenario === of.scenario)
    .flatMap(({ outcome }) => (outcome.kind === 'measured' ? (outcome.measurement.figures[name] ?? []) : []))
  return values.length === 0 ? undefined : spread(values)
}

/** One line for each measurement that failed. */
export function failures(record: BenchRecord): string[] {
  return record.runs.flatMap(({ medium, round, target, scenario, outcome }) =>
    outcome.kind === 'failed' ? [`${target}, ${scenario}, ${medium}, round ${round}: ${outcome.reason}`] : [],
  )
}
