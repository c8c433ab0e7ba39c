import type { Refusal } from '../../protocol/errors.ts'
import type { QueueStores } from './stores.ts'
import { decideEnqueue, toJob, type EnqueueEntry } from './enqueue.ts'
import { deadKeptMs, noteLength, type Job, type NewJob } from '../model/job.ts'
import { advanceKeyQueue, enterKeyQueue, lineUp, readyRank, takePlace, keyConcurrencyOf } from './key-queue.ts'
import { fingerprint } from '../model/payload.ts'
import { hasEnded, isTimed, phases, stateOf, type JobState } from '../model/phase.ts'
import type { Policy } from '../model/policy.ts'
import { spend, allowance, type Rate } from '../model/rate.ts'

/** The answer for one enqueued job. */
export interface Receipt {
  readonly id: string
  readonly state: JobState
  /** When it is due; of a job that does not wait for a time, when it entered its state. */
  readonly dueAt: number
  readonly duplicate: boolean
}

export type EnqueueResult = { readonly kind: 'enqueued'; readonly receipts: readonly Receipt[] } | Refusal

/** Accepts jobs, all or none; the same id again is the same job. */
export function enqueue(stores: QueueStores, wanted: readonly NewJob[], now: number): EnqueueResult {
  const decision = decideEnqueue(stores, wanted, now)
  if (decision.kind === 'refused') return decision
  return { kind: 'enqueued', receipts: decision.entries.map((entry) => accept(stores, entry, now)) }
}

function accept(stores: QueueStores, entry: EnqueueEntry, now: number): Receipt {
  if (entry.kind === 'known') {
    const job = entry.job ?? stores.jobs.get(entry.id)
    return job === undefined
      ? { id: entry.id, state: 'done', dueAt: now, duplicate: true }
      : { id: entry.id, state: stateOf(job.phase), dueAt: dueAt(job), duplicate: true }
  }
  const { job: wanted, waitsFor, replaces } = entry
  if (replaces !== undefined) replace(stores, replaces, wanted.id, now)
  const job = place(stores, wanted, waitsFor, now)
  if (wanted.unique) holdName(stores, wanted.unique, job.id, now)
  return { id: job.id, state: stateOf(job.phase), dueAt: dueAt(job), duplicate: false }
}

const dueAt = ({ phase, rank, since }: Job): number => (isTimed(phase) ? rank : since)

/** Adds a job in the phase it belongs to, with one write. */
function place(stores: QueueStores, wanted: NewJob, waitsFor: readonly string[], now: number): Job {
  const job = toJob(wanted, now)
  if (waitsFor.length > 0) {
    stores.waits.add(job.id, waitsFor)
    return settleWaits(stores, stores.jobs.add({ ...job, phase: phases.blocked }), waitsFor, now)
  }
  if (wanted.runAt > now) return stores.jobs.add(job)
  if (job.key === null)
    return stores.jobs.add({
      ...job,
      phase: phases.ready,
      rank: readyRank(job.options.priority, stores.jobs.nextOrder()),
    })
  return placeKeyed(stores, job, job.key, now)
}

/** The job may have changed, or ended with one it waited for, by an earlier job of the same batch. */
function replace(stores: QueueStores, { id }: Job, by: string, now: number): void {
  const current = stores.jobs.get(id)
  if (current !== undefined && !hasEnded(current.phase))
    end(stores, current, phases.cancelled, `replaced by ${by}`, now)
}

/** A job it waits for may have been replaced by another of the same batch. */
function settleWaits(stores: QueueStores, job: Job, waitsFor: readonly string[], now: number): Job {
  for (const id of waitsFor) {
    const other = stores.jobs.get(id)
    if (other !== undefined && hasEnded(other.phase)) settleWaiting(stores, other, now)
  }
  return stores.jobs.get(job.id) ?? job
}

