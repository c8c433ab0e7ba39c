/**
 * Takes what comes in the same moment as one: a commit costs the same for one and for a hundred, and while one is
 * under way the next ones gather. Each caller gets its own answer, or what was thrown for all.
 */
export class Batcher<In, Out> {
  readonly #take: (all: readonly In[]) => readonly Out[]
  #waiting: { readonly one: In; readonly resolve: (out: Out) => void; readonly reject: (why: unknown) => void }[] = []

  constructor(take: (all: readonly In[]) => readonly Out[]) {
    this.#take = take
  }

  add(one: In): Promise<Out> {
    const { promise, resolve, reject } = Promise.withResolvers<Out>()
    this.#waiting.push({ one, resolve, reject })
    // The next turn of the event loop: calls that have arrived already are heard before it.
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
