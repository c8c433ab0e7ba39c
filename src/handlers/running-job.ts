import type { Outcome } from '../jobs/model/job.ts'
import type { Assignment } from '../jobs/queue/queue.ts'

/** A job a visitor is at. Most are over in a moment, so signal and timer are made only for those that need them. */
export class RunningJob {
  readonly job: Assignment
  readonly startedAt: number
  readonly #over = Promise.withResolvers<Outcome>()
  #controller: AbortController | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  #why: Error | undefined

  constructor(job: Assignment, startedAt: number) {
    this.job = job
    this.startedAt = startedAt
  }

  /** Aborted when time is up or the job was cancelled. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#why !== undefined) this.#controller.abort(this.#why)
    return this.#controller.signal
  }

  /** How it ends: as the work says, or by being stopped, whether the work listens or not. */
  async end(work: Promise<Outcome>): Promise<Outcome> {
    const outcome = await Promise.race([work, this.#over.promise])
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    return outcome
  }

  /** Sees to it that it ends in time. */
  watch(now: number): void {
    const { timeoutMs } = this.job
    const leftMs = Math.max(0, this.startedAt + timeoutMs - now)
    this.#timer ??= setTimeout(() => this.stop('timeout', `took longer than ${timeoutMs} ms`), leftMs)
  }

  stop(error: string, why: string): void {
    if (this.#timer !== undefined) clearTimeout(this.#timer)
    this.#why = new Error(why)
    this.#controller?.abort(this.#why)
    this.#over.resolve({ kind: 'retry', error, why })
  }
}
