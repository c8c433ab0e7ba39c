import type { Env } from '../../src/env.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { platformOf } from '../address.ts'
import type { TaskAttempts } from './task-attempts.ts'

/** Tells the platform's actor which tasks of an actor are parked, for /metrics and the operator. */
export class Parking {
  readonly #env: Env
  readonly #actor: string
  readonly #logged = new Set<string>()

  constructor(env: Env, actor: string) {
    this.#env = env
    this.#actor = actor
  }

  /** Reports a task if it is parked: once in the life of the actor. Never throws. */
  async report(task: string, { lost, parkedUntil: until }: TaskAttempts, now: number): Promise<void> {
    if (until <= now || this.#logged.has(task)) return
    this.#logged.add(task)
    log.warn('tasks.parked', { actor: this.#actor, task, lost, until: new Date(until).toISOString() })
    await this.#tell(task, () => platformOf(this.#env).noteParked({ actor: this.#actor, task, lost, until }))
  }

  /** Runs a task. One that was parked is reported as done once it has run to its end. */
  async run(task: string, attempts: TaskAttempts, work: () => Promise<void>): Promise<void> {
    const wasParked = attempts.parkedUntil > 0
    await work()
    if (!wasParked) return
    this.#logged.delete(task)
    await this.#tell(task, () => platformOf(this.#env).clearParked(this.#actor, task))
  }

  async #tell(task: string, tell: () => Promise<void>): Promise<void> {
    try {
      await tell()
    } catch (thrown) {
      log.warn('tasks.parked-unreported', { actor: this.#actor, task, reason: reasonOf(thrown) })
    }
  }
}
