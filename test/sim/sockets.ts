import { serialize } from 'node:v8'
import { lives, platform } from './lives.ts'
import type { ActorHost, Life } from './world.ts'

/** The platform's bound. */
const attachmentBytes = 16_384

type Listener = (event: { readonly data: unknown; readonly code: number; readonly reason: string }) => void

/** One end of a WebSocket. What is said arrives in order, after a while, unless the line is cut before. */
export class Socket {
  peer: Socket | undefined
  attachment: unknown = null
  answeredAt: number | undefined
  readonly bufferedAmount = 0
  #host: ActorHost | undefined
  #life: Life | undefined
  #closed = false
  /** It ended before it was accepted: the acceptor is told so then. */
  #endedBefore: { readonly code: number; readonly reason: string } | undefined
  #arrives = 0
  readonly #listeners = new Map<string, Listener>()

  /** Whether it is held by an actor that may sleep meanwhile. */
  get hibernates(): boolean {
    return this.#host !== undefined && this.#life === undefined
  }

  accept(): void {
    const life = lives.getStore()
    if (life === undefined) return
    this.#life = life
    this.#host = life.host
    life.host.sockets.add(this)
    const ended = this.#endedBefore
    if (ended !== undefined) platform().after(0, () => this.end(ended.code, ended.reason))
  }

  hibernateAt(host: ActorHost): void {
    this.#host = host
    host.sockets.add(this)
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, listener)
  }

  serializeAttachment(value: unknown): void {
    if (serialize(value).byteLength > attachmentBytes) throw new Error('the attachment is too large')
    this.attachment = structuredClone(value)
  }

  deserializeAttachment(): unknown {
    return structuredClone(this.attachment)
  }

  send(data: string): void {
    if (this.#closed) throw new Error('the socket is closed')
    this.#leave(() => this.peer?.hear(data))
  }

  close(code = 1005, reason = ''): void {
    if (this.#closed) return
    this.#leave(() => this.peer?.end(code, reason))
    this.#closed = true
    // The runtime goes on listing a closing socket until the other end has answered.
    const { peer } = this
    platform().after(20 + platform().latency(), () => {
      this.#host?.sockets.delete(this)
      peer?.end(code, reason)
    })
  }

  /** The line is cut: nothing on its way arrives, and each end hears of it in its own time. */
  cut(): void {
    for (const end of [this, this.peer]) {
      if (end === undefined) continue
      end.#arrives = Infinity
      // An actor often hears of it only after its client has come back.
      const ms = end.hibernates ? platform().chance.below(1500) : platform().latency()
      platform().after(ms, () => end.end(1006, 'cut'))
    }
  }

  hear(data: string): void {
    const host = this.#host
    if (this.#closed) return
    if (host?.autoResponse?.request === data && this.hibernates) {
      this.answeredAt = platform().now
      return this.#carry(() => this.peer?.hear(host.autoResponse?.response ?? ''))
    }
    this.#tell('message', { data, code: 0, reason: '' }, (instance) => call(instance, 'webSocketMessage', this, data))
  }

  end(code: number, reason: string): void {
    if (this.#closed) return
    if (this.#host === undefined && this.#listeners.size === 0) {
      this.#endedBefore = { code, reason }
      return
    }
    this.#closed = true
    this.#host?.sockets.delete(this)
    this.#tell('close', { data: '', code, reason }, (instance) => call(instance, 'webSocketClose', this))
  }

  #tell(type: string, event: Parameters<Listener>[0], toActor: (instance: object) => void): void {
    const listener = this.#listeners.get(type)
    if (this.hibernates) this.#host?.enter(toActor)
    else if (this.#life === undefined) listener?.(event)
    else if (!this.#life.dead) lives.run(this.#life, () => listener?.(event))
  }

  #leave(arrive: () => void): void {
    if (this.#host === undefined) this.#carry(arrive)
    else this.#host.output(() => this.#carry(arrive))
  }

  #carry(arrive: () => void): void {
    const world = platform()
    if (this.#arrives === Infinity) return
    this.#arrives = Math.max(this.#arrives, world.now + world.latency())
    world.timeline.plan(this.#arrives, () => {
      if (this.#arrives !== Infinity) arrive()
    })
  }
}

/** An answer that hands over one end of a socket. */
export class UpgradeResponse {
  readonly status: number
  readonly webSocket: Socket | null

  constructor(_: null, { status, webSocket = null }: { status: number; webSocket?: Socket | null }) {
    this.status = status
    this.webSocket = webSocket
  }
}

/** Two ends of one line, as `new WebSocketPair()` gives them. */
export class SocketPair {
  readonly 0 = new Socket()
  readonly 1 = new Socket()

  constructor() {
    this[0].peer = this[1]
    this[1].peer = this[0]
  }
}

function call(instance: object, method: string, ...given: readonly unknown[]): void {
  const found: unknown = Reflect.get(instance, method)
  if (typeof found === 'function') Reflect.apply(found, instance, given)
}
