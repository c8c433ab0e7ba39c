import type { Machine } from '../report/machine.ts'
import { spread, type Spread } from '../statistics.ts'
import type { Figure, Outcome, ReadingName, WayName } from './reading.ts'

/** One measurement, and what it was of. */
export interface Run {
  readonly round: number
  readonly reading: ReadingName
  readonly way: WayName
  readonly inFlight: number
  readonly outcome: Outcome
}

/** Everything a run of the bench found out. */
export interface ReadsRecord {
  readonly date: string
  readonly machine: Machine
  readonly settings: Readonly<Record<string, unknown>>
  readonly fileSystem: string
  /** Cores others kept busy before each round. */
  readonly othersCores: number[]
  readonly sides: Readonly<
    Record<string, { readonly what: string; readonly versions: Readonly<Record<string, string>> }>
  >
  readonly runs: Run[]
  /** Which share of cached values was found, but for readings that empty the cache. */
  readonly hits?: readonly string[]
}

/** A figure over all rounds; undefined where no round gave one. */
export function figure(
  { runs }: Pick<ReadsRecord, 'runs'>,
  of: Pick<Run, 'reading' | 'way' | 'inFlight'>,
  name: Figure,
): Spread | undefined {
  const values = runs
    .filter((run) => run.reading === of.reading && run.way === of.way && run.inFlight === of.inFlight)
    .flatMap(({ outcome }) => (outcome.kind === 'measured' ? [outcome.measurement[name]] : []))
  return values.length === 0 ? undefined : spread(values)
}

/** One line for each measurement that failed. */
export const failures = ({ runs }: Pick<ReadsRecord, 'runs'>): string[] =>
  runs.flatMap(({ reading, way, inFlight, round, outcome }) =>
    outcome.kind === 'failed' ? [`${reading}, ${way}, ${inFlight} in flight, round ${round}: ${outcome.reason}`] : [],
  )
