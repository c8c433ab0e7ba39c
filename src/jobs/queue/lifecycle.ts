import type { Refusal } from '../../protocol/errors.ts'
import type { JobStore } from './job-store.ts'
import { decideEnqueue, toJob, type Entry } from './enqueue.ts'
import { deadKeptMs, noteLength, type Job, type NewJob } from '../model/job.ts'
import { advanceKeyQueue, enterKeyQueue, lineUp, readyRank, takePlace, keyConcurrencyOf } from './key-queue.ts'
import { spent } from '../model/payload.ts'
import { hasEnded, isTimed, phases, stateOf, type JobState } from '../model/phase.ts'
import type { Policy } from '../model/policy.ts'
import { spend, allowance, type Rate } from '../model/rate.ts'

/** What became of one enqueued job. */
export interface Receipt {
  readonly id: string
  readonly state: JobState
  /** When it is due; once that is over, when it became what it is. */
  readonly dueAt: number
  readonly duplicate: boolean
}

export type Enqueued = { readonly kind: 'enqueued'; readonly receipts: readonly Receipt[] } | Refusal

/** The steps of a job's life, one per function; each takes the books and the time, and leaves both consistent. */

/** Accepts jobs, all or none; the same id again is the same job. */
export function enqueue(books: JobStore, wanted: readonly NewJob[], now: number): Enqueued {
  const intake = decideEnqueue(books, wanted, now)
  if (intake.kind === 'refused') return intake
  return { kind: 'enqueued', receipts: intake.entries.map((entry) => accept(books, entry, now)) }
}

function accept(books: JobStore, entry: Entry, now: number): Receipt {
  if (entry.kind === 'known') {
    const job = entry.job ?? books.get(entry.id)
    return job === undefined
      ? { id: entry.id, state: 'done', dueAt: now, duplicate: true }
      : { id: entry.id, state: stateOf(job.phase), dueAt: dueAt(job), duplicate: true }
  }
  const { job: wanted, waitsFor, replaces } = entry
  if (replaces !== undefined) replace(books, replaces, wanted.id, now)
  const job = place(books, wanted, waitsFor, now)
  if (wanted.unique) noteUnique(books, wanted.unique, job.id, now)
  return { id: job.id, state: stateOf(job.phase), dueAt: dueAt(job), duplicate: false }
}

const dueAt = ({ phase, rank, since }: Job): number => (isTimed(phase) ? rank : since)

/** A new job goes straight to where it belongs: one row written, not two. */
function place(books: JobStore, wanted: NewJob, waitsFor: readonly string[], now: number): Job {
  const job = toJob(wanted, now)
  if (waitsFor.length > 0) {
    books.await(job.id, waitsFor)
    return hearOfEnded(books, books.add({ ...job, phase: phases.blocked }), waitsFor, now)
  }
  if (wanted.runAt > now) return books.add(job)
  if (job.key === null)
    return books.add({ ...job, phase: phases.ready, rank: readyRank(job.options.priority, books.nextTurn()) })
  return placeKeyed(books, job, job.key, now)
}

/** It may have changed, or ended with what it waited for, by what came before in the same batch. */
function replace(books: JobStore, { id }: Job, by: string, now: number): void {
  const current = books.get(id)
  if (current !== undefined && !hasEnded(current.phase)) end(books, current, phases.cancelled, `replaced by ${by}`, now)
}

/** What it waits for may have been replaced by a job that came together with it. */
function hearOfEnded(books: JobStore, job: Job, waitsFor: readonly string[], now: number): Job {
  for (const id of waitsFor) {
    const other = books.get(id)
    if (other !== undefined && hasEnded(other.phase)) tellAll(books, other, now)
  }
  return books.get(job.id) ?? job
}

function placeKeyed(books: JobStore, job: Omit<Job, 'seq'>, key: string, now: number): Job {
  const policy = books.policy()
  const held = { ...job, phase: phases.held, rank: 0 }
  if (books.placesTaken(key) >= keyConcurrencyOf(job, policy)) return books.add(held)
  if (books.nextInLine(key) !== undefined) return lineUp(books, policy, books.add(held), now)
  if (job.options.rate === null && policy.keyRate === null)
    return books.add({ ...job, phase: phases.ready, rank: readyRank(job.options.priority, books.nextTurn()) })
  return takePlace(books, policy, books.add(job), now)
}

/** A unique name is this job's from now on. */
export function noteUnique(
  books: JobStore,
  { name, mode, seconds = 0 }: NonNullable<NewJob['unique']>,
  job: string,
  now: number,
) {
  books.setUnique(name, { job, until: mode === 'throttle' ? now + seconds * 1000 : 0 })
}

/**
 * Changes how the queue runs. Under another rate it owes no more than that one's bucket holds: what lies further ahead was
 * the old one's. Starts that keys reserved by their old rate are reserved anew.
 */
