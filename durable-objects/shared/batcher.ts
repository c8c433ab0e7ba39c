/**
 * Handles calls that arrive together as one batch: a commit costs the same for one and for a hundred. Each caller gets its
 * own answer, or the error of the batch.
 */
export class Batcher<In, Out> {
  readonly #take: (all: readonly In[]) => readonly Out[]
  readonly #waitMs: () => number
  #waiting: In[] = []
  #batch: Promise<readonly Out[]> | undefined

  /** `waitMs` is for how long the first call of a batch waits for others. */
  constructor(take: (all: readonly In[]) => readonly Out[], waitMs: () => number = () => 0) {
    this.#take = take
    this.#waitMs = waitMs
  }

  async add(one: In): Promise<Out> {
    const index = this.#waiting.push(one) - 1
    this.#batch ??= this.#takeSoon()
    const out = (await this.#batch)[index]
    if (out === undefined) throw new Error('no answer')
    return out
  }

  /** In the next task of the event loop or later: calls that have arrived already are added before it. */
  async #takeSoon(): Promise<readonly Out[]> {
    await scheduler.wait(this.#waitMs())
    const all = this.#waiting
    this.#waiting = []
    this.#batch = undefined
    return this.#take(all)
  }
}
