import { refuse, type Refusal } from '../../protocol/errors.ts'
import type { QueueStores, RankCursor } from './stores.ts'
import { runsOfALife, type Job } from '../model/job.ts'
import { waitedForNote } from './lifecycle.ts'
import { holdName } from './unique-names.ts'
import { enterKeyQueue } from './key-queue.ts'
import { hasEnded, phases, stateOf } from '../model/phase.ts'

/** Ids of dead jobs that are read at a time. */
const pageSize = 1000

/** Sends a dead or failed job again, with all its attempts. */
export function redrive(stores: QueueStores, id: string, now: number): Job | Refusal {
  const job = stores.jobs.get(id)
  if (job === undefined) return refuse('notFound', 'id: no such job')
  return obstacle(stores, job) ?? sendAgain(stores, job, now)
}

/** Sends again the oldest dead jobs, up to `limit`; `skipped` counts those that cannot be. */
export function redriveAll(stores: QueueStores, limit: number, now: number): { redriven: number; skipped: number } {
  let redriven = 0
  let skipped = 0
  for (const id of deadIds(stores)) {
    if (redriven === limit) break
    if ('kind' in redrive(stores, id, now)) skipped++
    else redriven++
  }
  return { redriven, skipped }
}

function* deadIds(stores: QueueStores): Generator<string> {
  let cursor: RankCursor | undefined = { rank: 0, seq: 0 }
  while (cursor !== undefined) {
    const page = stores.jobs.idsAfter(phases.dead, cursor, pageSize)
    for (const { id } of page) yield id
    cursor = page.at(-1)
  }
}

function obstacle(stores: QueueStores, job: Job): Refusal | undefined {
  if (job.phase !== phases.dead && job.phase !== phases.failed)
    return refuse('conflict', `job ${job.id} is ${stateOf(job.phase)}: only dead and failed jobs can be sent again`)
  const holder = holderBeside(stores, job)
  if (holder !== undefined) return refuse('conflict', `unique: ${job.options.unique?.name} is held by job ${holder.id}`)
  return job.options.evenIfFailed ? undefined : failedBefore(stores, job)
}

/** Another job that holds the unique name of this one and has not ended. */
function holderBeside(stores: QueueStores, { id, options: { unique } }: Job): Job | undefined {
  if (unique === null || unique.mode === 'throttle') return undefined
  const name = stores.uniques.get(unique.name)?.job
  const holder = name === undefined || name === id ? undefined : stores.jobs.get(name)
  return holder === undefined || hasEnded(holder.phase) ? undefined : holder
}

/** Refused while a job it waits for has failed: it needs their success, however often it is sent again. */
function failedBefore(stores: QueueStores, { id, note, options }: Job): Refusal | undefined {
  for (const other of options.after) {
    const phase = stores.jobs.get(other)?.phase
    if (phase === phases.dead || phase === phases.failed)
      return refuse(
        'conflict',
        `after: job ${id} waits for ${other}, which is ${stateOf(phase)}: send that again first`,
      )
    // Of a job that was deleted only this is known, and only the first to fail was noted.
    if (phase === phases.cancelled || (phase === undefined && note.startsWith(waitedForNote(other))))
      return refuse('conflict', `after: job ${id} waits for ${other}, which cannot be sent again: enqueue both anew`)
  }
  return undefined
}

function sendAgain(stores: QueueStores, job: Job, now: number): Job {
  const { unique, after } = job.options
  if (unique !== null && unique.mode !== 'throttle') holdName(stores, unique, job.id, now)
  const open = after.filter((other) => isOpen(stores, other))
  const run = (Math.floor(job.run / runsOfALife) + 1) * runsOfALife
  const fresh = stores.jobs.change(job, { attempts: 0, run, progress: 0, note: '', permitted: false, since: now })
  if (open.length === 0) return enterKeyQueue(stores, stores.settings.policy, fresh, now)
  stores.waits.add(job.id, open)
  return stores.jobs.change(fresh, { phase: phases.blocked, rank: now })
}

function isOpen(stores: QueueStores, id: string): boolean {
  const job = stores.jobs.get(id)
  return job !== undefined && !hasEnded(job.phase)
}
