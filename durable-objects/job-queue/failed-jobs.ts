import { failedJobEvent, type FailedJob } from '../../src/events/own-events.ts'
import type { Env } from '../../src/env.ts'
import type { Job } from '../../src/jobs/model/job.ts'
import type { QueueReference } from '../../src/jobs/queue/worker-runs.ts'
import { EventOutbox } from '../shared/event-outbox.ts'
import { appendOwnEvents } from '../shared/own-events.ts'
import type { SqlJobStore } from './sql-job-store.ts'

interface NotedJob {
  readonly run: number
  readonly data: FailedJob
}

/** Publishes `job.failed` of jobs that become dead letters, while the tenant has a reader of its own events. */
export class FailedJobs {
  readonly outbox: EventOutbox<NotedJob>
  readonly #queue: string
  readonly #jobs: SqlJobStore

  constructor(
    kv: SyncKvStorage,
    env: Env,
    { tenant, queue }: QueueReference,
    jobs: SqlJobStore,
    wakeAt: (at: number) => void,
    now: number,
  ) {
    this.#queue = queue
    this.#jobs = jobs
    this.outbox = new EventOutbox(
      {
        tenant,
        kv,
        append: appendOwnEvents(env),
        eventsOf: (entries) => entries.map(({ change }) => failedJobEvent(change.data, change.run)),
        wakeAt,
      },
      now,
    )
    this.#listen()
  }

  setOn(isOn: boolean): void {
    this.outbox.setOn(isOn)
    this.#listen()
  }

  /** Called by the alarm: publishes what is due, and has itself called again for what is not. Never rejects. */
  async goOn(now: () => number): Promise<void> {
    if (this.outbox.dueAt <= now()) await this.outbox.run(now)
    this.outbox.wakeAgain(now())
  }

  #listen(): void {
    this.#jobs.onDead = this.outbox.isOn ? (job) => this.#note(job) : undefined
  }

  #note({ id, type, attempts, note, since, run }: Job): void {
    const data = { queue: this.#queue, job: id, type, attempts, reason: note, at: since }
    this.outbox.note({ run, data }, since)
  }
}
