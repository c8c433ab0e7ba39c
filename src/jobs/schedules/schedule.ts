import { nextInstant, type CronRule } from './cron.ts'
import type { NewJob } from '../model/job.ts'

/** By the clock of a time zone, or every so many seconds counted from `from` (milliseconds since the epoch). */
export type Recurrence =
  | ({ readonly kind: 'cron' } & CronRule)
  | { readonly kind: 'every'; readonly seconds: number; readonly from: number }

/** What happens to runs that were missed: none of them is made up for, the last one, or all. */
export type CatchUp = 'none' | 'last' | 'all'

/** A job that is enqueued again and again. Times in milliseconds since the epoch. */
export interface Schedule {
  readonly name: string
  readonly when: Recurrence
  readonly catchUp: CatchUp
  readonly job: Omit<NewJob, 'id' | 'runAt'>
  readonly paused: boolean
  readonly madeAt: number
  /** Null when paused, and when there is no further run. */
  readonly nextAt: number | null
  readonly lastAt: number | null
  /** What the last run's enqueue was refused with, if it was. */
  readonly note: string
}

/** A schedule as it is put: without what the queue keeps of its runs. */
export type ScheduleSpec = Omit<Schedule, 'madeAt' | 'nextAt' | 'lastAt' | 'note'>

/** How many schedules there are, and their bytes as stored. */
export interface ScheduleUsage {
  readonly schedules: number
  readonly bytes: number
}

export interface ScheduleStore {
  get(name: string): Schedule | undefined
  /** At most `limit` schedules after `name`, by name, without the payloads of their jobs. */
  after(name: string, limit: number): Schedule[]
  /** At most `limit` schedules that are due, the oldest first. */
  due(now: number, limit: number): Schedule[]
  /** When the next one is due. */
  readonly next: number | undefined
  put(schedule: Schedule): void
  remove(name: string): boolean
  /** The usage of all schedules of the queue. */
  usage(): ScheduleUsage
  /** Bytes of one schedule as stored; undefined when there is none of that name. */
  bytesOf(name: string): number | undefined
}

/** A run later than this was missed, and `catchUp` decides. */
const promptMs = 60_000
/** Runs of one schedule that are caught up at a time, so that no schedule delays the others. */
const runsTogether = 20

/** The first run after a time. */
export function nextRun(when: Recurrence, after: number): number | undefined {
  if (when.kind === 'cron') return nextInstant(when, after)
  const everyMs = when.seconds * 1000
  return after < when.from ? when.from : when.from + (Math.floor((after - when.from) / everyMs) + 1) * everyMs
}

/**
 * Which runs to enqueue up to now, and through which time the schedule is dealt with then. A run is missed that was late
 * already at `since`.
 */
export function runsDue(
  { when, catchUp, nextAt }: Schedule,
  now: number,
  since = now,
): { readonly runs: readonly number[]; readonly through: number } {
  if (nextAt === null || nextAt > now) return { runs: [], through: now }
  if (catchUp === 'all') return allRuns(when, nextAt, now)

  const last = lastRun(when, nextAt, now)
  const missed = since - last > promptMs
  return { runs: missed && catchUp === 'none' ? [] : [last], through: now }
}

function allRuns(when: Recurrence, first: number, now: number) {
  const runs = [first]
  while (runs.length < runsTogether) {
    const next = nextRun(when, runs.at(-1) ?? first)
    if (next === undefined || next > now) return { runs, through: now }
    runs.push(next)
  }
  return { runs, through: runs.at(-1) ?? now }
}

/** The newest run up to now, searched from ever further back, so that a long outage does not cost a step per run. */
function lastRun(when: Recurrence, first: number, now: number): number {
  const hourMs = 3_600_000
  for (const reachMs of [hourMs, 24 * hourMs, 32 * 24 * hourMs]) {
    let last: number | undefined
    let next = nextRun(when, Math.max(first - 1, now - reachMs))
    while (next !== undefined && next <= now) {
      last = next
      next = nextRun(when, next)
    }
    if (last !== undefined) return last
  }
  return first
}
