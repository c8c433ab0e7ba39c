/** Where somebody stands in a stream. */
export interface Place {
  readonly offset: number
  readonly epoch: string
}

/** What the server says of a subscription. */
export interface Joined extends Place {
  readonly wasRecovering: boolean
  readonly recovered: boolean
}

/**
 * How a return went: `behind` is somebody who must page through history from where she was, since it was too long ago.
 */
export type Return =
  | { readonly kind: 'fine' }
  | { readonly kind: 'behind'; readonly from: Place }
  | { readonly kind: 'wrong'; readonly what: string }

/**
 * One listener's place in one stream, over all her connections: each entry must follow the last without a gap and
 * without being said twice. A number and a name, however long it goes.
 */
export class Stream {
  #place: Place | undefined
  #open = false

  /** Undefined until she has been here once. `place` is where she may begin, as one whose app remembers. */
  constructor(place?: Place) {
    this.#place = place
  }

  get place(): Place | undefined {
    return this.#place
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** She listens again. What she missed follows by `hear`, when it was recovered; otherwise she begins anew. */
  join({ offset, epoch, wasRecovering, recovered }: Joined): Return {
    const before = this.#place
    this.#place = { offset, epoch }
    this.#open = true
    if (before === undefined) return { kind: 'fine' }
    if (!wasRecovering || !recovered) return { kind: 'behind', from: before }
    if (epoch === before.epoch && offset === before.offset) return { kind: 'fine' }
    return {
      kind: 'wrong',
      what: `was recovered after ${offset} of ${epoch}, having left at ${before.offset} of ${before.epoch}`,
    }
  }

  /** Something was said at this offset; 0 is for what passes and has no place. Returns what is wrong, if anything. */
  hear(offset: number): string | undefined {
    if (offset === 0) return undefined
    const expected = (this.#place?.offset ?? 0) + 1
    if (offset < expected) return `heard ${offset} twice`
    this.#place = { offset, epoch: this.#place?.epoch ?? '' }
    return offset === expected ? undefined : `heard ${offset} where ${expected} belongs`
  }

  /** She listens no more, for now. */
  leave(): void {
    this.#open = false
  }
}
