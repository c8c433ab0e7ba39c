import { placeOf, type ThreadPlace } from './timeline.ts'
import { wireFailure, type ParleyError } from './failure.ts'

/** The dependencies of an outbox: a way to send, the state of the connection, and a listener. */
export interface OutboxPort {
  /** Sends one message; the same clientId again is the same message. */
  deliver(clientId: string, text: string, place: ThreadPlace): Promise<{ readonly seq: number }>
  /** Resolves once messages of earlier pages are restored, which go first. */
  ready(): Promise<void>
  /** Resolves when there is a connection, at once when there is one. */
  online(): Promise<void>
  delivered(clientId: string, seq: number): void
  /** Temporary problems are tried again here; others wait for their author. */
  stalled(clientId: string, problem: ParleyError): void
  resent(clientId: string): void
  pause(ms: number): Promise<void>
}

interface QueuedMessage extends ThreadPlace {
  readonly clientId: string
  readonly text: string
}

/**
 * Messages on their way, one at a time so that they arrive in the order they were written.
 * A message whose answer was lost is sent again under the same clientId, so it is never stored twice.
 */
export class Outbox {
  readonly #port: OutboxPort
  #waiting: readonly QueuedMessage[] = []
  #draining = false

  constructor(port: OutboxPort) {
    this.#port = port
  }

  /** True when nothing is on its way. */
  get empty(): boolean {
    return this.#waiting.length === 0
  }

  /** Takes a message and brings it on its way. */
  post(message: QueuedMessage): void {
    this.#waiting = [...this.#waiting, message]
    void this.#drain()
  }

  /** Takes messages of an earlier page, which were written before all that wait. */
  restore(messages: readonly QueuedMessage[]): void {
    this.#waiting = [...messages, ...this.#waiting]
    void this.#drain()
  }

  /** Forgets a message; one that has already left may still arrive. */
  cancel(clientId: string): void {
    this.#waiting = this.#waiting.filter((message) => message.clientId !== clientId)
  }

  async #drain(): Promise<void> {
    if (this.#draining) return
    this.#draining = true
    await this.#port.ready()
    let tries = 0
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const problem = await this.#attempt(next)
      if (problem === undefined) tries = 0
      else await this.#wait(problem, ++tries)
    }
    this.#draining = false
  }

  /** Tries once; what is temporary comes back as a problem to wait out. */
  async #attempt({ clientId, text, ...place }: QueuedMessage): Promise<ParleyError | undefined> {
    try {
      const { seq } = await this.#port.deliver(clientId, text, placeOf(place))
      this.cancel(clientId)
      this.#port.delivered(clientId, seq)
      return undefined
    } catch (thrown) {
      const problem = wireFailure(thrown)
      this.#port.stalled(clientId, problem)
      if (problem.temporary) return problem
      this.cancel(clientId)
      return undefined
    }
  }

  async #wait(problem: ParleyError, tries: number): Promise<void> {
    if (problem.kind === 'unreachable') await this.#port.online()
    await this.#port.pause(problem.retryAfterMs ?? Math.min(200 * 2 ** (tries - 1), 10_000))
    await this.#port.online()
    const next = this.#waiting[0]
    if (next !== undefined) this.#port.resent(next.clientId)
  }
}
