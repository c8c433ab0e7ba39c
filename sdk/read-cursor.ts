import { pause } from './pause.ts'

const atMostEveryMs = 400

/** How far the user has read: only forward, one request at a time, and the newest place instead of every place. */
export class ReadCursor {
  readonly #tell: (seq: number) => Promise<void>
  #wanted = 0
  #confirmed = 0
  #busy = false

  constructor(tell: (seq: number) => Promise<void>) {
    this.#tell = tell
  }

  /** Moves to `seq`. `known` is what the server already has, perhaps from another tab. */
  moveTo(seq: number, known: number): void {
    this.#confirmed = Math.max(this.#confirmed, known)
    this.#wanted = Math.max(this.#wanted, seq)
    void this.#catchUp()
  }

  async #catchUp(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    while (this.#confirmed < this.#wanted) await this.#step(this.#wanted)
    this.#busy = false
  }

  /** One that fails is given up: the next thing that is read tells it anyway. */
  async #step(seq: number): Promise<void> {
    try {
      await this.#tell(seq)
      this.#confirmed = seq
    } catch {
      this.#wanted = this.#confirmed
    }
    await pause(atMostEveryMs)
  }
}
