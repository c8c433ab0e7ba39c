import { tabStorage } from './ui/tab-storage.ts'

/** What the user of this tab has written and not sent, by conversation. It survives a reload. */
export class Drafts {
  readonly #user: string

  constructor(user: string) {
    this.#user = user
  }

  /** The draft of a conversation, empty where there is none. */
  get(conversation: string): string {
    return tabStorage.get(this.#key(conversation)) ?? ''
  }

  /** Keeps a draft; an empty one is forgotten. */
  set(conversation: string, text: string): void {
    if (text === '') tabStorage.remove(this.#key(conversation))
    else tabStorage.set(this.#key(conversation), text)
  }

  #key(conversation: string): string {
    return `parley.draft ${this.#user} ${conversation}`
  }
}
