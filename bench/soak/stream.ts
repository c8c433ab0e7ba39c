/** A client's position in a stream. */
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
 * The result of a reconnect: `behind` is a client that must page through history from its last position, since that was
 * too long ago.
 */
export type Return =
  | { readonly kind: 'fine' }
  | { readonly kind: 'behind'; readonly from: Place }
  | { readonly kind: 'wrong'; readonly what: string }

/**
 * One subscriber's position in one stream, over all its connections: each entry must follow the last without a gap and
 * only once. A number and a name, however long the run.
 */
export class Stream {
  #place: Place | undefined
  #open = false

  /** Undefined before the first subscription. `place` is where it may begin, as an app that stored its position. */
  constructor(place?: Place) {
    this.#place = place
  }

  get place(): Place | undefined {
    return this.#place
  }

  get isOpen(): boolean {
    return this.#open
  }

  /** The client subscribes again. What it missed follows by `receive`, when it was recovered; otherwise it begins anew. */
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
  receive(offset: number): string | undefined {
    if (offset === 0) return undefined
    const expected = (this.#place?.offset ?? 0) + 1
    if (offset < expected) return `received ${offset} twice`
    this.#place = { offset, epoch: this.#place?.epoch ?? '' }
    return offset === expected ? undefined : `received ${offset} where ${expected} belongs`
  }

  /** The client is not subscribed, for now. */
  leave(): void {
    this.#open = false
  }
}
