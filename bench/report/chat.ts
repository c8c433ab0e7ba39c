import { scenarios, type Figure, type Scenario } from '../load/scenarios.ts'
import { mediumNames, type MediumName } from '../media.ts'
import { median } from '../statistics.ts'
import { targetNames } from '../targets/target.ts'
import { inRounds, type Comparison, type Line, type Shown } from './comparison.ts'
import { failures, figure, type BenchRecord } from './record.ts'

const figures: Readonly<Record<Figure, Shown & { readonly label: string }>> = {
  ackMedianMs: { label: 'median ack, ms', better: 'lower', digits: 2 },
  ackP99Ms: { label: 'p99 ack, ms', better: 'lower', digits: 2 },
  ackedPerSecond: { label: 'acked messages/s', better: 'higher', digits: 0 },
  deliveriesPerSecond: { label: 'deliveries/s', better: 'higher', digits: 0 },
  firstRoundMs: { label: 'all first messages acked after, ms', better: 'lower', digits: 2 },
  secondRoundMs: { label: 'all second messages, ms', better: 'lower', digits: 2 },
  thirdRoundMs: { label: 'all third messages, ms', better: 'lower', digits: 2 },
  fourthRoundMs: { label: 'all fourth messages, ms', better: 'lower', digits: 2 },
}

/** What the chat suite found, medium by medium. */
export function chatComparison(record: BenchRecord): Comparison {
  const { machine, date, settings, runs } = record
  const targets = targetNames.flatMap((name) => {
    const about = record.targets[name]
    return about === undefined ? [] : [[name, about] as const]
  })
  return {
    suite: 'chat',
    date,
    machine,
    conditions: `${settings.seconds} s each, ${inRounds(settings.rounds)}`,
    othersCores: Math.max(0, ...runs.map(({ othersCores }) => othersCores)),
    sides: Object.fromEntries(
      targets.map(([name, { what, durability, versions }]) => [
        name,
        [what, `durable by: ${durability}`, ...Object.entries(versions).map((each) => each.join(' '))].join('; '),
      ]),
    ),
    yardstick: 'glued',
    lines: mediumNames.flatMap((medium) => linesOn(record, medium)),
    notes: [
      `the load runs on the same machine in a process of its own, which took ${loadShare(record)} of a core`,
      ...Object.entries(record.fileSystems).map(([medium, fileSystem]) => `${medium} is ${fileSystem}`),
      ...record.skipped.map((what) => `not measured: ${what}`),
    ],
    failures: failures(record),
  }
}

function linesOn(record: BenchRecord, medium: MediumName): Line[] {
  return Object.values(scenarios).flatMap((scenario) =>
    scenario.shows.flatMap((name, n) => lineOf(record, medium, scenario, name, n === 0)),
  )
}

function lineOf(record: BenchRecord, medium: MediumName, scenario: Scenario, name: Figure, drawn: boolean): Line[] {
  const by = targetNames.flatMap((target) => {
    const found = figure(record, { medium, target, scenario: scenario.name }, name)
    return found === undefined ? [] : [[target, found] as const]
  })
  if (by.length === 0) return []
  const { label, better, digits } = figures[name]
  return [{ what: `${medium}: ${scenario.what}: ${label}`, better, digits, drawn, by: Object.fromEntries(by) }]
}

function loadShare({ runs }: BenchRecord): string {
  const cores = runs.flatMap(({ outcome }) => (outcome.kind === 'measured' ? [outcome.measurement.loadCores] : []))
  return cores.length === 0 ? '?' : `${median(cores).toFixed(2)} (at most ${Math.max(...cores).toFixed(2)})`
}
