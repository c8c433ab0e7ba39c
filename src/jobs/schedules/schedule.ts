import type { JobStore } from '../queue/job-store.ts'
import { nextInstant, type CronRule } from './cron.ts'
import type { NewJob } from '../model/job.ts'
import { enqueue } from '../queue/lifecycle.ts'

/** By the clocks of a place, or every so many seconds counted from `from` (milliseconds since the epoch). */
export type When =
  | ({ readonly kind: 'cron' } & CronRule)
  | { readonly kind: 'every'; readonly seconds: number; readonly from: number }

/** What becomes of runs whose time passed while nobody could start them: none of them, the last one, or all. */
export type CatchUp = 'none' | 'last' | 'all'

/** A job that comes again and again. */
export interface Schedule {
  readonly name: string
  readonly when: When
  readonly catchUp: CatchUp
  readonly job: Omit<NewJob, 'id' | 'runAt'>
  readonly paused: boolean
  readonly madeAt: number
  /** Null when paused, or when it never comes again. */
  readonly nextAt: number | null
  readonly lastAt: number | null
  /** What the last run's enqueue was refused with, if it was. */
  readonly note: string
}

/** A run that is later than this was missed, and `catchUp` decides. */
const promptMs = 60_000
/** Runs that all schedules of a queue make in one go; the rest follow after `paceMs`. So 10,000 start within a minute. */
export const runsAtOnce = 200
export const paceMs = 1000
/** Runs that one schedule catches up in one go, so that no schedule keeps the others waiting. */
const runsTogether = 20

/** The first run after `after`. */
export function nextRun(when: When, after: number): number | undefined {
  if (when.kind === 'cron') return nextInstant(when, after)
  const everyMs = when.seconds * 1000
  return after < when.from ? when.from : when.from + (Math.floor((after - when.from) / everyMs) + 1) * everyMs
}

/**
 * Makes a schedule or changes it; its next run is counted from now. Who puts the same again misses nothing by it: runs that
 * are due come first, and an interval goes on from where it began.
 */
export function putSchedule(
  books: JobStore,
  wanted: Omit<Schedule, 'madeAt' | 'nextAt' | 'lastAt' | 'note'>,
  now: number,
): Schedule {
  const before = books.schedule(wanted.name)
  const known = before !== undefined && isDue(before, now) ? fire(books, before, now, now).schedule : before
  const when = goingOn(wanted.when, known?.when)
  const owed = known !== undefined && isDue(known, now) ? known.nextAt : undefined
  const nextAt = wanted.paused ? null : (owed ?? nextRun(when, now) ?? null)
  const schedule = { ...wanted, when, madeAt: known?.madeAt ?? now, lastAt: known?.lastAt ?? null, note: '', nextAt }
  books.putSchedule(schedule)
  return schedule
}

const goingOn = (when: When, before: When | undefined): When =>
  when.kind === 'every' && before?.kind === 'every' && when.seconds === before.seconds ? before : when

/**
 * Enqueues runs that are due, at most about `runsAtOnce` of them, the oldest first; returns whether some are left. A run's
 * job is named after schedule and time, so that it can only be enqueued once. `since` is when the queue began to be
 * behind by its own pace, which makes no run a missed one.
 */
export function fireDue(books: JobStore, now: number, since = now): boolean {
  let left = runsAtOnce
  for (const schedule of books.dueSchedules(now, runsAtOnce)) {
    if (left <= 0) break
    left -= Math.max(1, fire(books, schedule, now, since).runs)
  }
  return (books.nextSchedule() ?? Infinity) <= now
}

const isDue = ({ nextAt }: Schedule, now: number): boolean => nextAt !== null && nextAt <= now

/** Enqueues runs of one schedule that is due, and moves it on. */
function fire(books: JobStore, due: Schedule, now: number, since: number): { schedule: Schedule; runs: number } {
  const { runs, through } = runsDue(due, now, since)
  let { note } = due
  for (const runAt of runs) {
    const enqueued = enqueue(books, [{ ...due.job, id: runId(due.name, runAt), runAt }], now)
    note = enqueued.kind === 'refused' ? (enqueued.detail ?? enqueued.error) : ''
  }
  const lastAt = runs.at(-1) ?? due.lastAt
  const schedule = { ...due, note, lastAt, nextAt: nextRun(due.when, through) ?? null }
  books.putSchedule(schedule)
  return { schedule, runs: runs.length }
}

/** `nightly@20260329T013000Z`: the same run is always the same job. */
export const runId = (name: string, at: number): string =>
  `${name}@${new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '')}`

/** Which runs to make up to now, those missed that were late already at `since`, and through which moment the schedule is then dealt with. */
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

function allRuns(when: When, first: number, now: number) {
  const runs = [first]
  while (runs.length < runsTogether) {
    const next = nextRun(when, runs.at(-1) ?? first)
    if (next === undefined || next > now) return { runs, through: now }
    runs.push(next)
  }
  return { runs, through: runs.at(-1) ?? now }
}

/** The newest run up to now, found from ever further back, so that a long absence does not cost a step per run. */
function lastRun(when: When, first: number, now: number): number {
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
