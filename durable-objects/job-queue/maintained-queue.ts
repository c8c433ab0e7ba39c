import { cancel } from '../../src/jobs/queue/lifecycle.ts'
import type { ExportedMessages } from '../contracts.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import type { FailedJobs } from './failed-jobs.ts'
import type { JobDays } from './job-days.ts'
import type { SqlStores } from './sql-stores.ts'
import { eraseMessages, exportedMessages } from './user-messages.ts'

/** What is maintained of a queue. */
interface Maintained {
  readonly stores: SqlStores
  readonly days: JobDays
  readonly failures: FailedJobs
  readonly isNew: boolean
  /** Changes the stores in one commit; `isSweep` says that it is no reason to be swept again. */
  readonly changing: <T>(change: (now: number) => T, isSweep: boolean) => T
}

/** What the platform does to a queue for its tenant or its operator, none of which is part of a job. */
export abstract class MaintainedQueue extends TenantActor {
  /** A member of the instance: others cannot call it. */
  protected abstract readonly maintained: () => Maintained

  /**
   * Cancels the messages that a user has scheduled, and empties those of the past. Returns how many had any content. One that is being
   * delivered is found by a later call.
   */
  eraseUser(user: string, limit: number): number {
    const { stores, isNew, changing } = this.maintained()
    if (isNew) return 0
    return changing((now) => eraseMessages(this.ctx.storage.sql, user, limit, (id) => cancel(stores, id, now)), false)
  }

  exportMessages(user: string, after: number, limit: number): ExportedMessages {
    return exportedMessages(this.ctx.storage.sql, user, after, limit)
  }

  /** Jobs it accepted, by day (UTC), from `day` on. */
  acceptedSince(day: string): Record<string, number> {
    const { days, changing } = this.maintained()
    changing((now) => days.note(now), true)
    return days.since(day)
  }

  /** The tenant is suspended, or active again: no job starts and no schedule runs meanwhile. Jobs that run are not ended. */
  hold(isHeld: boolean): void {
    const { stores, changing } = this.maintained()
    changing(() => stores.settings.setHeld(isHeld), isHeld)
  }

  /** The tenant has a reader of its own events, or no more: dead letters are published meanwhile. */
  setPublished(isPublished: boolean): void {
    const { failures, changing } = this.maintained()
    if (failures.outbox.isOn !== isPublished) changing(() => failures.setOn(isPublished), true)
  }
}
