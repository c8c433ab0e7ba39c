import { afterWarmUp, type Point } from './trend.ts'
import { judge, type Tolerance, type Trend, type Verdict } from './verdict.ts'
import type { Sample } from './sample.ts'
import type { Sleep } from './sleepers.ts'
import { partNames, type PartName } from './vitals.ts'

/** The share of the time that is left out: all users connect, caches fill, code is compiled. */
export const warmUp = 0.2

const memory: Tolerance = { share: 0.05, least: 8 * 1024 }
const descriptors: Tolerance = { share: 0.05, least: 20 }
const sockets: Tolerance = { share: 0, least: 10 }

/** One figure of the system over time. */
export interface Judged extends Trend {
  readonly figure: string
  /** What is only shown: the load, and what a runtime has not yet got round to collecting. */
  readonly isOnlyShown: boolean
}

interface Watched {
  readonly figure: string
  readonly tolerance: Tolerance
  readonly of: (sample: Sample) => number
  readonly isOnlyShown?: boolean
}

const workerdCollected = 'workerd memory, collected, KiB'
/** Those whose memory is judged after they collected their garbage. */
const collecting: readonly PartName[] = ['workerd', 'launcher', 'load']

const watched: readonly Watched[] = [
  ...partNames.flatMap((part): Watched[] => [
    {
      figure: `${part} memory, KiB`,
      tolerance: memory,
      of: ({ parts }) => parts[part].memoryKiB,
      isOnlyShown: collecting.includes(part),
    },
    {
      figure: `${part} descriptors`,
      tolerance: descriptors,
      of: ({ parts }) => parts[part].descriptors,
      isOnlyShown: part === 'load',
    },
    {
      figure: `${part} threads`,
      tolerance: sockets,
      of: ({ parts }) => parts[part].threads,
      isOnlyShown: part === 'load',
    },
  ]),
  { figure: workerdCollected, tolerance: memory, of: ({ collected }) => collected.workerdKiB },
  { figure: 'launcher memory, collected, KiB', tolerance: memory, of: ({ collected }) => collected.launcherKiB },
  { figure: 'sockets held beyond those open', tolerance: sockets, of: ({ held, open }) => held - open },
  { figure: 'rows that wait for Postgres', tolerance: { share: 0, least: 200 }, of: ({ rowsWaiting }) => rowsWaiting },
  { figure: 'streams that gateways know', tolerance: descriptors, of: ({ channels }) => channels },
]

/**
 * Judges every figure over the time that counts. What workerd has taken from the system grows with each crowd larger than any
 * before, since its allocator keeps it: where it is known how much of it is in use, that is judged instead, at night.
 */
export function judgeAll(samples: readonly Sample[], asleep: readonly Sleep[]): Judged[] {
  const isLiveKnown = asleep.length > 1 && asleep.every(({ liveKiB }) => !Number.isNaN(liveKiB))
  return watched.map(({ figure, tolerance, of, isOnlyShown = false }) => ({
    figure,
    isOnlyShown: isOnlyShown || (figure === workerdCollected && isLiveKnown),
    ...judge(afterWarmUp(points(samples, of), warmUp), tolerance),
  }))
}

/** The word for all: one leak is a leak. */
export function verdictOf(judged: readonly Judged[]): Verdict {
  const verdicts = judged.filter(({ isOnlyShown }) => !isOnlyShown).map(({ verdict }) => verdict)
  return (['leak', 'tooShort'] as const).find((verdict) => verdicts.includes(verdict)) ?? 'steady'
}

/** Messages a minute over the time that counts. */
export function messagesPerMinute(samples: readonly Sample[]): number {
  const counted = afterWarmUp(
    points(samples, ({ messages }) => messages),
    warmUp,
  )
  const [first, last] = [counted[0], counted.at(-1)]
  if (first === undefined || last === undefined) return Number.NaN
  return (last.value - first.value) / (last.minute - first.minute)
}

/** The figures as rows of a table. */
export function table(judged: readonly Judged[], perMinute: number): Record<string, Record<string, number | string>> {
  return Object.fromEntries(
    judged.map(({ figure, level, line, floorPerHour, allowedPerHour, verdict, isOnlyShown }) => [
      figure,
      {
        floor: digits(level),
        'a minute': digits(line.perMinute),
        '± ': digits(line.error),
        'per 1,000 messages': digits((line.perMinute / perMinute) * 1000),
        'floor, an hour': digits(floorPerHour),
        'allowed, an hour': digits(allowedPerHour),
        verdict: isOnlyShown ? `(${verdict})` : verdict,
      },
    ]),
  )
}

const points = (samples: readonly Sample[], of: (sample: Sample) => number): Point[] =>
  samples.map((sample) => ({ minute: sample.minute, value: of(sample) })).filter(({ value }) => !Number.isNaN(value))

const digits = (value: number) => Number(value.toPrecision(3))
