import { decodeAnswer, linkListsHeader } from '../../../src/protocol/link-frames.ts'
import type { StreamAnswer, StreamCall } from '../../../src/protocol/stream.ts'

/** An actor's stub, as far as opening a WebSocket needs it. */
interface Reachable {
  fetch(url: string, init: { headers: Record<string, string> }): Promise<Response>
}

interface Pending {
  readonly resolve: (answer: StreamAnswer) => void
  readonly reject: (reason: Error) => void
  readonly since: number
}

/** Calls within a second after which a stream gets a link. */
const callsBeforeLink = 3
const idleMs = 5000
const hungMs = 10_000
const sweepMs = 1000

/**
 * A socket from a gateway to one busy stream, over which a call costs less than half. It carries one call at a time, as a
 * batcher makes them. A call that fails on its link is made again without it. Idle links are closed, since an open one
 * keeps its gateway awake.
 */
class Link {
  readonly #socket: WebSocket
  #pending: Pending | undefined
  usedAt: number

  constructor(socket: WebSocket, now: number, gone: () => void) {
    this.#socket = socket
    this.usedAt = now
    socket.accept()
    socket.addEventListener('message', ({ data }) => this.#answered(String(data)))
    socket.addEventListener('close', () => this.#fail(gone, 'the link was closed'))
    socket.addEventListener('error', () => this.#fail(gone, 'the link broke'))
  }

  /** Whether no call is under way: answers carry no number, so there may be only one. */
  get isFree(): boolean {
    return this.#pending === undefined
  }

  call(call: StreamCall, now: number): Promise<StreamAnswer> {
    this.usedAt = now
    const { promise, resolve, reject } = Promise.withResolvers<StreamAnswer>()
    // Sent first: when the socket throws, no pending call keeps the link from its next one.
    this.#socket.send(JSON.stringify(call))
    this.#pending = { resolve, reject, since: now }
    return promise
  }

  /** Whether it is to be closed: idle for a while, or without an answer for too long. */
  isSpent(now: number): boolean {
    return this.#pending === undefined ? now - this.usedAt > idleMs : now - this.#pending.since > hungMs
  }

  close(): void {
    this.#pending?.reject(new Error('the stream did not answer over its link'))
    this.#pending = undefined
    this.#socket.close(1000, 'idle')
  }

  #answered(text: string): void {
    const pending = this.#pending
    this.#pending = undefined
    try {
      pending?.resolve(decodeAnswer(text))
    } catch (thrown) {
      pending?.reject(thrown instanceof Error ? thrown : new Error(String(thrown)))
    }
  }

  #fail(gone: () => void, reason: string): void {
    gone()
    this.#pending?.reject(new Error(reason))
    this.#pending = undefined
  }
}

/** The links of one gateway. */
export class Links {
  readonly #links = new Map<string, Link | 'opening'>()
  readonly #calls = new Map<string, number>()
  readonly #clock: () => number
  #sweeping = false

  constructor(clock: () => number) {
    this.#clock = clock
  }

  /** The answer over a link; undefined when there is none yet, and the call has to be made without. */
  call(name: string, stream: () => Reachable, call: StreamCall): Promise<StreamAnswer> | undefined {
    const link = this.#links.get(name)
    if (link instanceof Link) return link.isFree ? link.call(call, this.#clock()) : undefined
    if (link === undefined && this.#isBusy(name)) void this.#open(name, stream())
    return undefined
  }

  #isBusy(name: string): boolean {
    const calls = (this.#calls.get(name) ?? 0) + 1
    this.#calls.set(name, calls)
    this.#sweepLater()
    return calls > callsBeforeLink
  }

  async #open(name: string, stream: Reachable): Promise<void> {
    this.#links.set(name, 'opening')
    try {
      const headers = { Upgrade: 'websocket', [linkListsHeader]: '1' }
      const { webSocket } = await stream.fetch('http://stream/link', { headers })
      if (webSocket === null) throw new Error('no link')
      this.#links.set(name, new Link(webSocket, this.#clock(), () => this.#links.delete(name)))
    } catch {
      this.#links.delete(name)
    }
  }

  /** One timer for all links, and none without links: a timer keeps its gateway awake. */
  #sweepLater(): void {
    if (this.#sweeping) return
    this.#sweeping = true
    setTimeout(() => this.#sweep(), sweepMs)
  }

  #sweep(): void {
    this.#sweeping = false
    this.#calls.clear()
    const now = this.#clock()
    for (const [name, link] of this.#links) {
      if (!(link instanceof Link) || !link.isSpent(now)) continue
      this.#links.delete(name)
      link.close()
    }
    if (this.#links.size > 0) this.#sweepLater()
  }
}