function placeKeyed(stores: QueueStores, job: Omit<Job, 'seq'>, key: string, now: number): Job {
  const policy = stores.settings.policy()
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

/** Makes a job the holder of a unique name. */
export function holdName(
  stores: QueueStores,
  { name, mode, seconds = 0 }: NonNullable<NewJob['unique']>,
  job: string,
  now: number,
) {
  stores.uniques.set(name, { job, until: mode === 'throttle' ? now + seconds * 1000 : 0 })
}

/**
 * Changes the policy of the queue. Another rate begins with a bucket that is at most empty, however far ahead the old one had
 * reserved. Starts that were reserved by the old `keyRate` are reserved anew.
 */
export function changePolicy(stores: QueueStores, change: Partial<Policy>, now: number): Policy {
  const before = stores.settings.policy()
  const policy = { ...before, ...change }
  stores.settings.setPolicy(policy)
  const emptied = policy.rate === null ? Infinity : now + policy.rate.seconds * 1000
  if (stores.settings.rate() > emptied) stores.settings.setRate(emptied)
  if (isSameRate(before.keyRate, policy.keyRate)) return policy
  stores.keys.releaseReserved(now)
  while (promote(stores, now));
  return policy
}

const isSameRate = (one: Rate | null, other: Rate | null): boolean =>
  one?.count === other?.count && one?.seconds === other?.seconds

/** How many jobs may start now. Keys need no check here: a job is ready only when its key allows a start. */
export function claimable(stores: QueueStores, now: number): number {
  const policy = stores.settings.policy()
  if (policy.paused) return 0
  const counts = stores.jobs.counts()
  const room = policy.concurrency === null ? Infinity : policy.concurrency - (counts[phases.active] ?? 0)
  const pace = policy.rate === null ? Infinity : allowance(policy.rate, stores.settings.rate(), now)
  return Math.max(0, Math.min(counts[phases.ready] ?? 0, room, pace))
}

/** Gives up to `capacity` jobs to a worker run. */
export function claim(stores: QueueStores, run: string, capacity: number, now: number): Job[] {
  const jobs = stores.jobs.claim(Math.min(capacity, claimable(stores, now)), run, now)
  const { rate } = stores.settings.policy()
  if (rate !== null && jobs.length > 0) stores.settings.setRate(spend(rate, stores.settings.rate(), jobs.length, now))
  return jobs
}

/** Moves on jobs that are due, few at a time since each may be large. Returns whether there may be more. */
export function promote(stores: QueueStores, now: number, limit = 100): boolean {
  const policy = stores.settings.policy()
  const paused = stores.jobs.upTo(phases.pausing, now, limit)
  for (const job of paused) takePlace(stores, policy, job, now)
  const delayed = stores.jobs.upTo(phases.delayed, now, limit)
  for (const job of delayed) enterKeyQueue(stores, policy, job, now)
  return paused.length === limit || delayed.length === limit
}

type Ended = typeof phases.done | typeof phases.failed | typeof phases.dead | typeof phases.cancelled

/** Ends a job: the next of its key takes its place, and jobs that wait for it are settled, however long that chain is. */
export function end(
  stores: QueueStores,
  job: Job,
  phase: Ended,
  note: string,
  now: number,
  result: string | null = null,
): Job {
  const ended = endOne(stores, job, phase, note, now, result)
  settleWaiting(stores, ended, now)
  return ended
}

/** Settles the jobs that wait for a job that ended, and those that wait for jobs which failed with it. */
function settleWaiting(stores: QueueStores, ended: Job, now: number): void {
  const all = [ended]
  for (let next = all.pop(); next !== undefined; next = all.pop())
    for (const id of stores.waits.waitingFor(next.id)) all.push(...settleOne(stores, id, next, now))
}

function endOne(stores: QueueStores, job: Job, phase: Ended, note: string, now: number, result: string | null): Job {
  const ended = stores.jobs.change(job, {
    phase,
    rank: now + (phase === phases.dead ? deadKeptMs : job.options.keepMs),
    workerRun: null,
    since: now,
    note: note.slice(0, noteLength),
    result,
    progress: phase === phases.done ? 100 : job.progress,
    // Only jobs that can be sent again keep their payload.
    ...(phase === phases.done || phase === phases.cancelled ? { payload: fingerprint(job.payload) } : {}),
  })
  if (job.phase <= phases.held && job.key !== null) advanceKeyQueue(stores, stores.settings.policy(), job.key, now)
  if (job.phase === phases.blocked) stores.waits.forget(job.id)
  return ended
}

/** A job waits for one fewer, or is due; without `evenIfFailed` it fails with a job that did not succeed. Returns those that failed. */
function settleOne(stores: QueueStores, id: string, ended: Job, now: number): Job[] {
  const waiting = stores.jobs.get(id)
  if (waiting === undefined || waiting.phase !== phases.blocked) {
    stores.waits.forget(id)
    return []
  }
  if (ended.phase !== phases.done && !waiting.options.evenIfFailed)
    return [endOne(stores, waiting, phases.failed, waitedForNote(ended.id) + stateOf(ended.phase), now, null)]
  if (stores.waits.remove(id, ended.id) > 0) return []
  if (waiting.rank > now) stores.jobs.change(waiting, { phase: phases.delayed, since: now })
  else enterKeyQueue(stores, stores.settings.policy(), waiting, now)
  return []
}

/** How the note of a job begins that failed with one it waited for. */
export const waitedForNote = (id: string): string => `it waited for ${id}: `

/** Cancels a job. One that runs is stopped, and its outcome no longer counts. */
export function cancel(stores: QueueStores, id: string, now: number): Job | undefined {
  const job = stores.jobs.get(id)
  if (job === undefined || hasEnded(job.phase)) return job
  return end(stores, job, phases.cancelled, 'cancelled', now)
}
