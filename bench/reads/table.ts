import { align, show } from '../report/table.ts'
import { median, type Spread } from '../statistics.ts'
import { readingNames, readings, wayNames, type Figure, type ReadingName, type WayName } from './reading.ts'
import { failures, figure, type ReadsRecord } from './record.ts'

const figures = {
  perSecond: { label: 'per second', better: 'higher', digits: 0 },
  medianMs: { label: 'p50 ms', better: 'lower', digits: 2 },
  p99Ms: { label: 'p99 ms', better: 'lower', digits: 2 },
  serverUs: { label: 'µs of processor each', better: 'lower', digits: 0 },
} as const satisfies Partial<Record<Figure, { label: string; better: 'higher' | 'lower'; digits: number }>>

type Shown = keyof typeof figures

/** What one request at a time, and what many show: of these the other is no news. */
const shownOf = (inFlight: number): readonly Shown[] =>
  inFlight === 1 ? ['medianMs', 'p99Ms'] : ['perSecond', 'medianMs', 'p99Ms', 'serverUs']

const columns: Readonly<Record<WayName, string>> = {
  postgres: 'Postgres directly',
  parley: 'Parley, HTTP',
  socket: 'Parley, socket',
}

/** A row per figure, a column per way, with its ratio to reading Postgres directly. */
export function table(record: Pick<ReadsRecord, 'runs'>): string {
  const depths = [...new Set(record.runs.map(({ inFlight }) => inFlight))]
  const read = readingNames.filter((name) => record.runs.some(({ reading }) => reading === name))
  const rows = read.flatMap((reading) =>
    depths.flatMap((inFlight) =>
      shownOf(inFlight).map((name) => [
        `${readings[reading].what}; ${inFlight} at once: ${figures[name].label}`,
        ...wayNames.map((way) => cell(record, { reading, way, inFlight }, name)),
      ]),
    ),
  )
  return align([['', ...wayNames.map((way) => columns[way])], ...rows])
}

function cell(
  record: Pick<ReadsRecord, 'runs'>,
  of: { reading: ReadingName; way: WayName; inFlight: number },
  name: Shown,
) {
  const ours = figure(record, of, name)
  const theirs = figure(record, { ...of, way: 'postgres' }, name)
  if (ours === undefined) return '-'
  const comparison = theirs === undefined || of.way === 'postgres' ? '' : `  ×${ratio(ours, theirs, name).toFixed(2)}`
  return `${show(ours, figures[name].digits)}${comparison}`
}

/** Above 1 is better than Postgres directly, whichever way the figure points. */
const ratio = (ours: Spread, theirs: Spread, name: Shown): number =>
  figures[name].better === 'higher' ? ours.median / theirs.median : theirs.median / ours.median

/** All that is printed at the end. */
export function summary(record: ReadsRecord): string {
  const { machine, settings, sides, runs } = record
  const loads = runs.flatMap(({ outcome }) => (outcome.kind === 'measured' ? [outcome.measurement.loadCores] : []))
  const others = Math.max(0, ...record.othersCores)
  return [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}, on ${record.fileSystem}`,
    `medians of ${String(settings['rounds'])} rounds of ${String(settings['seconds'])} s (lowest–highest); ×n: how much better than Postgres directly`,
    `the load took ${median(loads).toFixed(2)} of a core (at most ${Math.max(...loads).toFixed(2)}), others up to ${others.toFixed(2)}`,
    '',
    table(record),
    '',
    ...Object.entries(sides).map(
      ([name, { what, versions }]) =>
        `${name}: ${what}; ${Object.entries(versions)
          .map(([of, version]) => `${of} ${version}`)
          .join(', ')}`,
    ),
    ...uncached(record),
    'equal: rooms, messages, cursors, answers and their fields; a signed token verified and membership looked up each time',
    "not equal: Parley's requests pass rate limits, revocation and an actor; its socket was authenticated once; its sum",
    'of unread is the list added up; old pages come from its cache or Postgres, while the peer has no cache but Postgres',
    ...failures(record).map((line) => `FAILED: ${line}`),
  ].join('\n')
}

/** A page that its cache did not give in time was read from Postgres: what the row then measured is something else. */
function uncached({ runs }: Pick<ReadsRecord, 'runs'>): string[] {
  return runs.flatMap(({ reading, way, inFlight, round, outcome }) => {
    if (reading !== 'old' || way === 'postgres' || outcome.kind === 'failed') return []
    const { cacheHits } = outcome.measurement
    if (cacheHits > 0.95) return []
    return [
      `NOT ALL CACHED: ${way}, ${inFlight} at once, round ${round}: ${cacheHits.toFixed(2)} pages found per answer`,
    ]
  })
}
