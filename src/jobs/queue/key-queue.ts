import type { JobStore, Change } from './job-store.ts'
import type { Job } from '../model/job.ts'
import { phases } from '../model/phase.ts'
import type { Policy } from '../model/policy.ts'
import { reserve, type FullAt, type Rate } from '../model/rate.ts'

/** Turns within one priority; 2^44 of them and 201 priorities stay below 2^53, what a number holds exactly. */
const turns = 2 ** 44

/** The rank of a ready job: by priority, then by when it became ready, so that keys take turns and none starves. */
export const readyRank = (priority: number, turn: number): number => (100 - priority) * turns + turn

/** The turn in a ready job's rank. */
export const turnOf = (rank: number): number => rank % turns

export const keyConcurrencyOf = (job: Pick<Job, 'options'>, policy: Policy): number =>
  job.options.concurrency ?? policy.keyConcurrency

/** A job whose time has come stands in its key's line, at a place if one is free, else behind the others. */
export function enterKeyQueue(books: JobStore, policy: Policy, job: Job, now: number): Job {
  if (job.key === null) return books.change(job, ready(books, job, now))
  const isFull = books.placesTaken(job.key) >= keyConcurrencyOf(job, policy)
  if (!isFull && books.nextInLine(job.key) === undefined) return takePlace(books, policy, job, now)
  const held = books.change(job, { phase: phases.held, rank: 0, visit: null, since: now })
  return isFull ? held : lineUp(books, policy, held, now)
}

/** A place is free, and others in line had it first. */
export function lineUp(books: JobStore, policy: Policy, held: Job, now: number): Job {
  if (held.key !== null) advanceKeyQueue(books, policy, held.key, now)
  return books.get(held.id) ?? held
}

/** A job takes a place of its key: it is ready, or will be when the key's rate allows. */
export function takePlace(books: JobStore, policy: Policy, job: Job, now: number): Job {
  const rate = job.options.rate ?? policy.keyRate
  if (rate === null || job.key === null || job.permitted) return books.change(job, ready(books, job, now))

  const owed = job.options.rate === null ? owedAtMost(books, job.key, rate, now) : books.keyRate(job.key)
  const { at, fullAt } = reserve(rate, owed, now)
  books.setKeyRate(job.key, fullAt)
  if (at <= now) return books.change(job, ready(books, job, now))
  return books.change(job, { phase: phases.pausing, rank: at, permitted: true, visit: null, since: now })
}

/** A key owes no more than a bucket emptied with the last start that is still reserved: what lies further ahead was another rate's. */
function owedAtMost(books: JobStore, key: string, rate: Rate, now: number): FullAt {
  const fullAt = books.keyRate(key)
  const bucketMs = rate.seconds * 1000
  return fullAt <= now + bucketMs ? fullAt : Math.min(fullAt, Math.max(now, books.lastReserved(key)) + bucketMs)
}

/** Places of a key may be free: those in line take them in their order, each when no more are taken than it bears beside itself. */
export function advanceKeyQueue(books: JobStore, policy: Policy, key: string, now: number): void {
  for (let next = books.nextInLine(key); next !== undefined; next = books.nextInLine(key)) {
    const width = keyConcurrencyOf(next, policy)
    if (books.placesTaken(key) >= width) return
    takePlace(books, policy, next, now)
    if (books.placesTaken(key) >= width) return
  }
}

const ready = (books: JobStore, job: Job, now: number): Change => ({
  phase: phases.ready,
  rank: readyRank(job.options.priority, books.nextTurn()),
  permitted: false,
  visit: null,
  since: now,
})
