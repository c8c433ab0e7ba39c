/** Called when a message is acknowledged, or with the reason why it was not. */
export type Acknowledged = (refusal?: string) => void

/** The commands of one socket that wait for their answer, by number. */
export class Acks {
  readonly #waiting = new Map<number, Acknowledged>()
  #last = 0

  /** Numbers a command whose answer `done` awaits. */
  expect(done: Acknowledged): number {
    this.#last += 1
    this.#waiting.set(this.#last, done)
    return this.#last
  }

  /** Settles the command with this number. */
  settle(id: number, refusal?: string): void {
    const done = this.#waiting.get(id)
    this.#waiting.delete(id)
    done?.(refusal)
  }
}

/** The same as a promise, for the few commands of setting up. */
export function answered(start: (done: Acknowledged) => void): Promise<void> {
  return new Promise((resolve, reject) =>
    start((refusal) => (refusal === undefined ? resolve() : reject(new Error(refusal)))),
  )
}
