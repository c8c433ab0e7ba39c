import { WorkerEntrypoint } from 'cloudflare:workers'
import { jobQueueOf } from '../../durable-objects/address.ts'
import type { Env } from '../env.ts'
import type { WorkerRunReference } from '../jobs/queue/worker-runs.ts'
import { systemClock } from '../kernel/clock.ts'
import { runHandler } from './run.ts'
import { drain } from './drain.ts'
import { WorkerRun } from './worker-run.ts'

/** The way a queue sends for a visitor itself, while QStash is on its way with the same visit. */
export class JobWorker extends WorkerEntrypoint<Env> {
  /** Makes the visit if it is expected. It also goes on for a while when the queue that called it is no longer there. */
  async run(reference: WorkerRunReference): Promise<void> {
    const visit = startRun(this.env, reference)
    this.ctx.waitUntil(visit.catch(() => undefined))
    await visit
  }
}

/** Makes a visit; returns how many jobs it was given, undefined when the ledger did not expect it. */
export async function startRun(env: Env, { tenant, queue, visit }: WorkerRunReference): Promise<number | undefined> {
  const ledger = () => jobQueueOf(env, tenant, queue)
  if (drain.isOver || !(await ledger().startRun(visit))) return undefined
  const made = new WorkerRun({
    // A stub that failed once is broken for good: each call takes a new one.
    queue: {
      poll: (turn, waitMs) => ledger().poll(turn, waitMs),
      wake: (name) => ledger().wake(name),
      endRun: (name) => ledger().endRun(name),
      secrets: () => ledger().secrets(),
    },
    workerRun: visit,
    run: (job, attempt) => runHandler(env, tenant, job, attempt),
    clock: systemClock,
    pause: (ms) => scheduler.wait(ms),
    random: Math.random,
  })
  return await drain.during(made, () => made.run())
}
