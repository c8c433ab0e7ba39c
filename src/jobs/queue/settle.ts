import { byteLength, isLonger } from '../../kernel/text.ts'
import { backoffMs } from '../model/backoff.ts'
import type { QueueStores } from './stores.ts'
import { maxSnoozes, noteLength, resultBytes, runsOfALife, type Job, type Outcome } from '../model/job.ts'
import { end } from './lifecycle.ts'
import type { AttemptResult } from './poll.ts'
import { hasEnded, phases } from '../model/phase.ts'

/**
 * Applies the outcome of an attempt; returns the job before and after. Only the newest attempt of a job that has not ended
 * counts, so that an outcome that is reported twice, or by a worker that was given up, changes nothing: undefined then.
 */
export function settle(
  stores: QueueStores,
  { id, run, outcome }: AttemptResult,
  now: number,
  random: number,
): { readonly before: Job; readonly after: Job } | undefined {
  const before = stores.jobs.get(id)
  if (before === undefined || hasEnded(before.phase) || before.run !== run) return undefined
  return { before, after: afterAttempt(stores, before, outcome, now, random) }
}

function afterAttempt(stores: QueueStores, job: Job, outcome: Outcome, now: number, random: number): Job {
  switch (outcome.kind) {
    case 'done':
      return done(stores, job, outcome.result ?? null, now)
    case 'discard':
      return end(stores, job, phases.failed, outcome.reason, now)
    case 'snooze':
      return snooze(stores, job, outcome, now)
    case 'retry':
      return retry(stores, job, outcome, now, random)
  }
}

/** A result too long to store fails the job here: the failing write would undo all other changes of the same commit, again and again. */
function done(stores: QueueStores, job: Job, result: string | null, now: number): Job {
  if (result === null || !isLonger(result, resultBytes)) return end(stores, job, phases.done, '', now, result)
  const bytes = byteLength(result)
  return end(stores, job, phases.failed, `result: at most ${resultBytes} bytes, got ${bytes}`, now)
}

/** Tries again later without counting the attempt. */
function snooze(
  stores: QueueStores,
  job: Job,
  { seconds, reason = '' }: Extract<Outcome, { kind: 'snooze' }>,
  now: number,
): Job {
  if (job.phase !== phases.active) return job
  if ((job.run % runsOfALife) - job.attempts >= maxSnoozes)
    return end(stores, job, phases.dead, `snoozed ${maxSnoozes} times`, now)
  return pause(stores, { ...job, attempts: job.attempts - 1 }, now + seconds * 1000, reason, now)
}

function retry(
  stores: QueueStores,
  job: Job,
  outcome: Extract<Outcome, { kind: 'retry' }>,
  now: number,
  random: number,
): Job {
  if (job.phase !== phases.active) return job
  const { attempts, backoff } = job.options
  if (job.attempts >= attempts) return end(stores, job, phases.dead, outcome.reason, now)
  const waitMs =
    outcome.afterSeconds === undefined
      ? backoffMs(backoff, job.attempts, outcome.error, random)
      : outcome.afterSeconds * 1000
  return pause(stores, job, now + waitMs, outcome.reason, now)
}

/** Between attempts a job keeps its place, so that no job of its key overtakes it. */
const pause = (stores: QueueStores, job: Job, until: number, note: string, now: number): Job =>
  stores.jobs.change(job, {
    phase: phases.pausing,
    rank: until,
    attempts: job.attempts,
    workerRun: null,
    permitted: false,
    since: now,
    note: note.slice(0, noteLength),
  })

/** The outcome of an attempt whose worker was lost or took too long. */
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
