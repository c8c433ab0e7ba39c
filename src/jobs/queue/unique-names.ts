import { refuse, type Refusal } from '../../protocol/errors.ts'
import type { Job, NewJob, Unique } from '../model/job.ts'
import { hasEnded, phases } from '../model/phase.ts'
import { end } from './lifecycle.ts'
import type { QueueStores } from './stores.ts'

/** Throttled jobs that are not added, since another job holds their unique name, and the id of that job. */
export function findStandIns(stores: QueueStores, wanted: readonly NewJob[], now: number): ReadonlyMap<string, string> {
  const throttled = wanted.flatMap(({ id, unique }) => {
    if (unique?.mode !== 'throttle' || stores.jobs.get(id) !== undefined) return []
    const held = stores.uniques.get(unique.name)
    return held !== undefined && held.until > now ? [[id, held.job] as const] : []
  })
  return new Map(throttled)
}

/** How a new job takes its unique name: when it may start, and which job it replaces. */
export interface NameClaim {
  readonly kind: 'claim'
  readonly runAt: number
  readonly replaces: Job | undefined
}

/** Claims the unique name of a job. `taken` has the names that jobs of the same enqueue claimed, and the id of each. */
export function claimName(
  stores: QueueStores,
  { id, runAt }: NewJob,
  { name, mode, seconds = 0 }: Unique,
  taken: Map<string, string>,
  now: number,
): NameClaim | Refusal {
  const held = stores.uniques.get(name)
  const holder = held === undefined ? undefined : stores.jobs.get(held.job)
  const other = taken.get(name)
  if (other !== undefined) return refuse('conflict', `unique: jobs ${other} and ${id} both want ${name}`)
  taken.set(name, id)

  const open = holder === undefined || hasEnded(holder.phase) ? undefined : holder
  const waiting = open?.phase === phases.active ? undefined : open
  switch (mode) {
    case 'reject':
      return open === undefined ? claim(runAt) : refuse('conflict', `unique: ${name} is held by job ${open.id}`)
    case 'throttle':
      return claim(runAt)
    case 'replace':
      return claim(runAt, waiting)
    case 'debounce':
      return claim(Math.max(runAt, now + seconds * 1000), waiting)
  }
}

const claim = (runAt: number, replaces?: Job): NameClaim => ({ kind: 'claim', runAt, replaces })

/** Makes a job the holder of a unique name. */
export function holdName(
  stores: QueueStores,
  { name, mode, seconds = 0 }: NonNullable<NewJob['unique']>,
  job: string,
  now: number,
) {
  stores.uniques.set(name, { job, until: mode === 'throttle' ? now + seconds * 1000 : 0 })
}

/** Cancels a job that another replaces. It may have changed, or ended with one it waited for, by an earlier job of the same batch. */
export function replaceJob(stores: QueueStores, { id }: Job, by: string, now: number): void {
  const current = stores.jobs.get(id)
  if (current !== undefined && !hasEnded(current.phase))
    end(stores, current, phases.cancelled, `replaced by ${by}`, now)
}
