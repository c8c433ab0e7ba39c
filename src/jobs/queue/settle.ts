import { byteLength, isLonger } from '../../kernel/text.ts'
import { backoffMs } from '../model/backoff.ts'
import type { JobStore } from './job-store.ts'
import { maxSnoozes, noteLength, resultBytes, runsOfALife, type Job, type Outcome } from '../model/job.ts'
import { end } from './lifecycle.ts'
import { hasEnded, phases } from '../model/phase.ts'

/** How attempt `run` of a job ended. */
export interface AttemptResult {
  readonly id: string
  readonly run: number
  readonly outcome: Outcome
}

/**
 * Takes an attempt's word. Only the newest attempt of a job that has not ended is believed, so that an outcome told
 * twice, or by a worker that was given up, changes nothing; undefined then.
 */
export function settle(
  books: JobStore,
  { id, run, outcome }: AttemptResult,
  now: number,
  random: number,
): { readonly before: Job; readonly after: Job } | undefined {
  const before = books.get(id)
  if (before === undefined || hasEnded(before.phase) || before.run !== run) return undefined
  return { before, after: afterAttempt(books, before, outcome, now, random) }
}

function afterAttempt(books: JobStore, job: Job, outcome: Outcome, now: number, random: number): Job {
  switch (outcome.kind) {
    case 'done':
      return done(books, job, outcome.result ?? null, now)
    case 'discard':
      return end(books, job, phases.failed, outcome.reason, now)
    case 'snooze':
      return snooze(books, job, outcome, now)
    case 'retry':
      return retry(books, job, outcome, now, random)
  }
}

/** What cannot be kept must not be tried: it would undo all else that ended in the same turn, again and again. */
function done(books: JobStore, job: Job, result: string | null, now: number): Job {
  if (result === null || !isLonger(result, resultBytes)) return end(books, job, phases.done, '', now, result)
  const bytes = byteLength(result)
  return end(books, job, phases.failed, `its result has ${bytes} bytes, at most ${resultBytes} can be kept`, now)
}

/** Later, and it does not count as an attempt. */
function snooze(
  books: JobStore,
  job: Job,
  { seconds, reason = '' }: Extract<Outcome, { kind: 'snooze' }>,
  now: number,
): Job {
  if (job.phase !== phases.active) return job
  if ((job.run % runsOfALife) - job.attempts >= maxSnoozes)
    return end(books, job, phases.dead, `snoozed ${maxSnoozes} times`, now)
  return pause(books, { ...job, attempts: job.attempts - 1 }, now + seconds * 1000, reason, now)
}

function retry(
  books: JobStore,
  job: Job,
  outcome: Extract<Outcome, { kind: 'retry' }>,
  now: number,
  random: number,
): Job {
  if (job.phase !== phases.active) return job
  const { attempts, backoff } = job.options
  if (job.attempts >= attempts) return end(books, job, phases.dead, outcome.reason, now)
  const waitMs =
    outcome.afterSeconds === undefined
      ? backoffMs(backoff, job.attempts, outcome.error, random)
      : outcome.afterSeconds * 1000
  return pause(books, job, now + waitMs, outcome.reason, now)
}

/** Between attempts a job keeps its place, so that nothing of its key overtakes it. */
const pause = (books: JobStore, job: Job, until: number, note: string, now: number): Job =>
  books.change(job, {
    phase: phases.pausing,
    rank: until,
    attempts: job.attempts,
    visit: null,
    permitted: false,
    since: now,
    note: note.slice(0, noteLength),
  })

/** What a job whose worker was lost, or took too long, is said to have answered. */
export const lostOutcome = (job: Job, error: 'lost' | 'timeout'): AttemptResult => ({
  id: job.id,
  run: job.run,
  outcome: {
    kind: 'retry',
    error,
    reason: error === 'lost' ? 'its worker was lost' : `took longer than ${job.options.timeoutMs} ms`,
    ...(error === 'lost' ? { afterSeconds: 0 } : {}),
  },
})
