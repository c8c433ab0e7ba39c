import { openStores, type SqlStores } from '../../../durable-objects/job-queue/sql-stores.ts'
import { enqueue } from '../../../src/jobs/queue/enqueue.ts'
import type { NewJob, Outcome } from '../../../src/jobs/model/job.ts'
import { stateOf, type JobState } from '../../../src/jobs/model/phase.ts'
import type { Assignment, PollAnswer, PollRequest } from '../../../src/jobs/queue/poll.ts'
import { Queue } from '../../../src/jobs/queue/queue.ts'
import { seeded, type Chance } from './chance.ts'
import { NodeSql } from './node-sql.ts'
import { Timeline } from './timeline.ts'

/** Fault probabilities per event. */
export interface Weather {
  readonly seed: number
  readonly jobs: number
  readonly keys: number
  /** The queue's process dies: its memory is lost, and the change it was making. */
  readonly queueDies: number
  /** A worker dies in the middle of its jobs, before or after their effects. */
  readonly workerDies: number
  /** A worker does not poll for a minute, and continues as if nothing had happened. */
  readonly workerSleeps: number
  /** An answer of the queue is lost on its way. */
  readonly answerLost: number
  readonly carrier: {
    readonly duplicates: number
    readonly loses: number
    readonly refuses: number
    readonly lies: number
  }
  /** The direct dispatch of a run fails. */
  readonly directFails: number
  /** A handler throws, or snoozes. */
  readonly fails: number
  readonly snoozes: number
}

/** The result of a simulation. */
export interface Aftermath {
  readonly states: Readonly<Partial<Record<JobState, number>>>
  /** Effects per job: a handler makes its effect once per id, as an endpoint does by `webhook-id`. */
  readonly effects: ReadonlyMap<string, number>
  /** Ids in the order their effects were made, per key. */
  readonly order: ReadonlyMap<string, readonly string[]>
  /** Jobs that ended more than once, counted by a trigger of the database. */
  readonly endedTwice: number
  /** The `seq` of each job. */
  readonly places: ReadonlyMap<string, number>
  readonly runs: number
  readonly deaths: number
  readonly deliveries: number
  readonly refusedRuns: number
  readonly tookMs: number
}

const start = Date.UTC(2026, 0, 1)

/** One queue, QStash and workers on a simulated clock, with faults by the given probabilities. */
export class Chaos {
  readonly #weather: Weather
  readonly #chance: Chance
  readonly #time = new Timeline(start)
  readonly #sql = new NodeSql()
  readonly #effects = new Map<string, number>()
  readonly #order = new Map<string, string[]>()
  readonly #keyOf = new Map<string, string>()
  readonly #wakes = new Set<number>()
  #stores: SqlStores
  #queue: Queue
  #names = 0
  #closedUntil = 0
  #deaths = 0
  #runs = 0
  #deliveries = 0
  #refusedRuns = 0

