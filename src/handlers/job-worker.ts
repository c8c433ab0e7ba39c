import { WorkerEntrypoint } from 'cloudflare:workers'
import { jobQueueOf } from '../../durable-objects/address.ts'
import { forRequest, type Env } from '../env.ts'
import type { Outcome } from '../jobs/model/job.ts'
import type { WorkerRunReference } from '../jobs/queue/worker-runs.ts'
import { systemClock } from '../kernel/clock.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { idsOf } from '../kernel/request-context.ts'
import type { Attempt } from './attempt.ts'
import { drain } from './drain.ts'
import { handlers } from './handlers.ts'
import { firstCapacity, WorkerRun } from './worker-run.ts'

/** The direct dispatch: how a queue starts a run of this Worker without QStash. */
export class JobWorker extends WorkerEntrypoint<Env> {
  /** Resolves when the run is over. It continues for a while when the queue that called it is gone. */
  async run(reference: WorkerRunReference): Promise<void> {
    const run = startRun(this.env, reference)
    this.ctx.waitUntil(run.catch(() => undefined))
    await run
  }
}

/** Runs a worker on a queue; returns how many jobs it was given, undefined when the queue does not expect the run. */
export async function startRun(env: Env, { tenant, queue, run }: WorkerRunReference): Promise<number | undefined> {
  if (drain.isOver) return undefined
  let stub = jobQueueOf(env, tenant, queue)
  const start = await stub.startRun(run, firstCapacity, env.request)
  if (start === undefined) return undefined
  const workerRun = new WorkerRun({
    // One stub keeps calls in their order; after a failure it is broken for good and replaced.
    poll: async (request, waitMs) => {
      const used = stub
      try {
        return await used.poll(request, waitMs)
      } catch (thrown) {
        if (stub === used) stub = jobQueueOf(env, tenant, queue)
        throw thrown
      }
    },
    workerRun: run,
    request: env.request,
    run: (attempt) => runJob(env, tenant, attempt),
    clock: systemClock,
    pause: (ms) => scheduler.wait(ms),
    random: Math.random,
  })
  drain.runs.add(workerRun)
  try {
    return await workerRun.run(start)
  } finally {
    drain.runs.delete(workerRun)
  }
}

/**
 * Runs a job's handler; an error it throws is an outcome like any other. A job of an unknown type is retried before it is
 * dead: while a new version is rolled out, the next worker may know the type.
 */
async function runJob(env: Env, tenant: string, attempt: Attempt): Promise<Outcome> {
  const { id, type, payload, traceparent } = attempt.job
  const handler = handlers.get(type)
  if (handler === undefined) return { kind: 'retry', error: 'unknown-type', reason: `no handler for ${type}` }
  const scoped = traceparent === undefined ? env : forRequest(env, { traceparent })
  try {
    return await handler(scoped, tenant, payload, attempt)
  } catch (thrown) {
    log.warn('jobs.handler-failed', { ...idsOf(scoped.request), type, id, reason: reasonOf(thrown) })
    return { kind: 'retry', error: 'thrown', reason: reasonOf(thrown) }
  }
}
