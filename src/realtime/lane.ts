import type { StreamCommand, StreamResult } from '../protocol/stream.ts'

/** A command on its way to a stream, and what to do with its result. */
export interface Errand {
  readonly command: StreamCommand
  readonly settle: (result: StreamResult) => void
}

/**
 * Commands of one gateway to one stream. Idle: the first leaves at once. While a call is under way the others gather
 * and leave together as the next call: under load they merge, and order is kept because only one call is under way.
 */
export class Lane {
  readonly #send: (errands: readonly Errand[]) => Promise<void>
  readonly #cap: number
  #waiting: Errand[] = []
  #busy = false

  /** `send` makes one call and settles its errands; it must not throw. `cap` bounds the errands in one call. */
  constructor(send: (errands: readonly Errand[]) => Promise<void>, cap = 256) {
    this.#send = send
    this.#cap = cap
  }

  get idle(): boolean {
    return !this.#busy && this.#waiting.length === 0
  }

  get waiting(): number {
    return this.#waiting.length
  }

  add(errand: Errand): void {
    this.#waiting.push(errand)
    if (!this.#busy) void this.#run()
  }

  /** Makes a call even without commands, to be brought up to date. */
  poke(): void {
    if (!this.#busy) void this.#run(true)
  }

  async #run(poked = false): Promise<void> {
    this.#busy = true
    try {
      if (poked) await this.#send(this.#take())
      while (this.#waiting.length > 0) await this.#send(this.#take())
    } finally {
      this.#busy = false
    }
  }

  #take(): Errand[] {
    return this.#waiting.splice(0, this.#cap)
  }
}
