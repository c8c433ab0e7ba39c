import { WorkerEntrypoint } from 'cloudflare:workers'
import { jobQueueOf } from '../../durable-objects/address.ts'
import type { Env } from '../env.ts'
import type { VisitReference } from '../jobs/visits.ts'
import { systemClock } from '../kernel/clock.ts'
import { runHandler } from './run.ts'
import { shift } from './shift.ts'
import { Visit } from './visit.ts'

/** The way a queue sends for a visitor itself, while QStash is on its way with the same visit. */
export class Visitor extends WorkerEntrypoint<Env> {
  /** Makes the visit if it is expected. It also goes on for a while when the queue that called it is no longer there. */
  async visit(reference: VisitReference): Promise<void> {
    const visit = makeVisit(this.env, reference)
    this.ctx.waitUntil(visit.catch(() => undefined))
    await visit
  }
}

/** Makes a visit; returns how many jobs it was given, undefined when the ledger did not expect it. */
export async function makeVisit(env: Env, { tenant, queue, visit }: VisitReference): Promise<number | undefined> {
  const ledger = () => jobQueueOf(env, tenant, queue)
  if (shift.isOver || !(await ledger().arrive(visit))) return undefined
  const made = new Visit({
    // A stub that failed once is broken for good: each call takes a new one.
    ledger: {
      turn: (turn, waitMs) => ledger().turn(turn, waitMs),
      call: (name) => ledger().call(name),
      leave: (name) => ledger().leave(name),
      secrets: () => ledger().secrets(),
    },
    visit,
    run: (job, attempt) => runHandler(env, tenant, job, attempt),
    clock: systemClock,
    pause: (ms) => scheduler.wait(ms),
    random: Math.random,
  })
  return await shift.during(made, () => made.make())
}
