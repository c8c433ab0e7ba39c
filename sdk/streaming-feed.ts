import { wireFailure } from './failure.ts'
import { grown, listed } from './growing.ts'
import { fields, isFields, type Fields } from './parse.ts'
import { pause } from './pause.ts'
import type { Known } from './view.ts'

/** Without an event for so long the server is asked whether a message still grows: its end may have been lost. */
const quietMs = 45_000

interface StreamingPort {
  known(): Known
  change(how: (known: Known) => Known): void
}

/** How the server is asked. */
interface StreamingServer {
  list(): Promise<unknown>
  isSubscribed(): boolean
}

/** Follows the messages of one conversation whose text grows; asks for what it missed. */
export class StreamingFeed {
  readonly #port: StreamingPort
  readonly #server: StreamingServer
  /** Events that came while the server is asked; undefined while it is not. */
  #waiting: Fields[] | undefined
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(port: StreamingPort, server: StreamingServer) {
    this.#port = port
    this.#server = server
  }

  /** A subscription was answered: any messages that grow are read whole, and those that were known and have ended are forgotten. */
  subscribed(state: unknown): void {
    if (fields(state)['streaming'] === true) void this.#ask()
    else this.#port.change((known) => (known.growing.size === 0 ? known : { ...known, growing: new Map() }))
  }

  /** Takes an event. False for one of another kind. */
  hear(given: unknown): boolean {
    if (!isFields(given) || given['type'] !== 'message.streaming') return false
    if (this.#waiting === undefined) this.#apply(given)
    else this.#waiting.push(given)
    return true
  }

  #apply(event: Fields): void {
    const { growing, timeline } = this.#port.known()
    const next = grown(growing, timeline, event)
    if (next === undefined) {
      void this.#ask()
      return
    }
    if (next !== growing) this.#port.change((known) => ({ ...known, growing: next }))
    this.#watch()
  }

  async #ask(): Promise<void> {
    if (this.#waiting !== undefined) return
    this.#waiting = []
    while (this.#server.isSubscribed()) {
      try {
        const answer = await this.#server.list()
        this.#port.change((known) => ({ ...known, growing: listed(known.timeline, answer) }))
        break
      } catch (thrown) {
        if (!wireFailure(thrown).temporary) break
        await pause(1000)
      }
    }
    const events = this.#waiting
    this.#waiting = undefined
    this.#watch()
    for (const event of events) this.hear(event)
  }

  #watch(): void {
    clearTimeout(this.#timer)
    if (this.#port.known().growing.size > 0) this.#timer = setTimeout(() => void this.#ask(), quietMs)
  }
}
