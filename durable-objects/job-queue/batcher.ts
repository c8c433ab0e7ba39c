/**
 * Handles calls that arrive together as one batch: a commit costs the same for one and for a hundred. Each caller gets its
 * own answer, or the error of the batch.
 */
export class Batcher<In, Out> {
  readonly #take: (all: readonly In[]) => readonly Out[]
  #waiting: { readonly one: In; readonly resolve: (out: Out) => void; readonly reject: (reason: unknown) => void }[] =
    []

  constructor(take: (all: readonly In[]) => readonly Out[]) {
    this.#take = take
  }

  add(one: In): Promise<Out> {
    const { promise, resolve, reject } = Promise.withResolvers<Out>()
    this.#waiting.push({ one, resolve, reject })
    // In the next task of the event loop: calls that have arrived already are added before it.
    if (this.#waiting.length === 1) setTimeout(() => this.#takeAll(), 0)
    return promise
  }

  #takeAll(): void {
    const all = this.#waiting
    this.#waiting = []
    try {
      const outs = this.#take(all.map(({ one }) => one))
      all.forEach(({ resolve, reject }, n) => {
        const out = outs[n]
        if (out === undefined) reject(new Error('no answer'))
        else resolve(out)
      })
    } catch (thrown) {
      for (const { reject } of all) reject(thrown)
    }
  }
}
