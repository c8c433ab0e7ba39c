import { reasonOf } from '../../src/kernel/log.ts'
import type { Outcome } from '../../src/sagas/advance.ts'
import type { Effect } from '../../src/sagas/run.ts'

/**
 * Calls under way at once in one of a tenant's sixteen actors; each is an invocation of the Worker. Further ones wait, in the order in
 * which they came. An isolate makes 128 calls to one host at once, and what is beyond waits there less patiently.
 */
const maxUnderWay = 16

/** The calls of an actor's runs. In memory only: what became of calls that were lost with it is asked about. */
export class Calls {
  readonly #perform: (effect: Effect) => Promise<Outcome>
  readonly #settle: (effect: Effect, outcome: Outcome) => void
  #waiting: Effect[] = []
  /** The next of those that wait; the ones before it are under way or done. */
  #head = 0
  /** Calls under way or waiting, by run. */
  readonly #ofRun = new Map<string, number>()
  #underWay = 0

  constructor(perform: (effect: Effect) => Promise<Outcome>, settle: (effect: Effect, outcome: Outcome) => void) {
    this.#perform = perform
    this.#settle = settle
  }

  add(effects: readonly Effect[]): void {
    for (const effect of effects) {
      this.#ofRun.set(effect.run, (this.#ofRun.get(effect.run) ?? 0) + 1)
      this.#waiting.push(effect)
    }
    this.#next()
  }

  /** Calls under way or waiting. */
  get count(): number {
    return this.#underWay + this.#waiting.length - this.#head
  }

  has(run: string): boolean {
    return this.#ofRun.has(run)
  }

  #next(): void {
    while (this.#underWay < maxUnderWay) {
      const effect = this.#waiting[this.#head]
      if (effect === undefined) return
      this.#head++
      // Taking each from the front of a long list would move all others.
      if (this.#head > 1000 || this.#head === this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#head)
        this.#head = 0
      }
      this.#underWay++
      void this.#make(effect)
    }
  }

  async #make(effect: Effect): Promise<void> {
    let outcome: Outcome
    try {
      outcome = await this.#perform(effect)
    } catch (thrown) {
      outcome = { kind: 'unknown', reason: `the call broke off: ${reasonOf(thrown)}` }
    }
    this.#underWay--
    const left = (this.#ofRun.get(effect.run) ?? 1) - 1
    if (left > 0) this.#ofRun.set(effect.run, left)
    else this.#ofRun.delete(effect.run)
    this.#settle(effect, outcome)
    this.#next()
  }
}
