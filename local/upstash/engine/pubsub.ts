import type { Bytes } from '../bytes.ts'
import { glob } from './glob.ts'

/** Hears `message, channel, payload` or `pmessage, pattern, channel, payload`. */
export type Listener = (event: Bytes[]) => void

/** Who listens to what. Delivery is synchronous, so messages are heard in the order they were published. */
export class PubSub {
  readonly #channels = new Map<Bytes, Set<Listener>>()
  readonly #patterns = new Map<Bytes, { matches: (channel: Bytes) => boolean; listeners: Set<Listener> }>()

  /** Starts listening to one channel; the answer stops it. */
  subscribe(channel: Bytes, listener: Listener): () => void {
    const listeners = this.#channels.get(channel) ?? new Set()
    this.#channels.set(channel, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#channels.delete(channel)
    }
  }

  /** Starts listening to every channel a glob matches; the answer stops it. */
  subscribePattern(pattern: Bytes, listener: Listener): () => void {
    const entry = this.#patterns.get(pattern) ?? { matches: glob(pattern), listeners: new Set() }
    this.#patterns.set(pattern, entry)
    entry.listeners.add(listener)
    return () => {
      entry.listeners.delete(listener)
      if (entry.listeners.size === 0) this.#patterns.delete(pattern)
    }
  }

  /** Tells everyone who listens; answers how many deliveries were made. */
  publish(channel: Bytes, payload: Bytes): number {
    let heard = 0
    for (const listener of this.#channels.get(channel) ?? []) {
      listener(['message', channel, payload])
      heard += 1
    }
    for (const [pattern, { matches, listeners }] of this.#patterns) {
      if (!matches(channel)) continue
      for (const listener of listeners) {
        listener(['pmessage', pattern, channel, payload])
        heard += 1
      }
    }
    return heard
  }
}
