import { DurableObject } from 'cloudflare:workers'
import { carriedAheadMs, carry } from '../src/adapters/qstash/carrier.ts'
import { loadConfig } from '../src/config.ts'
import type { Env } from '../src/env.ts'
import {
  afterAttempt,
  decideEnqueue,
  isToCarry,
  overdueMs,
  type Job,
  type NewJob,
  type Outcome,
} from '../src/jobs/job.ts'
import { systemClock } from '../src/kernel/clock.ts'
import { log, reasonOf } from '../src/kernel/log.ts'
import { backoffMs } from '../src/kernel/retry.ts'
import type { Refusal } from '../src/protocol/errors.ts'
import { ownName } from './address.ts'
import { JobTable } from './parts/job-table.ts'
import { jobQueueSchema } from './schema/job-queue.ts'
import { migrate } from './schema/migrate.ts'

const retentionMs = 7 * 86_400_000
const batchJobs = 100

/** The ledger of one queue: it decides, QStash carries. A job is accepted when it is written here, wherever QStash is. */
export class JobQueue extends DurableObject<Env> {
  readonly #clock = systemClock
  readonly #jobs: JobTable
  #failures = 0

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    migrate(ctx.storage.sql, jobQueueSchema)
    this.#jobs = new JobTable(ctx.storage.sql)
  }

  /** Accepts a job; the same id again is the same job. */
  async enqueue(
    wanted: NewJob,
  ): Promise<Refusal | { readonly kind: 'queued'; readonly id: string; readonly duplicate: boolean }> {
    const now = this.#clock.now()
    const decision = decideEnqueue(this.#jobs.get(wanted.id), wanted, now)
    if (decision.kind === 'refused') return decision
    if (decision.kind === 'known') return { kind: 'queued', id: wanted.id, duplicate: true }

    this.#jobs.put(decision.job)
    await this.#wakeAt(Math.max(now, decision.job.runAt - carriedAheadMs))
    return { kind: 'queued', id: wanted.id, duplicate: false }
  }

  /** The job a delivery is about, if it still has to be done. */
  begin(id: string): Job | undefined {
    const job = this.#jobs.get(id)
    return job === undefined || job.state === 'done' || job.state === 'dead' ? undefined : job
  }

  /** Notes how an attempt ended; returns the job as it stands now. */
  async settle(id: string, outcome: Outcome): Promise<Job | undefined> {
    const job = this.begin(id)
    if (job === undefined) return undefined
    const settled = afterAttempt(job, outcome, this.#clock.now())
    this.#jobs.put(settled)
    if (settled.state === 'waiting') await this.#wakeAt(settled.runAt)
    return settled
  }

  find(id: string): Job | undefined {
    return this.#jobs.get(id)
  }

  counts(): Record<string, number> {
    return this.#jobs.counts()
  }

  /** What cron does for a queue: forgets what ended long ago, hands over again what got lost. */
  async sweep(): Promise<void> {
    const now = this.#clock.now()
    this.#jobs.forget(now - retentionMs)
    if (this.#due(now).length > 0) await this.#wakeAt(now)
  }

  override async alarm(): Promise<void> {
    const now = this.#clock.now()
    try {
      await this.#carryDue(now)
      this.#failures = 0
    } catch (thrown) {
      this.#failures++
      log.warn('jobs.carry-failed', { failures: this.#failures, why: reasonOf(thrown) })
    }
    const next = this.#nextWake(now)
    if (next !== undefined) await this.ctx.storage.setAlarm(next)
  }

  async #carryDue(now: number): Promise<void> {
    const { tenant, name: queue } = ownName(this.ctx.id.name)
    const due = this.#due(now)
    if (due.length === 0) return
    const parcels = due.map(({ id, runAt, since }) => ({
      tenant,
      queue,
      id,
      runAt: Math.max(runAt, now),
      attempt: since,
    }))
    await carry(loadConfig(this.env), parcels)
    // Another turn may have settled some meanwhile: only those that still wait become carried.
    for (const { id } of due) {
      const job = this.begin(id)
      if (job !== undefined) this.#jobs.put({ ...job, state: 'carried', since: now })
    }
  }

  #due(now: number): Job[] {
    const waiting = this.#jobs.inState('waiting', batchJobs).filter(({ runAt }) => runAt - carriedAheadMs <= now)
    const lost = this.#jobs.inState('carried', batchJobs).filter((job) => isToCarry(job, now))
    return [...waiting, ...lost]
  }

  #nextWake(now: number): number | undefined {
    if (this.#failures > 0) return now + backoffMs(this.#failures, 1000, 60_000, Math.random())
    const waiting = this.#jobs.inState('waiting', 1)[0]
    const carried = this.#jobs.inState('carried', 1)[0]
    const wakes = [
      ...(waiting === undefined ? [] : [Math.max(now, waiting.runAt - carriedAheadMs)]),
      ...(carried === undefined ? [] : [Math.max(carried.runAt, carried.since) + overdueMs + 1000]),
    ]
    return wakes.length === 0 ? undefined : Math.min(...wakes)
  }

  async #wakeAt(at: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm()
    if (set === null || set > at) await this.ctx.storage.setAlarm(at)
  }
}
