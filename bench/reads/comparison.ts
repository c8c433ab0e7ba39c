import { inRounds, type Comparison, type Line, type Shown as Format } from '../report/comparison.ts'
import { median } from '../statistics.ts'
import { readingNames, readings, wayNames, type Figure, type ReadingName, type WayName } from './reading.ts'
import { failures, figure, type ReadsRecord } from './record.ts'

const figures = {
  perSecond: { label: 'per second', better: 'higher', digits: 0 },
  medianMs: { label: 'p50 ms', better: 'lower', digits: 2 },
  p99Ms: { label: 'p99 ms', better: 'lower', digits: 2 },
  serverUs: { label: 'µs of processor each', better: 'lower', digits: 0 },
} as const satisfies Partial<Record<Figure, Format & { label: string }>>

type Shown = keyof typeof figures

/** What one request at a time, and what many show: of these the other is no news. */
const shownOf = (inFlight: number): readonly Shown[] =>
  inFlight === 1 ? ['medianMs', 'p99Ms'] : ['perSecond', 'medianMs', 'p99Ms', 'serverUs']

const columns: Readonly<Record<WayName, string>> = {
  postgres: 'Postgres directly',
  worker: 'Postgres from a bare Worker',
  parley: 'Parley, HTTP',
  socket: 'Parley, socket',
}

/** A line per figure, a side per way. */
export function linesOf(record: Pick<ReadsRecord, 'runs'>): Line[] {
  const depths = [...new Set(record.runs.map(({ inFlight }) => inFlight))]
  return readingNames.flatMap((reading) =>
    depths.flatMap((inFlight) =>
      shownOf(inFlight).flatMap((name): Line[] => {
        const by = wayNames.flatMap((way) => {
          const found = figure(record, { reading, way, inFlight }, name)
          return found === undefined ? [] : [[columns[way], found] as const]
        })
        if (by.length === 0) return []
        const { label, better, digits } = figures[name]
        const what = `${readings[reading].what}; ${inFlight} at once: ${label}`
        return [{ what, better, digits, drawn: name === 'serverUs', by: Object.fromEntries(by) }]
      }),
    ),
  )
}

/** All that reading found. */
export function readsComparison(record: ReadsRecord): Comparison {
  const { machine, date, settings, fileSystem, sides, runs } = record
  const loads = runs.flatMap(({ outcome }) => (outcome.kind === 'measured' ? [outcome.measurement.loadCores] : []))
  const about = ({ what, versions }: ReadsRecord['sides'][string]) =>
    [what, ...Object.entries(versions).map((each) => each.join(' '))].join('; ')
  return {
    suite: 'reads',
    date,
    machine,
    conditions: `on ${fileSystem}; ${String(settings['seconds'])} s each, ${inRounds(Number(settings['rounds']))}`,
    othersCores: Math.max(0, ...record.othersCores),
    sides: {
      [columns.postgres]: sides['postgres'] === undefined ? '' : about(sides['postgres']),
      [columns.worker]:
        "a Worker on plain workerd that verifies the token and reads with Neon's driver over HTTP, through the stand-in, the same database",
      [columns.parley]: sides['parley'] === undefined ? '' : about(sides['parley']),
      [columns.socket]: 'the same server, history and rpc over a socket that stays open',
    },
    yardstick: columns.postgres,
    lines: linesOf(record),
    notes: [
      `the load took ${median(loads).toFixed(2)} of a core (at most ${Math.max(...loads).toFixed(2)})`,
      'equal: conversations, messages, cursors, answers and their fields; a signed token verified and membership looked up each time',
      "not equal: Parley's requests pass rate limits, revocation and an actor; its socket was authenticated once; its sum " +
        'of unread is the list added up; old pages come from its cache or Postgres, while the peer has no cache but Postgres',
      ...ratios(record),
      ...(record.hits ?? []),
      ...uncached(record),
    ],
    failures: failures(record),
  }
}

/** Processor time of a page of Parley by where it is, for one of the same page read directly. */
function ratios(record: Pick<ReadsRecord, 'runs'>): string[] {
  const depths = [...new Set(record.runs.map(({ inFlight }) => inFlight))]
  return (['postgres', 'worker'] as const).flatMap((peer) =>
    depths.flatMap((inFlight) => {
      const of = (reading: ReadingName) => {
        const [ours, theirs] = [
          figure(record, { reading, way: 'parley', inFlight }, 'serverUs'),
          figure(record, { reading, way: peer, inFlight }, 'serverUs'),
        ]
        return ours === undefined || theirs === undefined ? '–' : (ours.median / theirs.median).toFixed(2)
      }
      return `${inFlight} at once, µs of processor against ${columns[peer]}: actor ${of('newest')}, Redis ${of('old')}, first time ${of('cold')}`
    }),
  )
}

/** A page that its cache did not give in time was read from Postgres: what the row then measured is something else. */
function uncached({ runs }: Pick<ReadsRecord, 'runs'>): string[] {
  return runs.flatMap(({ reading, way, inFlight, round, outcome }) => {
    if (reading !== 'old' || way === 'postgres' || way === 'worker' || outcome.kind === 'failed') return []
    const { cacheHits } = outcome.measurement
    if (cacheHits > 0.95) return []
    return [
      `NOT ALL CACHED: ${way}, ${inFlight} at once, round ${round}: ${cacheHits.toFixed(2)} pages found per answer`,
    ]
  })
}
