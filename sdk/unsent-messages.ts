import { ParleyError } from './failure.ts'
import { Listeners } from './listeners.ts'
import type { MessageStore, UnsentMessage } from './message-store.ts'
import type { Pages } from './pages.ts'
import { pause } from './pause.ts'
import type { ThreadPlace } from './timeline.ts'

/** How often a page looks for messages that another page left behind. */
const lookEveryMs = 10_000
/** A store that does not answer holds up no message for longer. */
const readyWithinMs = 3000

/** What a conversation tells of a message it is sending. */
export interface Written extends ThreadPlace {
  readonly conversation: string
  readonly clientId: string
  readonly text: string
  readonly at: number
}

export interface UnsentOptions {
  readonly user: string
  readonly store: MessageStore | undefined
  readonly pages: Pages
  /** Takes over messages of pages that ended, in the order written. */
  readonly restore: (conversation: string, messages: readonly UnsentMessage[]) => void
}

/**
 * The messages that the server does not have yet, kept in a store, so that they survive a reload, a crash and days offline. A message that
 * was delivered and not deleted yet is sent again by the next page, under its clientId, which makes it the same message.
 */
export class UnsentMessages {
  /** What the store refused: private mode, no space, a damaged database. */
  readonly problems = new Listeners<ParleyError>()
  /** Resolves once messages of earlier pages are restored, which go before new ones; at once where there is no store. */
  readonly ready: Promise<void>
  readonly #options: UnsentOptions
  readonly #kept = new Map<string, UnsentMessage>()
  readonly #timer: ReturnType<typeof setInterval> | undefined
  #work: Promise<void> = Promise.resolve()
  #last = 0
  #failing = false
  /** Messages that are being written. */
  #writing = 0

  constructor(options: UnsentOptions) {
    this.#options = options
    if (options.store === undefined) {
      this.ready = Promise.resolve()
      return
    }
    const restored = this.#next((store) => this.#takeOver(store))
    this.ready = Promise.race([restored, pause(readyWithinMs)])
    this.#timer = setInterval(() => void this.#next((store) => this.#takeOver(store)), lookEveryMs)
  }

  /** Whether a message that is on its way would be lost with this page. */
  get isVolatile(): boolean {
    return this.#options.store === undefined || this.#failing || this.#writing > 0
  }

  keep(written: Written): void {
    this.#writing++
    void this.#next(async (store) => {
      const page = await this.#options.pages.own
      // Later than all that is kept, and than what another page writes at another time.
      this.#last = Math.max(this.#last + 1, written.at)
      await this.#put(store, { ...written, user: this.#options.user, n: this.#last, page })
    }).then(() => this.#writing--)
  }

  /** The server refused it: it stays until its author discards it or tries again. */
  refuse(clientId: string, { kind, code, message }: ParleyError): void {
    void this.#next((store) => this.#change(store, clientId, (one) => ({ ...one, refused: { kind, code, message } })))
  }

  retry(clientId: string): void {
    void this.#next((store) => this.#change(store, clientId, ({ refused: _refused, ...one }) => one))
  }

  /** The server has it, or its author does not want it any more. */
  drop(clientId: string): void {
    void this.#next(async (store) => {
      this.#kept.delete(clientId)
      await store.delete(this.#options.user, clientId)
    })
  }

  /** The page ends; what is kept is the next page's. */
  close(): void {
    clearInterval(this.#timer)
    // After the last call of the store, where there is one. A lock that is held keeps Deno from ending.
    void this.#work.then(() => this.#options.pages.leave())
  }

  async #takeOver(store: MessageStore): Promise<void> {
    const { user, pages } = this.#options
    const own = await pages.own
    await pages.alone(async () => {
      const living = await pages.living()
      const all = [...(await store.load(user))].sort((a, b) => a.n - b.n)
      this.#last = Math.max(this.#last, all.at(-1)?.n ?? 0)
      const left = all.filter(({ page, clientId }) => page !== own && !living.has(page) && !this.#kept.has(clientId))
      for (const message of left) await this.#put(store, { ...message, page: own })
      for (const conversation of new Set(left.map((one) => one.conversation)))
        this.#options.restore(
          conversation,
          left.filter((one) => one.conversation === conversation),
        )
    })
  }

  async #change(store: MessageStore, clientId: string, how: (one: UnsentMessage) => UnsentMessage): Promise<void> {
    const known = this.#kept.get(clientId)
    if (known !== undefined) await this.#put(store, how(known))
  }

  async #put(store: MessageStore, message: UnsentMessage): Promise<void> {
    this.#kept.set(message.clientId, message)
    await store.put(message)
  }

  /** One call of the store after the other: a deletion never overtakes what it deletes. */
  #next(work: (store: MessageStore) => Promise<void>): Promise<void> {
    const { store } = this.#options
    if (store === undefined) return this.#work
    this.#work = this.#work.then(async () => {
      try {
        await work(store)
        this.#failing = false
      } catch (error) {
        this.#failing = true
        const reason = error instanceof Error ? error.message : String(error)
        const problem = new ParleyError(
          'notAvailable',
          `unsent messages cannot be kept on this device (${reason}); they are sent while the page is open`,
        )
        // What a listener throws must not stop the calls that follow.
        queueMicrotask(() => this.problems.tell(problem))
      }
    })
    return this.#work
  }
}
