import { refuse, type Refusal } from '../../protocol/errors.ts'
import { byteLength } from '../../kernel/text.ts'
import { collectedBytes, type Job, type NewJob } from '../model/job.ts'
import { hasEnded, phases, stateOf } from '../model/phase.ts'
import { settleWaiting } from './lifecycle.ts'
import type { Collected } from './poll.ts'
import type { QueueStores } from './stores.ts'

/** Jobs that one may wait for. */
export const maxAwaited = 100

/** A job that waits for one that is not added waits for the holder of its unique name instead. */
export function awaitStandIns(job: NewJob, standIns: ReadonlyMap<string, string>): NewJob {
  if (job.after?.some((id) => standIns.has(id)) !== true) return job
  return { ...job, after: job.after.map((id) => standIns.get(id) ?? id) }
}

/** The jobs that a job still has to wait for, among those stored and `all` of its enqueue. An unknown one, or one that has failed, is refused at once. */
export function awaited(stores: QueueStores, job: NewJob, all: readonly NewJob[]): readonly string[] | Refusal {
  const ids = [...new Set(job.after)]
  if (ids.length > maxAwaited) return refuse('invalidPayload', `after: at most ${maxAwaited} jobs`)
  const open: string[] = []
  for (const id of ids) {
    const other = stores.jobs.get(id)
    if (other === undefined && !all.some((other) => other.id === id))
      return refuse('invalidPayload', `after: there is no job ${id} in this queue`)
    if (other !== undefined && hasEnded(other.phase)) {
      if (other.phase !== phases.done && job.evenIfFailed !== true)
        return refuse('invalidPayload', `after: job ${id} did not succeed`)
    } else open.push(id)
  }
  return open
}

/** A job and the jobs it waits for, among those enqueued together. */
interface Dependency {
  readonly id: string
  readonly after: readonly string[]
}

/** A cycle as the ids along it, or undefined: depth first, without recursion, each job visited once. */
export function findCycle(nodes: readonly Dependency[]): string[] | undefined {
  const after = new Map(nodes.map((node) => [node.id, node.after]))
  const settled = new Set<string>()
  for (const { id } of nodes) {
    const cycle = walk(id, after, settled)
    if (cycle !== undefined) return cycle
  }
  return undefined
}

function walk(from: string, after: ReadonlyMap<string, readonly string[]>, settled: Set<string>): string[] | undefined {
  const path = [{ id: from, next: 0 }]
  const onPath = new Set([from])
  while (path.length > 0) {
    const here = path.at(-1) ?? { id: from, next: 0 }
    const child = (after.get(here.id) ?? [])[here.next++]
    if (child === undefined || settled.has(here.id)) {
      settled.add(here.id)
      onPath.delete(here.id)
      path.pop()
    } else if (onPath.has(child)) {
      return [...path.slice(path.findIndex(({ id }) => id === child)).map(({ id }) => id), child]
    } else if (!settled.has(child)) {
      path.push({ id: child, next: 0 })
      onPath.add(child)
    }
  }
  return undefined
}

/** Adds a job that waits for others, each of which may have been replaced by another job of the same batch. */
export function placeBlocked(
  stores: QueueStores,
  job: Omit<Job, 'seq'>,
  waitsFor: readonly string[],
  now: number,
): Job {
  stores.waits.add(job.id, waitsFor)
  const blocked = stores.jobs.add({ ...job, phase: phases.blocked })
  for (const id of waitsFor) {
    const other = stores.jobs.get(id)
    if (other !== undefined && hasEnded(other.phase)) settleWaiting(stores, other, now)
  }
  return stores.jobs.get(job.id) ?? blocked
}

/** How the jobs ended that a job waited for; undefined when their results are too large for a call, before all are in memory. */
export function collectResults(stores: QueueStores, after: readonly string[]): Collected[] | undefined {
  const collected: Collected[] = []
  let bytes = 0
  for (const id of after) {
    const job = stores.jobs.get(id)
    const result = job?.result ?? null
    bytes += byteLength(result ?? '')
    if (bytes > collectedBytes) return undefined
    collected.push({ id, state: job === undefined ? 'forgotten' : stateOf(job.phase), result })
  }
  return collected
}
