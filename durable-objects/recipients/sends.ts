import type { NoticeKey } from './notice-table.ts'
import type { Send } from './run-decider.ts'

/** Calls under way at once in one of a tenant's sixteen actors; each is an invocation of the Worker. Further ones wait, in order. */
const maxUnderWay = 32

/** The calls of an actor's runs. In memory only: those that were lost with it are repeated, at the same provider and with the same key. */
export class Sends {
  readonly #perform: (send: Send) => Promise<void>
  #waiting: Send[] = []
  /** The next of those that wait; the ones before it are under way or done. */
  #head = 0
  /** Calls under way or waiting, by notice. */
  readonly #ofNotice = new Map<string, number>()
  #underWay = 0

  constructor(perform: (send: Send) => Promise<void>) {
    this.#perform = perform
  }

  add(sends: readonly Send[]): void {
    for (const send of sends) {
      const key = keyOf(send)
      this.#ofNotice.set(key, (this.#ofNotice.get(key) ?? 0) + 1)
      this.#waiting.push(send)
    }
    this.#next()
  }

  /** Calls under way or waiting. */
  get count(): number {
    return this.#underWay + this.#waiting.length - this.#head
  }

  has(notice: NoticeKey): boolean {
    return this.#ofNotice.has(keyOf(notice))
  }

  #next(): void {
    while (this.#underWay < maxUnderWay) {
      const send = this.#waiting[this.#head]
      if (send === undefined) return
      this.#head++
      // Taking each from the front of a long list would move all others.
      if (this.#head > 1000 || this.#head === this.#waiting.length) {
        this.#waiting = this.#waiting.slice(this.#head)
        this.#head = 0
      }
      this.#underWay++
      void this.#make(send)
    }
  }

  /** `perform` never throws: it has stored what became of the call, or the alarm will. */
  async #make(send: Send): Promise<void> {
    await this.#perform(send)
    this.#underWay--
    const key = keyOf(send)
    const left = (this.#ofNotice.get(key) ?? 1) - 1
    if (left > 0) this.#ofNotice.set(key, left)
    else this.#ofNotice.delete(key)
    this.#next()
  }
}

const keyOf = ({ user, notification }: NoticeKey): string => `${notification}/${user}`
