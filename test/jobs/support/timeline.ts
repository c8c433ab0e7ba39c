/** Events in order of their time; those of the same moment in the order they were planned. */
export class Timeline {
  readonly #heap: { readonly at: number; readonly n: number; readonly happen: () => void }[] = []
  #n = 0
  now: number

  constructor(now: number) {
    this.now = now
  }

  plan(at: number, happen: () => void): void {
    const heap = this.#heap
    heap.push({ at: Math.max(at, this.now), n: this.#n++, happen })
    let child = heap.length - 1
    while (child > 0) {
      const parent = (child - 1) >> 1
      if (!this.#before(child, parent)) return
      this.#swap(child, parent)
      child = parent
    }
  }

  /** Lets the next event happen. False when there is none. */
  step(): boolean {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined) return false
    if (heap.length > 0) {
      heap[0] = last
      this.#sink()
    }
    this.now = first.at
    first.happen()
    return true
  }

  #sink(): void {
    for (let parent = 0; ;) {
      const [left, right] = [2 * parent + 1, 2 * parent + 2]
      let least = parent
      if (left < this.#heap.length && this.#before(left, least)) least = left
      if (right < this.#heap.length && this.#before(right, least)) least = right
      if (least === parent) return
      this.#swap(least, parent)
      parent = least
    }
  }

  #before(a: number, b: number): boolean {
    const [left, right] = [this.#heap[a], this.#heap[b]]
    if (left === undefined || right === undefined) return false
    return left.at < right.at || (left.at === right.at && left.n < right.n)
  }

  #swap(a: number, b: number): void {
    const [left, right] = [this.#heap[a], this.#heap[b]]
    if (left === undefined || right === undefined) return
    this.#heap[a] = right
    this.#heap[b] = left
  }
}
