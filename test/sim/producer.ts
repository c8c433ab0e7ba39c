import { z } from 'zod'
import type { NewJob, Unique } from '../../src/jobs/model/job.ts'
import type { Chance } from '../jobs/support/chance.ts'
import { keys, queueName, type JobLedger } from './job-ledger.ts'
import { stub } from './namespace.ts'
import type { Platform } from './platform.ts'

/** A wanted job, and what became of it. */
export interface Wish {
  readonly job: NewJob
  outcome: 'waiting' | 'accepted' | 'refused'
}

const receipt = z.object({ id: z.string() })
const answers = z.union([
  z.object({ kind: z.literal('enqueued'), receipts: z.array(receipt) }),
  z
    .object({ kind: z.literal('queued'), id: z.string() })
    .transform(({ id }) => ({ kind: 'enqueued', receipts: [{ id }] })),
  z.object({ kind: z.literal('refused') }).transform(() => ({ kind: 'refused', receipts: [] })),
])

const modes = ['reject', 'replace', 'debounce', 'throttle'] as const

/** A client that enqueues jobs, and repeats each until it is answered. */
export class Producer {
  readonly wishes: Wish[] = []
  readonly #world: Platform
  readonly #ledger: JobLedger
  #named = 0

  constructor(world: Platform, ledger: JobLedger) {
    this.#world = world
    this.#ledger = ledger
  }

  get unsettled(): number {
    return this.wishes.filter(({ outcome }) => outcome === 'waiting').length
  }

  /** One job, or some that belong together, of which the last may wait for the others. */
  enqueue(): void {
    const { chance } = this.#world
    const jobs = Array.from({ length: chance.happens(0.3) ? 2 + chance.below(5) : 1 }, () => this.#newJob())
    const [last, ...others] = jobs.toReversed()
    const waits = last !== undefined && others.length > 0 && chance.happens(0.5)
    const awaited = waits ? { ...last, after: others.map(({ id }) => id), evenIfFailed: chance.happens(0.5) } : last
    const wishes = [...others.toReversed(), ...(awaited === undefined ? [] : [awaited])].map(toWish)
    this.wishes.push(...wishes)
    void this.#insist(wishes)
  }

  /** Takes a job out again, whatever it is at. */
  cancel(): void {
    const { job } = this.wishes[this.#world.chance.below(this.wishes.length)] ?? {}
    if (job !== undefined && this.#ledger.row(job.id) !== undefined)
      void this.#ask('cancel', job.id).catch(() => undefined)
  }

  /** Sends dead jobs again. */
  redrive(): void {
    void this.#ask('redriveAll', 100).catch(() => undefined)
  }

  #newJob(): NewJob {
    const { chance } = this.#world
    const backoff = { kind: 'exponential', seconds: 1, maxSeconds: 5, jitter: 0.5 } as const
    const id = `job-${this.#named++}`
    const common = { id, type: 'effect', payload: '{}', attempts: 1 + chance.below(4), timeoutMs: 5000, backoff }
    const runAt = chance.happens(0.15) ? this.#world.now + chance.below(10_000) : 0
    const key = chance.happens(0.6) ? (keys[chance.below(keys.length)] ?? null) : null
    const keyed = key === null ? {} : { key, concurrency: this.#ledger.widthOf(key) }
    const unique = chance.happens(0.25) ? { unique: uniqueName(chance) } : {}
    return { ...common, runAt, priority: chance.below(3), ...keyed, ...unique }
  }

  async #insist(wishes: readonly Wish[]): Promise<void> {
    const jobs = wishes.map(({ job }) => job)
    try {
      const answer = answers.parse(
        jobs.length === 1 ? await this.#ask('enqueue', jobs[0]) : await this.#ask('enqueueAll', jobs),
      )
      // Throttled is another job's receipt: this one was not needed.
      wishes.forEach((wish, n) => (wish.outcome = answer.receipts[n]?.id === wish.job.id ? 'accepted' : 'refused'))
    } catch {
      this.#world.after(this.#world.chance.between(100, 800), () => void this.#insist(wishes))
    }
  }

  async #ask(method: string, ...given: unknown[]): Promise<unknown> {
    return await stub(this.#world, 'JobQueue', queueName)[method]?.(...given)
  }
}

const toWish = (job: NewJob): Wish => ({ job, outcome: 'waiting' })

const uniqueName = (chance: Chance): Unique => {
  const mode = modes[chance.below(modes.length)] ?? 'reject'
  return { name: `${mode}-${chance.below(2)}`, mode, seconds: 2 }
}
