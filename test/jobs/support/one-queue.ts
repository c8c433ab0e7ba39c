import { openStores } from '../../../durable-objects/job-queue/sql-stores.ts'
import type { NewJob, Outcome } from '../../../src/jobs/model/job.ts'
import { enqueue } from '../../../src/jobs/queue/enqueue.ts'
import { cancel } from '../../../src/jobs/queue/lifecycle.ts'
import { changePolicy } from '../../../src/jobs/queue/policy-change.ts'
import { stateOf, type JobState } from '../../../src/jobs/model/phase.ts'
import type { Policy } from '../../../src/jobs/model/policy.ts'
import type { Assignment, PollAnswer } from '../../../src/jobs/queue/poll.ts'
import { Queue } from '../../../src/jobs/queue/queue.ts'
import { redrive, redriveAll } from '../../../src/jobs/queue/redrive.ts'
import { NodeSql } from './node-sql.ts'

/** One queue and one worker on a clock that the test sets. */
export class OneQueue {
  readonly #sql = new NodeSql()
  stores = openStores(this.#sql)
  now = 1_000_000
  random = 0.5
  #runs = 0
  #run = ''
  #holding: { id: string; run: number }[] = []
  queue = this.#wake()

  add(id: string, more: Partial<NewJob> = {}) {
    return this.addAll([{ id, ...more }])
  }

  addAll(jobs: readonly (Partial<NewJob> & { id: string })[]) {
    return enqueue(
      this.stores,
      jobs.map((job) => ({ type: 'test', payload: '{}', runAt: 0, ...job })),
      this.now,
    )
  }

  /** Lets time pass, and the queue start what is due. */
  pass(ms: number): void {
    this.now += ms
    this.queue.tick(this.now)
  }

  /** The worker takes at most `capacity` jobs; its run is started first if needed. Returns their ids. */
  take(capacity = 100): string[] {
    return this.poll([], capacity).jobs.map(({ id }) => id)
  }

  /** The worker settles jobs and takes more. */
  poll(outcomes: readonly (readonly [string, Outcome])[], capacity = 0): PollAnswer {
    if (this.#run === '') this.#start()
    const settled = outcomes.map(([id, outcome]) => ({
      id,
      run: this.#holding.find((held) => held.id === id)?.run ?? 0,
      outcome,
    }))
    this.#holding = this.#holding.filter(({ id }) => !outcomes.some(([settled]) => settled === id))
    const poll = {
      workerRun: this.#run,
      settled,
      reports: [],
      holding: this.#holding,
      capacity,
      overtakes: false,
    }
    const answer = this.queue.poll(poll, this.now)
    this.#holding.push(...answer.jobs.map(({ id, run }: Assignment) => ({ id, run })))
    return answer
  }

  done(...ids: string[]): void {
    this.poll(ids.map((id) => [id, { kind: 'done' }]))
  }

  fail(id: string, reason = 'broken', error?: string): void {
    this.poll([[id, { kind: 'retry', reason, ...(error === undefined ? {} : { error }) }]])
  }

  cancel = (id: string) => cancel(this.stores, id, this.now)
  redrive = (id: string) => redrive(this.stores, id, this.now)
  redriveAll = (limit = 100) => redriveAll(this.stores, limit, this.now)

  policy(change: Partial<Policy>): void {
    changePolicy(this.stores, change, this.now)
  }

  state(id: string): JobState | undefined {
    const job = this.stores.jobs.get(id)
    return job === undefined ? undefined : stateOf(job.phase)
  }

  states(...ids: string[]) {
    return ids.map((id) => this.state(id))
  }

  note = (id: string) => this.stores.jobs.get(id)?.note

  /** The worker is gone without ending its run. */
  vanish(): void {
    this.#run = ''
    this.#holding = []
  }

  /** The queue loses its memory and starts from its stores; its worker is gone. */
  sleep(): void {
    this.vanish()
    this.stores = openStores(this.#sql)
    this.queue = this.#wake()
  }

  #wake(): Queue {
    return new Queue(
      this.stores,
      { name: () => `run-${this.#runs++}`, random: () => this.random, secrets: () => [] },
      this.now,
    )
  }

  #start(): void {
    this.#run = `own-${this.#runs++}`
    this.stores.runs.add({ id: this.#run, at: this.now, isPublished: true })
    this.queue.startRun(this.#run, 0, this.now)
  }
}
