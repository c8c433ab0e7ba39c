/**
 * Handles calls that arrive together as one batch: a commit costs the same for one and for a hundred. Each caller gets its
 * own answer, or the error of the batch.
 */
export class Batcher<In, Out> {
  readonly #take: (all: readonly In[]) => readonly Out[]
  #waiting: In[] = []
  #batch: Promise<readonly Out[]> | undefined

  constructor(take: (all: readonly In[]) => readonly Out[]) {
    this.#take = take
  }

  async add(one: In): Promise<Out> {
    const index = this.#waiting.push(one) - 1
    this.#batch ??= this.#takeSoon()
    const out = (await this.#batch)[index]
    if (out === undefined) throw new Error('no answer')
    return out
  }

  /** In the next task of the event loop: calls that have arrived already are added before it. */
  async #takeSoon(): Promise<readonly Out[]> {
    await scheduler.wait(0)
    const all = this.#waiting
    this.#waiting = []
    this.#batch = undefined
    return this.#take(all)
  }
}
