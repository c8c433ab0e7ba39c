/** Calls under way above which the next ones wait a moment and gather. Below it nobody ever waits. */
const batchWindowSize = 4

/**
 * How busy all lanes of a gateway are together. The runtime hands over one message of a socket at a time, so a lane
 * whose call leaves at once rarely finds company. When many calls are under way anyway, waiting until the runtime has
 * handed over all it has costs no one anything, and what gathers meanwhile leaves as one call.
 */
export class BatchWindow {
  readonly #nextRound: () => Promise<void>
  #underWay = 0
  #round: Promise<void> | undefined

  /** `nextRound` resolves once everything that is already here has been handed over. */
  constructor(nextRound: () => Promise<void>) {
    this.#nextRound = nextRound
  }

  /** Resolves when it is time to call; undefined when that is now. */
  gather(): Promise<void> | undefined {
    if (this.#underWay < batchWindowSize) return undefined
    this.#round ??= this.#nextRound().finally(() => {
      this.#round = undefined
    })
    return this.#round
  }

  /** Counts a call while it is under way. */
  async during(call: Promise<void>): Promise<void> {
    this.#underWay++
    try {
      await call
    } finally {
      this.#underWay--
    }
  }
}
