import type { Books } from './books.ts'
import { nextInstant, type CronRule } from './cron.ts'
import type { NewJob } from './job.ts'
import { enqueue } from './ledger.ts'

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
/** Runs caught up in one go; the rest follow at once. */
const runsTogether = 100

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
  books: Books,
  wanted: Omit<Schedule, 'madeAt' | 'nextAt' | 'lastAt' | 'note'>,
  now: number,
): Schedule {
  fireDue(books, now)
  const known = books.schedule(wanted.name)
  const when = goingOn(wanted.when, known?.when)
  const nextAt = wanted.paused ? null : (nextRun(when, now) ?? null)
  const schedule = { ...wanted, when, madeAt: known?.madeAt ?? now, lastAt: known?.lastAt ?? null, note: '', nextAt }
  books.putSchedule(schedule)
  return schedule
}

const goingOn = (when: When, before: When | undefined): When =>
  when.kind === 'every' && before?.kind === 'every' && when.seconds === before.seconds ? before : when

/** Enqueues the runs that are due. A run's job is named after schedule and time, so that it can only be enqueued once. */
export function fireDue(books: Books, now: number): void {
  for (const schedule of books.dueSchedules(now)) {
    const { runs, through } = runsDue(schedule, now)
    let { note } = schedule
    for (const runAt of runs) {
      const enqueued = enqueue(books, [{ ...schedule.job, id: runId(schedule.name, runAt), runAt }], now)
      note = enqueued.kind === 'refused' ? (enqueued.detail ?? enqueued.error) : ''
    }
    const lastAt = runs.at(-1) ?? schedule.lastAt
    books.putSchedule({ ...schedule, note, lastAt, nextAt: nextRun(schedule.when, through) ?? null })
  }
}

/** `nightly@20260329T013000Z`: the same run is always the same job. */
export const runId = (name: string, at: number): string =>
  `${name}@${new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '')}`

/** Which runs to make up to now, and through which moment the schedule is then dealt with. */
export function runsDue(
  { when, catchUp, nextAt }: Schedule,
  now: number,
): { readonly runs: readonly number[]; readonly through: number } {
  if (nextAt === null || nextAt > now) return { runs: [], through: now }
  if (catchUp === 'all') return allRuns(when, nextAt, now)

  const last = lastRun(when, nextAt, now)
  const missed = now - last > promptMs
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
