import type { QueueStores, JobChange } from './stores.ts'
import type { Job } from '../model/job.ts'
import { phases, readyRank } from '../model/phase.ts'
import type { Policy } from '../model/policy.ts'
import { reserve, type FullAt, type Rate } from '../model/rate.ts'

export const keyConcurrencyOf = (job: Pick<Job, 'options'>, policy: Policy): number =>
  job.options.concurrency ?? policy.keyConcurrency

/** A due job takes a place of its key if one is free, and joins its line otherwise. */
export function enterKeyQueue(stores: QueueStores, policy: Policy, job: Job, now: number): Job {
  if (job.key === null) return stores.jobs.change(job, ready(stores, job, now))
  const isFull = stores.keys.placesTaken(job.key) >= keyConcurrencyOf(job, policy)
  if (!isFull && stores.keys.nextInLine(job.key) === undefined) return takePlace(stores, policy, job, now)
  const held = stores.jobs.change(job, { phase: phases.held, rank: 0, workerRun: null, since: now })
  return isFull ? held : lineUp(stores, policy, held, now)
}

/** A place is free, and jobs in line come before this one. */
export function lineUp(stores: QueueStores, policy: Policy, held: Job, now: number): Job {
  if (held.key !== null) advanceKeyQueue(stores, policy, held.key, now)
  return stores.jobs.get(held.id) ?? held
}

/** A job takes a place of its key: it is ready now, or when the key's rate allows a start. */
export function takePlace(stores: QueueStores, policy: Policy, job: Job, now: number): Job {
  const rate = job.options.rate ?? policy.keyRate
  if (rate === null || job.key === null || job.permitted) return stores.jobs.change(job, ready(stores, job, now))

  const fullBefore = job.options.rate === null ? cappedRate(stores, job.key, rate, now) : stores.keys.rate(job.key)
  const { at, fullAt } = reserve(rate, fullBefore, now)
  stores.keys.setRate(job.key, fullAt)
  if (at <= now) return stores.jobs.change(job, ready(stores, job, now))
  return stores.jobs.change(job, { phase: phases.pausing, rank: at, permitted: true, workerRun: null, since: now })
}

/** The bucket is at most as empty as the last start still reserved leaves it: what lies further ahead is of another rate. */
function cappedRate(stores: QueueStores, key: string, rate: Rate, now: number): FullAt {
  const fullAt = stores.keys.rate(key)
  const bucketMs = rate.seconds * 1000
  return fullAt <= now + bucketMs ? fullAt : Math.min(fullAt, Math.max(now, stores.keys.lastReserved(key)) + bucketMs)
}

/** Adds a job with a key: it takes a place if one is free and no job is in line, and joins the line otherwise. */
export function placeKeyed(stores: QueueStores, job: Omit<Job, 'seq'>, key: string, now: number): Job {
  const policy = stores.settings.policy
  const held = { ...job, phase: phases.held, rank: 0 }
  if (stores.keys.placesTaken(key) >= keyConcurrencyOf(job, policy)) return stores.jobs.add(held)
  if (stores.keys.nextInLine(key) !== undefined) return lineUp(stores, policy, stores.jobs.add(held), now)
  if (job.options.rate === null && policy.keyRate === null)
    return stores.jobs.add({
      ...job,
      phase: phases.ready,
      rank: readyRank(job.options.priority, stores.jobs.nextOrder()),
    })
  return takePlace(stores, policy, stores.jobs.add(job), now)
}

/** Jobs in line take the free places of their key in order, each when its own concurrency allows. */
export function advanceKeyQueue(stores: QueueStores, policy: Policy, key: string, now: number): void {
  for (let next = stores.keys.nextInLine(key); next !== undefined; next = stores.keys.nextInLine(key)) {
    const width = keyConcurrencyOf(next, policy)
    if (stores.keys.placesTaken(key) >= width) return
    takePlace(stores, policy, next, now)
    if (stores.keys.placesTaken(key) >= width) return
  }
}

const ready = (stores: QueueStores, job: Job, now: number): JobChange => ({
  phase: phases.ready,
  rank: readyRank(job.options.priority, stores.jobs.nextOrder()),
  permitted: false,
  workerRun: null,
  since: now,
})
