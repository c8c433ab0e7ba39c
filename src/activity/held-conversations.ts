import { HeldConversation } from './held-conversation.ts'

/** What is held in all, in states: with about 100 bytes each, 7 MB. */
const maxStates = 65_536
/** What a conversation takes beside its states, in states. */
const ofConversation = 8

/** The conversations of one gateway whose users' states are held, by a name of the gateway's. Beyond a bound those whose last update is oldest are forgotten. */
export class HeldConversations<U extends { readonly user: string }> {
  readonly #held = new Map<string, { readonly conversation: HeldConversation<U>; states: number }>()
  readonly #max: number
  #states = 0

  constructor(max = maxStates) {
    this.#max = max
  }

  /** States held, and eight for each conversation. */
  get states(): number {
    return this.#states
  }

  find(name: string): HeldConversation<U> | undefined {
    return this.#held.get(name)?.conversation
  }

  /** The conversation, which becomes the newest. */
  open(name: string): HeldConversation<U> {
    const known = this.#held.get(name)
    const held = known ?? { conversation: new HeldConversation<U>(), states: 0 }
    if (known !== undefined) this.#held.delete(name)
    this.#held.set(name, held)
    return held.conversation
  }

  /** Counts what a conversation holds now, and forgets the oldest where that is too much in all. The newest stays, however large. */
  measure(name: string): void {
    const held = this.#held.get(name)
    if (held === undefined) return
    const states = held.conversation.size + ofConversation
    this.#states += states - held.states
    held.states = states
    for (const [oldest, { conversation: old, states: freed }] of this.#held) {
      if (this.#states <= this.#max || this.#held.size === 1) return
      // One that is being asked keeps the users to ask for.
      if (!old.isIdle || oldest === name) continue
      this.#held.delete(oldest)
      this.#states -= freed
    }
  }

  /** Updates of these conversations were lost: see `HeldConversation.forget`. */
  forgetStates(isMeant: (name: string) => boolean): void {
    for (const [name, { conversation }] of this.#held) {
      if (!isMeant(name)) continue
      conversation.forget()
      this.measure(name)
    }
  }
}
