import { median } from '../statistics.ts'
import type { TargetName } from '../targets/target.ts'
import { failures, type BenchRecord } from './record.ts'
import { table } from './table.ts'
import { mediumNames } from '../media.ts'

/** All that is printed at the end: the machine, the tables, what each side promises, what went wrong. */
export function summary(record: BenchRecord, targets: readonly TargetName[]): string {
  const { machine, settings } = record
  const media = mediumNames.filter((medium) => record.runs.some((run) => run.medium === medium))
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}`,
    `medians of ${settings.rounds} rounds of ${settings.seconds} s (lowest–highest); ×n: how much better than glued`,
    `the load runs on the same machine in a process of its own, which took ${loadShare(record)} of a core`,
    ...disturbance(record),
    ...media.map((medium) => `\n${table(record, medium, targets)}`),
    '',
    ...targets.flatMap((target) => describe(record, target)),
    ...section('Not measured:', record.skipped),
    ...section('FAILED:', failures(record)),
  ].join('\n')
}

function loadShare({ runs }: BenchRecord): string {
  const cores = runs.flatMap(({ outcome }) => (outcome.kind === 'measured' ? [outcome.measurement.loadCores] : []))
  return cores.length === 0 ? '?' : `${median(cores).toFixed(2)} (at most ${Math.max(...cores).toFixed(2)})`
}

/** More than this of a core, and others had a say in the figures. */
const quiet = 0.25

function disturbance({ runs }: BenchRecord): string[] {
  const most = Math.max(0, ...runs.map(({ othersCores }) => othersCores))
  if (most < quiet) return []
  return [`NOT QUIET: others kept up to ${most.toFixed(2)} cores busy between the measurements; trust ratios at best`]
}

function describe(record: BenchRecord, target: TargetName): string[] {
  const about = record.targets[target]
  if (about === undefined) return []
  const versions = Object.entries(about.versions).map(([name, version]) => `${name} ${version}`)
  return [`${target}: ${about.what}`, `  durable by: ${about.durability}`, `  ${versions.join(', ')}`]
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', title, ...lines.map((line) => `  ${line}`)]
}
