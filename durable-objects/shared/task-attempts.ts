import type { Clock } from '../../src/kernel/clock.ts'

/** The named values of an actor that attempts are kept in. */
interface AttemptSettings {
  get(name: string): string | undefined
  set(name: string, value: string): void
}

/** Runs that may end with the process before the task is parked. */
const maxLost = 2
const firstPauseMs = 30_000
const pauseCapMs = 3_600_000

/**
 * Counts the runs of a task that never ended because their process did: a number that is written before the first step of
 * a run and cleared after it. A task whose process died twice is parked: it runs again after pauses that grow from half a
 * minute to an hour, so that a start never dies of the same work again and again.
 */
export class TaskAttempts {
  readonly #settings: AttemptSettings
  readonly #name: string
  readonly #clock: Clock
  #lost: number
  #begunAt: number
  #isUnderWay = false

  constructor(settings: AttemptSettings, task: string, clock: Clock) {
    this.#settings = settings
    this.#name = `attempts/${task}`
    this.#clock = clock
    const [lost = 0, begunAt = 0] = (settings.get(this.#name) ?? '').split(' ').map(Number)
    this.#lost = lost
    this.#begunAt = begunAt
  }

  /** The run does its first step now. Durable before any call of it leaves the actor. */
  begin(): void {
    if (this.#isUnderWay) return
    this.#isUnderWay = true
    this.#begunAt = this.#clock.now()
    this.#settings.set(this.#name, `${this.#lost + 1} ${this.#begunAt}`)
  }

  /** The run ended, well or with an error: either is no reason to park the task. */
  end(): void {
    if (!this.#isUnderWay) return
    this.#isUnderWay = false
    this.#lost = 0
    this.#settings.set(this.#name, '')
  }

  /** Runs in a row that ended with their process. */
  get lost(): number {
    return this.#lost
  }

  /** When a parked task runs again, in milliseconds since the epoch; 0 when it is not parked. */
  get parkedUntil(): number {
    if (this.#lost < maxLost) return 0
    return this.#begunAt + Math.min(pauseCapMs, firstPauseMs * 4 ** (this.#lost - maxLost))
  }
}