  constructor(weather: Weather) {
    this.#weather = weather
    this.#sql.run(`CREATE TABLE endings (id TEXT PRIMARY KEY, n INTEGER);
      CREATE TRIGGER ending AFTER UPDATE OF phase ON jobs WHEN new.phase >= 6 BEGIN
        INSERT INTO endings VALUES (new.id, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1; END`)
    this.#chance = seeded(weather.seed)
    this.#stores = openStores(this.#sql)
    this.#queue = this.#wake()
  }

  run(): Aftermath {
    const began = performance.now()
    this.#enqueueAll()
    let steps = 0
    while (!this.#isOver()) {
      if (++steps > 200 * this.#weather.jobs) throw new Error(`seed ${this.#weather.seed}: it does not end`)
      if (!this.#time.step()) throw new Error(`seed ${this.#weather.seed}: nothing will happen any more`)
    }
    return this.#aftermath(performance.now() - began)
  }

  /** Producers enqueue in small batches over a minute, and repeat a batch without an answer. */
  #enqueueAll(): void {
    const { jobs, keys } = this.#weather
    const together = 20
    for (let first = 0; first < jobs; first += together) {
      const batch = Array.from({ length: Math.min(together, jobs - first) }, (_, n) => this.#newJob(first + n, keys))
      this.#time.plan(start + (first / jobs) * 60_000, () => this.#enqueue(batch))
    }
  }

  #newJob(n: number, keys: number): NewJob {
    const id = `job-${n}`
    const key = `key-${this.#chance.below(keys)}`
    this.#keyOf.set(id, key)
    const delayed = keys > 1 && this.#chance.happens(0.02)
    if (delayed) this.#keyOf.delete(id)
    const backoff = { kind: 'exponential', seconds: 1, maxSeconds: 20, jitter: 0.5 } as const
    return {
      id,
      type: 'effect',
      payload: '{}',
      attempts: 1000,
      timeoutMs: 30_000,
      backoff,
      ...(delayed ? { runAt: start + this.#chance.below(120_000) } : { key, runAt: 0 }),
    }
  }

  #enqueue(batch: readonly NewJob[]): void {
    const answer = this.#change(() => enqueue(this.#stores, batch, this.#time.now))
    if (answer === undefined || this.#chance.happens(this.#weather.answerLost))
      this.#time.plan(this.#time.now + 500, () => this.#enqueue(batch))
  }

  /** One change of the queue. Undefined when it died in it: the change is rolled back and its memory lost. */
  #change<T>(change: (queue: Queue) => T): T | undefined {
    const dies = this.#chance.happens(this.#weather.queueDies)
    try {
      const answer = this.#sql.transaction(() => {
        const changed = change(this.#queue)
        const plan = this.#queue.plan(this.#time.now, this.#isOpen() ? Infinity : this.#time.now)
        if (dies && this.#chance.happens(0.5)) throw new Error('dies before its commit')
        return { changed, plan }
      })
      this.#lookAt(answer.plan.lookAt)
      if (dies) {
        this.#die()
        return undefined
      }
      this.#dispatch(answer.plan.runs)
      return answer.changed
    } catch {
      this.#die()
      return undefined
    }
  }

  #die(): void {
    this.#deaths++
    this.#queue = this.#wake()
    // An alarm that was set is kept by the platform, and wakes it.
    this.#lookAt(this.#time.now + 1000)
  }

  #wake(): Queue {
    this.#stores = openStores(this.#sql)
    const given = { name: () => `run-${this.#names++}`, random: this.#chance.next, secrets: () => [] }
    return new Queue(this.#stores, given, this.#time.now)
  }

  #lookAt(at: number | undefined): void {
    if (at === undefined) return
    const moment = Math.ceil(Math.max(at, this.#time.now + 1) / 100) * 100
    if (this.#wakes.has(moment)) return
    this.#wakes.add(moment)
    this.#time.plan(moment, () => {
      this.#wakes.delete(moment)
      this.#change((queue) => queue.tick(this.#time.now))
    })
  }

  #isOpen(): boolean {
    return this.#time.now >= this.#closedUntil
  }

  /** Runs due now are started directly, and published a second later if that did not start them; those for later at once. */
  #dispatch(runs: readonly { id: string; at: number }[]): void {
    const later = runs.filter(({ at }) => at > this.#time.now)
    if (this.#isOpen()) this.#publish(later)
    for (const run of runs.filter(({ at }) => at <= this.#time.now)) {
      const isInVain = this.#chance.happens(this.#weather.directFails)
      if (!isInVain) this.#time.plan(this.#time.now + this.#chance.between(1, 10), () => this.#deliver(run.id))
      this.#time.plan(this.#time.now + 1000, () => {
        if (this.#stores.runs.has(run.id) && this.#isOpen()) this.#publish([run])
      })
    }
  }

  /** QStash refuses, accepts but says it did not, loses, delays, reorders and duplicates. */
  #publish(runs: readonly { id: string; at: number }[]): void {
    if (runs.length === 0) return
    const { refuses, lies, loses, duplicates } = this.#weather.carrier
    const refused = this.#chance.happens(refuses)
    const lied = !refused && this.#chance.happens(lies)
    for (const { id, at } of refused ? [] : runs) {
      if (this.#chance.happens(loses)) continue
      for (let copies = 1 + (this.#chance.happens(duplicates) ? this.#chance.below(3) : 0); copies > 0; copies--)
        this.#time.plan(Math.max(at, this.#time.now) + this.#chance.between(5, 3000), () => this.#deliver(id))
    }
    if (!refused && !lied) {
      for (const { id } of runs) this.#stores.runs.notePublished(id)
      return
    }
    this.#closedUntil = this.#time.now + 1000
    for (const { id, at } of runs) if (at > this.#time.now) this.#stores.runs.remove(id)
    this.#lookAt(this.#closedUntil)
  }

  #deliver(run: string): void {
    this.#deliveries++
    const start = this.#change((queue) => queue.startRun(run, 1 + this.#chance.below(50), this.#time.now))
    if (start === undefined) this.#refusedRuns++
    // A worker that does not receive the answer is gone; its silence is noticed.
    else if (!this.#chance.happens(this.#weather.answerLost)) this.#runSoon(run, start, 0)
  }

  /** A worker: takes jobs, makes their effects and settles them, until its run ends or it dies. */
  #work(run: string, settled: PollRequest['settled'], holding: PollRequest['holding'], idle: number): void {
    const poll = {
      workerRun: run,
      settled,
      reports: [],
      holding,
      capacity: 1 + this.#chance.below(50),
      overtakes: false,
    }
    const answer = this.#change((queue) => queue.poll(poll, this.#time.now, idle >= 3))
    if (answer === undefined || this.#chance.happens(this.#weather.answerLost)) {
      this.#time.plan(this.#time.now + 200, () => this.#work(run, settled, holding, idle))
      return
    }
    if (answer.jobs.length > 0 || answer.stay) this.#runSoon(run, answer, idle)
  }

  #runSoon(run: string, answer: PollAnswer, idle: number): void {
    this.#time.plan(this.#time.now + this.#chance.between(1, 400), () => this.#runAll(run, answer, idle))
  }

  #runAll(run: string, answer: PollAnswer, idle: number): void {
    const { workerDies, workerSleeps } = this.#weather
    const diesAt = this.#chance.happens(workerDies) ? this.#chance.below(answer.jobs.length + 1) : Infinity
    const settled = answer.jobs.slice(0, diesAt).map((job) => this.#run(job))
    if (diesAt !== Infinity) return
    const sleeps = this.#chance.happens(workerSleeps) ? 60_000 : 0
    const nextIdle = answer.jobs.length === 0 ? idle + 1 : 0
    this.#time.plan(this.#time.now + sleeps + 1, () => this.#work(run, settled, [], nextIdle))
  }

  #run({ id, run }: Assignment): { id: string; run: number; outcome: Outcome } {
    this.#runs++
    if (this.#chance.happens(this.#weather.fails / 2)) return { id, run, outcome: { kind: 'retry', reason: 'thrown' } }
    if (this.#chance.happens(this.#weather.snoozes)) return { id, run, outcome: { kind: 'snooze', seconds: 2 } }
    this.#effect(id)
    if (this.#chance.happens(this.#weather.fails / 2))
      return { id, run, outcome: { kind: 'retry', reason: 'thrown after its effect' } }
    return { id, run, outcome: { kind: 'done' } }
  }

  /** An effect is made once per id, as an endpoint does that remembers ids. */
  #effect(id: string): void {
    if (this.#effects.has(id)) return
    this.#effects.set(id, 1)
    const key = this.#keyOf.get(id)
    if (key === undefined) return
    const order = this.#order.get(key) ?? []
    order.push(id)
    this.#order.set(key, order)
  }

  #isOver(): boolean {
    const counts = this.#stores.jobs.counts()
    const ended = counts.slice(6).reduce((sum, count) => sum + count, 0)
    return ended >= this.#weather.jobs
  }

  #aftermath(tookMs: number): Aftermath {
    const states: Partial<Record<JobState, number>> = {}
    const places = new Map<string, number>()
    for (const id of Array.from({ length: this.#weather.jobs }, (_, n) => `job-${n}`)) {
      const job = this.#stores.jobs.get(id)
      if (job !== undefined) places.set(id, job.seq)
      const state = job === undefined ? undefined : stateOf(job.phase)
      if (state !== undefined) states[state] = (states[state] ?? 0) + 1
    }
    return {
      states,
      effects: this.#effects,
      order: this.#order,
      places,
      endedTwice: this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM endings WHERE n > 1').one().n,
      runs: this.#runs,
      deaths: this.#deaths,
      deliveries: this.#deliveries,
      refusedRuns: this.#refusedRuns,
      tookMs,
    }
  }
}
