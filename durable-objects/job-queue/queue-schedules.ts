import { refuseUsage, usageWith } from '../../src/jobs/schedules/schedule-limits.ts'
import { putSchedule } from '../../src/jobs/schedules/schedule-runs.ts'
import type { ScheduleSpec, ScheduleUsage } from '../../src/jobs/schedules/schedule.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'
import type { Refusal } from '../../src/protocol/errors.ts'
import type { PutSchedule } from '../contracts.ts'
import type { Sql } from '../shared/sql.ts'
import type { SqlStores } from './sql-stores.ts'

/** What the schedules of a queue need of its actor. */
interface SchedulesContext {
  readonly sql: Sql
  readonly stores: SqlStores
  readonly queue: string
  /** Changes the stores in one commit. */
  readonly changing: <T>(change: (now: number) => T, request: RequestContext | undefined) => T
  /** Claims usage from the tenant's queue `default`. */
  readonly claim: (queue: string, before: ScheduleUsage, after: ScheduleUsage) => Promise<Refusal | undefined>
}

/** Changes of a queue's schedules, within the limits of all queues of the tenant, whose usage its queue `default` keeps. */
export class QueueSchedules {
  readonly #context: SchedulesContext
  #changes = Promise.resolve()
  #hasReported = false

  constructor(context: SchedulesContext) {
    this.#context = context
  }

  /** Creates a schedule or changes it. */
  put(spec: ScheduleSpec, request: RequestContext | undefined): Promise<PutSchedule | Refusal> {
    const { stores, changing } = this.#context
    return this.#inOrder(async () => {
      const refused = await this.#claim(usageWith(stores.schedules, spec))
      if (refused !== undefined) return refused
      return { kind: 'put' as const, schedule: changing((now) => putSchedule(stores, spec, now), request) }
    })
  }

  remove(name: string, request: RequestContext | undefined): Promise<boolean> {
    const { stores, changing } = this.#context
    return this.#inOrder(async () => {
      const removed = changing(() => stores.schedules.remove(name), request)
      if (removed) await this.#report(request)
      return removed
    })
  }

  /** Reports the usage to `default` if that has not been done since the actor started or failed the last time. */
  async reportIfNeeded(): Promise<void> {
    if (!this.#hasReported && this.#context.stores.schedules.usage().schedules > 0) await this.#report(undefined)
  }

  /** On the queue `default`: notes the usage of a queue, or refuses it when the tenant's queues would exceed the limit together. */
  claimShare(queue: string, before: ScheduleUsage, after: ScheduleUsage): Refusal | undefined {
    const others = this.#context.sql
      .exec<{ schedules: number; bytes: number }>(
        'SELECT coalesce(sum(schedules), 0) AS schedules, coalesce(sum(bytes), 0) AS bytes FROM schedule_shares WHERE queue != ?',
        queue,
      )
      .one()
    const refused = refuseUsage(before, after, others)
    if (refused === undefined)
      this.#context.sql.exec(
        'INSERT OR REPLACE INTO schedule_shares (queue, schedules, bytes) VALUES (?, ?, ?)',
        queue,
        after.schedules,
        after.bytes,
      )
    return refused
  }

  async #claim(after: ScheduleUsage): Promise<Refusal | undefined> {
    const { queue, stores, claim } = this.#context
    const before = stores.schedules.usage()
    return queue === 'default' ? this.claimShare(queue, before, after) : await claim(queue, before, after)
  }

  /** Until a lost report is repeated, by the next change or sweep, `default` counts too many schedules. */
  async #report(request: RequestContext | undefined): Promise<void> {
    try {
      await this.#claim(this.#context.stores.schedules.usage())
      this.#hasReported = true
    } catch (thrown) {
      this.#hasReported = false
      const { queue } = this.#context
      log.warn('jobs.schedule-report-failed', { ...idsOf(request), queue, reason: reasonOf(thrown) })
    }
  }

  /** Runs one change of schedules after the other, so that each is counted with those before it. */
  #inOrder<T>(change: () => Promise<T>): Promise<T> {
    const changed = this.#changes.then(change)
    this.#changes = changed.then(
      () => {},
      () => {},
    )
    return changed
  }
}
