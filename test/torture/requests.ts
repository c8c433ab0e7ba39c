import { setTimeout as pause } from 'node:timers/promises'
import { within } from '../../src/kernel/retry.ts'
import { apiKey, call } from '../support/e2e/people.ts'
import type { System } from '../support/e2e/system.ts'

const answeredWithinMs = 5000

/** Requests of the tenant's server, which repeats each until it is answered with success. */
export class Requests {
  readonly #system: System
  /** What is not answered yet, with its last answer. */
  readonly open = new Map<string, string>()
  #hasGivenUp = false

  constructor(system: System) {
    this.#system = system
  }

  /** Makes requests that are never answered fail from now on. */
  giveUp(): void {
    this.#hasGivenUp = true
  }

  /** One request, once. */
  ask(method: string, path: string, body?: unknown) {
    return within(answeredWithinMs, path, call(this.#system, apiKey, method, path, body))
  }

  /** Returns the body of the first answer that is a success. */
  async insist(method: string, path: string, body?: unknown): Promise<unknown> {
    const name = `${method} ${path} ${JSON.stringify(body) ?? ''}`
    for (; !this.#hasGivenUp; await pause(100)) {
      const answer = await this.ask(method, path, body).catch((thrown: unknown) => ({
        status: 0,
        body: String(thrown),
      }))
      if (answer.status >= 200 && answer.status < 300) {
        this.open.delete(name)
        return answer.body
      }
      this.open.set(name, JSON.stringify(answer))
    }
    throw new Error(`${name} was never answered: ${this.open.get(name)}`)
  }
}
