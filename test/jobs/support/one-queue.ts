import { openStores } from '../../../durable-objects/job-queue/sql-stores.ts'
import type { NewJob, Outcome } from '../../../src/jobs/model/job.ts'
import { cancel, changePolicy } from '../../../src/jobs/queue/lifecycle.ts'
import { stateOf, type JobState } from '../../../src/jobs/model/phase.ts'
import type { Policy } from '../../../src/jobs/model/policy.ts'
import { Queue, type Assignment, type PollAnswer } from '../../../src/jobs/queue/queue.ts'
import { redrive, redriveAll } from '../../../src/jobs/queue/redrive.ts'
import { NodeSql } from './node-sql.ts'

/** One queue and one visitor, with the time in the test's hands. */
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
    return this.queue.enqueue(
      jobs.map((job) => ({ type: 'test', payload: '{}', runAt: 0, ...job })),
      this.now,
    )
  }

  /** Lets time pass, and the queue do what time brings. */
  pass(ms: number): void {
    this.now += ms
    this.queue.tick(this.now)
  }

  /** The visitor takes at most `want` jobs; it is sent for first if it is not there. Returns their ids. */
  take(want = 100): string[] {
    return this.turn([], want).jobs.map(({ id }) => id)
  }

  /** The visitor tells how jobs ended, and takes more. */
  turn(outcomes: readonly (readonly [string, Outcome])[], want = 0): PollAnswer {
    if (this.#run === '') this.#start()
    const settled = outcomes.map(([id, outcome]) => ({
      id,
      run: this.#holding.find((held) => held.id === id)?.run ?? 0,
      outcome,
    }))
    this.#holding = this.#holding.filter(({ id }) => !outcomes.some(([told]) => told === id))
    const turn = {
      workerRun: this.#run,
      settled,
      reports: [],
      holding: this.#holding,
      capacity: want,
      overtakes: false,
    }
    const answer = this.queue.poll(turn, this.now)
    this.#holding.push(...answer.jobs.map(({ id, run }: Assignment) => ({ id, run })))
    return answer
  }

  done(...ids: string[]): void {
    this.turn(ids.map((id) => [id, { kind: 'done' }]))
  }

  fail(id: string, reason = 'broken', error?: string): void {
    this.turn([[id, { kind: 'retry', reason, ...(error === undefined ? {} : { error }) }]])
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

  /** The visitor is gone, and nobody is told. */
  vanish(): void {
    this.#run = ''
    this.#holding = []
  }

  /** What it has in mind is gone; it wakes with what is written, and nobody comes back. */
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