export function changePolicy(books: JobStore, change: Partial<Policy>, now: number): Policy {
  const before = books.policy()
  const policy = { ...before, ...change }
  books.setPolicy(policy)
  const emptied = policy.rate === null ? Infinity : now + policy.rate.seconds * 1000
  if (books.queueRate() > emptied) books.setQueueRate(emptied)
  if (isSameRate(before.keyRate, policy.keyRate)) return policy
  books.giveUpReserved(now)
  while (promote(books, now));
  return policy
}

const isSameRate = (one: Rate | null, other: Rate | null): boolean =>
  one?.count === other?.count && one?.seconds === other?.seconds

/** How many jobs may start now, whatever keys say: they are ready only when theirs allows. */
export function claimable(books: JobStore, now: number): number {
  const policy = books.policy()
  if (policy.paused) return 0
  const counts = books.counts()
  const room = policy.concurrency === null ? Infinity : policy.concurrency - (counts[phases.active] ?? 0)
  const pace = policy.rate === null ? Infinity : allowance(policy.rate, books.queueRate(), now)
  return Math.max(0, Math.min(counts[phases.ready] ?? 0, room, pace))
}

/** Hands at most `want` jobs to a visit. */
export function claim(books: JobStore, visit: string, want: number, now: number): Job[] {
  const jobs = books.claim(Math.min(want, claimable(books, now)), visit, now)
  const { rate } = books.policy()
  if (rate !== null && jobs.length > 0) books.setQueueRate(spend(rate, books.queueRate(), jobs.length, now))
  return jobs
}

/** Brings to their places all whose time has come, few at a time since each may be large. Returns whether there may be more. */
export function promote(books: JobStore, now: number, limit = 100): boolean {
  const policy = books.policy()
  const paused = books.upTo(phases.pausing, now, limit)
  for (const job of paused) takePlace(books, policy, job, now)
  const delayed = books.upTo(phases.delayed, now, limit)
  for (const job of delayed) enterKeyQueue(books, policy, job, now)
  return paused.length === limit || delayed.length === limit
}

type Ended = typeof phases.done | typeof phases.failed | typeof phases.dead | typeof phases.cancelled

/** A job ends: its place in line goes to the next, and those who wait for it hear of it, however long that chain is. */
export function end(
  books: JobStore,
  job: Job,
  phase: Ended,
  note: string,
  now: number,
  result: string | null = null,
): Job {
  const ended = endOne(books, job, phase, note, now, result)
  tellAll(books, ended, now)
  return ended
}

/** Whoever waits for a job that ended hears of it, and those who wait for who gave up with it. */
function tellAll(books: JobStore, ended: Job, now: number): void {
  const told = [ended]
  for (let next = told.pop(); next !== undefined; next = told.pop())
    for (const id of books.waitingFor(next.id)) told.push(...tellWaiting(books, id, next, now))
}

function endOne(books: JobStore, job: Job, phase: Ended, note: string, now: number, result: string | null): Job {
  const ended = books.change(job, {
    phase,
    rank: now + (phase === phases.dead ? deadKeptMs : job.options.keepMs),
    visit: null,
    since: now,
    note: note.slice(0, noteLength),
    result,
    progress: phase === phases.done ? 100 : job.progress,
    // What can be sent again keeps its words, all else lets go of them.
    ...(phase === phases.done || phase === phases.cancelled ? { payload: spent(job.payload) } : {}),
  })
  if (job.phase <= phases.held && job.key !== null) advanceKeyQueue(books, books.policy(), job.key, now)
  if (job.phase === phases.blocked) books.forgetWaits(job.id)
  return ended
}

/** A job waits for one fewer, or for nothing any more; one that insists on success fails with what it waited for. */
function tellWaiting(books: JobStore, id: string, ended: Job, now: number): Job[] {
  const waiting = books.get(id)
  if (waiting === undefined || waiting.phase !== phases.blocked) {
    books.forgetWaits(id)
    return []
  }
  if (ended.phase !== phases.done && !waiting.options.evenIfFailed)
    return [endOne(books, waiting, phases.failed, waitedFor(ended.id) + stateOf(ended.phase), now, null)]
  if (books.release(id, ended.id) > 0) return []
  if (waiting.rank > now) books.change(waiting, { phase: phases.delayed, since: now })
  else enterKeyQueue(books, books.policy(), waiting, now)
  return []
}

/** How the note of a job begins that failed for one it waited for. */
export const waitedFor = (id: string): string => `it waited for ${id}: `

/** Takes a job out of the queue. One that runs is told to stop, and what it still says no longer counts. */
export function cancel(books: JobStore, id: string, now: number): Job | undefined {
  const job = books.get(id)
  if (job === undefined || hasEnded(job.phase)) return job
  return end(books, job, phases.cancelled, 'cancelled', now)
}
