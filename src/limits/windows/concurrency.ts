import type { Window } from '../rules.ts'
import type { WindowCounter } from './window-counter.ts'

/** Only what is held counts, and the account knows that: nothing is ever used up. */
export class Concurrency implements WindowCounter {
  readonly capacity: number

  constructor({ limit }: Window) {
    this.capacity = limit
  }

  used(): number {
    return 0
  }

  spend(): void {}

  unspend(): void {}

  waitMs(most: number): number {
    return most < 0 ? Number.POSITIVE_INFINITY : 0
  }

  endOf(): number {
    return Number.POSITIVE_INFINITY
  }

  save(): number[] {
    return []
  }
}
