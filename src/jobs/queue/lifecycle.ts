import type { QueueStores } from './stores.ts'
import { deadKeptMs, noteLength, type Job } from '../model/job.ts'
import { advanceKeyQueue, enterKeyQueue } from './key-queue.ts'
import { fingerprint } from '../model/payload.ts'
import { hasEnded, phases, stateOf } from '../model/phase.ts'

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
export function settleWaiting(stores: QueueStores, ended: Job, now: number): void {
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
  if (job.phase <= phases.held && job.key !== null) advanceKeyQueue(stores, stores.settings.policy, job.key, now)
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
  else enterKeyQueue(stores, stores.settings.policy, waiting, now)
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
