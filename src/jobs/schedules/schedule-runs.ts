import { enqueue } from '../queue/enqueue.ts'
import type { QueueStores } from '../queue/stores.ts'
import { nextRun, runsDue, type Recurrence, type Schedule, type ScheduleSpec } from './schedule.ts'

/** Runs that all schedules of a queue enqueue at a time; the rest follow after `paceMs`, so that 10,000 start within a minute. */
export const runsAtOnce = 200
export const paceMs = 1000

/**
 * Creates a schedule or changes it; its next run is counted from now. Putting the same schedule again misses no run: those
 * that are due are enqueued first, and an interval continues from its beginning.
 */
export function putSchedule(stores: QueueStores, spec: ScheduleSpec, now: number): Schedule {
  const before = stores.schedules.get(spec.name)
  const known = before !== undefined && isDue(before, now) ? fire(stores, before, now, now).schedule : before
  const when = continued(spec.when, known?.when)
  const left = known !== undefined && isDue(known, now) ? known.nextAt : undefined
  const nextAt = spec.paused ? null : (left ?? nextRun(when, now) ?? null)
  const schedule = { ...spec, when, madeAt: known?.madeAt ?? now, lastAt: known?.lastAt ?? null, note: '', nextAt }
  stores.schedules.put(schedule)
  return schedule
}

const continued = (when: Recurrence, before: Recurrence | undefined): Recurrence =>
  when.kind === 'every' && before?.kind === 'every' && when.seconds === before.seconds ? before : when

/**
 * Enqueues runs that are due, about `runsAtOnce` of them, the oldest first; returns whether some are left. A run's job is
 * named after schedule and time, so that it is enqueued once. `since` is when the queue fell behind by its own pace, which
 * makes no run a missed one.
 */
export function fireDue(stores: QueueStores, now: number, since = now): boolean {
  let left = runsAtOnce
  for (const schedule of stores.schedules.due(now, runsAtOnce)) {
    if (left <= 0) break
    left -= Math.max(1, fire(stores, schedule, now, since).runs)
  }
  return (stores.schedules.next ?? Infinity) <= now
}

const isDue = ({ nextAt }: Schedule, now: number): boolean => nextAt !== null && nextAt <= now

/** Enqueues runs of one schedule that is due, and moves it on. */
function fire(stores: QueueStores, due: Schedule, now: number, since: number): { schedule: Schedule; runs: number } {
  const { runs, through } = runsDue(due, now, since)
  let { note } = due
  for (const runAt of runs) {
    const enqueued = enqueue(stores, [{ ...due.job, id: runId(due.name, runAt), runAt }], now)
    note = enqueued.kind === 'refused' ? (enqueued.detail ?? enqueued.error) : ''
  }
  const lastAt = runs.at(-1) ?? due.lastAt
  const schedule = { ...due, note, lastAt, nextAt: nextRun(due.when, through) ?? null }
  stores.schedules.put(schedule)
  return { schedule, runs: runs.length }
}

/** `nightly@20260329T013000Z`: the same run is always the same job. */
export const runId = (name: string, at: number): string =>
  `${name}@${new Date(at).toISOString().replaceAll(/[-:]|\.\d+/g, '')}`
