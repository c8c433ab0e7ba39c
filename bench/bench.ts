import { runLoad } from './load/run-load.ts'
import type { Outcome } from './load/measurement.ts'
import type { ScenarioName } from './load/scenarios.ts'
import { withFolder, type MediumName } from './media.ts'
import type { Options } from './options.ts'
import type { Processes } from './processes.ts'
import { busyCores } from './report/machine.ts'
import type { BenchRecord } from './report/record.ts'
import type { Target } from './targets/target.ts'

/** What a run of the bench works with. */
export interface Bench {
  options: Options
  targets: readonly Target[]
  media: readonly MediumName[]
  processes: Processes
  /** Raised when the caller ends the run early. */
  signal: AbortSignal
  record: BenchRecord
}

/**
 * Measures everything, round by round. Only the target being measured is running, each time on empty data; the order
 * shifts by one each round, so that no target always has the machine as another left it.
 */
export async function runRounds(bench: Bench): Promise<void> {
  for (const medium of bench.media) {
    for (let round = 1; round <= bench.options.rounds; round++) {
      for (const target of rotated(bench.targets, round - 1)) {
        bench.signal.throwIfAborted()
        const othersCores = await busyCores()
        await withFolder(medium, (folder) => measureTarget(bench, target, { medium, round, folder, othersCores }))
      }
    }
  }
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}

interface Pass {
  medium: MediumName
  round: number
  folder: string
  othersCores: number
}

async function measureTarget(bench: Bench, target: Target, pass: Pass): Promise<void> {
  const left = new Set(bench.options.scenario)
  try {
    for await (const [scenario, outcome] of measurements(bench, target, pass.folder)) {
      left.delete(scenario)
      note(bench, target, pass, scenario, outcome)
    }
  } catch (error) {
    bench.signal.throwIfAborted()
    const reason = error instanceof Error ? error.message.trim() : String(error)
    for (const scenario of left) note(bench, target, pass, scenario, { kind: 'failed', reason })
  } finally {
    await bench.processes.stopAll()
  }
}

/** Starts the target, yields what each scenario gave, and stops it whatever happens. */
async function* measurements(
  { options, processes, record, signal }: Bench,
  target: Target,
  folder: string,
): AsyncGenerator<[ScenarioName, Outcome]> {
  const running = await target.start(folder, processes)
  const { url, durability, versions } = running
  record.targets[target.name] = { what: target.what, durability, versions }
  try {
    for (const scenario of options.scenario) {
      signal.throwIfAborted()
      const reach = { url, apiKey: options.key, offerDeflate: options.deflate }
      const timing = { warmUpSeconds: options.warmup, seconds: options.seconds }
      const outcome = await runLoad({ target: target.name, scenario, reach, timing }, signal)
      signal.throwIfAborted() // a load cut short is no failure of the target
      yield [scenario, outcome]
    }
  } finally {
    await running.stop()
  }
}

function note(
  bench: Bench,
  target: Target,
  { medium, round, othersCores }: Pass,
  scenario: ScenarioName,
  outcome: Outcome,
): void {
  bench.record.runs.push({ medium, round, target: target.name, scenario, othersCores, outcome })
  console.error(`${medium}, round ${round}, ${target.name}, ${scenario}: ${brief(outcome)}`)
}

function brief(outcome: Outcome): string {
  if (outcome.kind === 'failed') return `failed: ${outcome.reason}`
  const { figures, loadCores } = outcome.measurement
  const named = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(value < 100 ? 2 : 0)}`)
  return [...named, `load ${loadCores.toFixed(2)} cores`].join(', ')
}
