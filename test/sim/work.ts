import type { Attempt } from '../../src/handlers/attempt.ts'
import type { Outcome } from '../../src/jobs/model/job.ts'
import type { JobLedger } from './job-ledger.ts'
import { lives } from './lives.ts'
import type { Life } from './world.ts'
import type { Platform } from './platform.ts'

/** How handlers end. Probabilities per attempt; the rest are done. */
export interface WorkWeather {
  /** Before its effect or after it. */
  readonly retries: number
  readonly snoozes: number
  readonly discards: number
  /** It never ends by itself. */
  readonly hangs: number
  /** It takes seconds. */
  readonly slow: number
}

export const easyWork: WorkWeather = { retries: 0, snoozes: 0, discards: 0, hangs: 0, slow: 0 }

interface Running {
  readonly id: string
  readonly run: number
  readonly key: string | null
  readonly life: Life
}

/** What jobs do, and what is noticed of it: every handler that begins is held against the ledger at that moment. */
export class Work {
  weather: WorkWeather = easyWork
  readonly broken: string[] = []
  /** Ids in the order their effects were made, each once: as an endpoint does that knows its ids. */
  readonly effects = new Set<string>()
  runs = 0
  readonly #world: Platform
  readonly #ledger: JobLedger
  readonly #begun = new Set<string>()
  readonly #running = new Set<Running>()

  constructor(world: Platform, ledger: JobLedger) {
    this.#world = world
    this.#ledger = ledger
  }

  /** What the deployed worker calls in place of its handlers. */
  handle = (_tenant: string, { job }: Attempt): Promise<Outcome> => {
    const life = lives.getStore()
    if (life === undefined) throw new Error('no worker runs this job')
    this.runs++
    const running = { id: job.id, run: job.run, key: this.#ledger.row(job.id)?.key ?? null, life }
    this.#begin(running)
    return this.#work(running)
  }

  #begin(running: Running): void {
    const { id, run, key } = running
    const attempt = `${id}, run ${run}`
    if (this.#begun.has(attempt)) this.broken.push(`${attempt} began twice`)
    this.#begun.add(attempt)
    if (this.#ledger.state(id) === 'done') this.broken.push(`${attempt} began though it was done`)
    if (this.#ledger.livesOf('reject-0') > 1 || this.#ledger.livesOf('reject-1') > 1)
      this.broken.push(`${attempt} began while two jobs had one unique name`)
    this.#running.add(running)
    if (key !== null) this.#crowd(key, attempt)
  }

  /**
   * Of one key never more jobs run than it has places, as the queue knows it: a worker that lost its lease to another
   * no longer counts.
   */
  #crowd(key: string, attempt: string): void {
    const width = this.#ledger.widthOf(key)
    const taken = this.#ledger.placesTaken(key)
    const leased = [...this.#running].filter(
      (one) => one.key === key && !one.life.dead && this.#ledger.isLeased(one.id, one.run),
    )
    if (taken > width || leased.length > width)
      this.broken.push(`${attempt} began with ${taken} places of ${key} taken and ${leased.length} at work of ${width}`)
  }

  #work(running: Running): Promise<Outcome> {
    const { chance } = this.#world
    const { slow, hangs } = this.weather
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const ms = chance.happens(slow) ? chance.between(1000, 4000) : chance.between(1, 50)
    const { life } = running
    if (chance.happens(hangs)) return promise
    life.busy++
    this.#world.after(ms, () => {
      life.busy--
      this.#running.delete(running)
      if (!life.dead) resolve(this.#end(running.id))
    })
    return promise
  }

  #end(id: string): Outcome {
    const { chance } = this.#world
    const { retries, snoozes, discards } = this.weather
    if (chance.happens(retries / 2)) return { kind: 'retry', reason: 'broken' }
    if (chance.happens(snoozes)) return { kind: 'snooze', seconds: 1 + chance.below(3) }
    if (chance.happens(discards)) return { kind: 'discard', reason: 'of no use' }
    this.effects.add(id)
    return chance.happens(retries / 2) ? { kind: 'retry', reason: 'broken after its effect' } : { kind: 'done' }
  }
}
