import { refuse, type Refusal } from '../../protocol/errors.ts'
import type { JobStore, Place } from './job-store.ts'
import { runsOfALife, type Job } from '../model/job.ts'
import { noteUnique, waitedFor } from './lifecycle.ts'
import { enterKeyQueue } from './key-queue.ts'
import { hasEnded, phases, stateOf } from '../model/phase.ts'

/** Dead jobs whose names are read at a time. */
const pageOfNames = 1000

/** Sends a dead or failed job again, with all its attempts. */
export function redrive(books: JobStore, id: string, now: number): Job | Refusal {
  const job = books.get(id)
  if (job === undefined) return refuse('notFound', 'id: no such job')
  return obstacle(books, job) ?? sendAgain(books, job, now)
}

/** Sends again the oldest `limit` dead jobs that can be, and says how many it passed over. */
export function redriveAll(books: JobStore, limit: number, now: number): { redriven: number; skipped: number } {
  let redriven = 0
  let skipped = 0
  for (const id of namesOfDead(books)) {
    if (redriven === limit) break
    if ('kind' in redrive(books, id, now)) skipped++
    else redriven++
  }
  return { redriven, skipped }
}

function* namesOfDead(books: JobStore): Generator<string> {
  let place: Place | undefined = { rank: 0, seq: 0 }
  while (place !== undefined) {
    const page = books.namesBehind(phases.dead, place, pageOfNames)
    for (const { id } of page) yield id
    place = page.at(-1)
  }
}

function obstacle(books: JobStore, job: Job): Refusal | undefined {
  if (job.phase !== phases.dead && job.phase !== phases.failed)
    return refuse('conflict', `job ${job.id} is ${stateOf(job.phase)}: only dead and failed jobs can be sent again`)
  const rival = rivalOf(books, job)
  if (rival !== undefined) return refuse('conflict', `unique: ${job.options.unique?.name} is held by job ${rival.id}`)
  return job.options.evenIfFailed ? undefined : failedBefore(books, job)
}

/** Another job that lives under the unique name of this one. */
function rivalOf(books: JobStore, { id, options: { unique } }: Job): Job | undefined {
  if (unique === null || unique.mode === 'throttle') return undefined
  const holder = books.unique(unique.name)?.job
  const rival = holder === undefined || holder === id ? undefined : books.get(holder)
  return rival === undefined || hasEnded(rival.phase) ? undefined : rival
}

/** What it waits for must have succeeded or be on its way: it insists on that, however often it is sent. */
function failedBefore(books: JobStore, { id, note, options }: Job): Refusal | undefined {
  for (const other of options.after) {
    const phase = books.get(other)?.phase
    if (phase === phases.dead || phase === phases.failed)
      return refuse(
        'conflict',
        `after: job ${id} waits for ${other}, which is ${stateOf(phase)}: send that again first`,
      )
    // Of one that is forgotten nobody knows more than this, and only the first to fail was noted.
    if (phase === phases.cancelled || (phase === undefined && note.startsWith(waitedFor(other))))
      return refuse('conflict', `after: job ${id} waits for ${other}, which cannot be sent again: enqueue both anew`)
  }
  return undefined
}

function sendAgain(books: JobStore, job: Job, now: number): Job {
  const { unique, after } = job.options
  if (unique !== null && unique.mode !== 'throttle') noteUnique(books, unique, job.id, now)
  const open = after.filter((other) => isOpen(books, other))
  const run = (Math.floor(job.run / runsOfALife) + 1) * runsOfALife
  const fresh = books.change(job, { attempts: 0, run, progress: 0, note: '', permitted: false, since: now })
  if (open.length === 0) return enterKeyQueue(books, books.policy(), fresh, now)
  books.await(job.id, open)
  return books.change(fresh, { phase: phases.blocked, rank: now })
}

function isOpen(books: JobStore, id: string): boolean {
  const job = books.get(id)
  return job !== undefined && !hasEnded(job.phase)
}
