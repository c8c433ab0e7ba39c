import type { Platform } from './platform.ts'
import { SocketPair, UpgradeResponse, type Socket } from './sockets.ts'
import { heardLine, type Line, type Pub, type Subscribed } from './wire.ts'

export type Settle = (reply: Line | undefined) => void

/** A place in a stream. */
export interface Place {
  readonly offset: number
  readonly epoch: string
}

/** The events that reach the owner of a device. */
export interface Told {
  /** A subscription began; `since` is the place it was to go on from, if it had one. */
  joined(channel: string, result: Subscribed, since: Place | undefined): void
  heard(channel: string, publication: Pub): void
}

export interface DeviceParts {
  readonly world: Platform
  readonly user: string
  readonly gateway: string
  readonly channels: readonly string[]
  readonly token: (user: string, expiresAt: number) => string
  readonly told: Told
}

const answerWithinMs = 5000

/** What an SDK does: it comes back by itself, and asks for what it missed in each stream. */
export class Device {
  /** Where each stream was left. */
  readonly places = new Map<string, Place>()
  readonly trouble: string[] = []
  /** How often it connected. */
  arrivals = 0
  readonly #parts: DeviceParts
  readonly #pending = new Map<number, Settle>()
  readonly #subscribed = new Set<string>()
  readonly #resting = new Set<string>()
  #socket: Socket | undefined
  #open = false
  #gone = false
  #lastId = 0

  constructor(parts: DeviceParts) {
    this.#parts = parts
  }

  get isOpen(): boolean {
    return this.#open
  }

  get isListening(): boolean {
    return this.#open && this.#parts.channels.every((channel) => this.#subscribed.has(channel))
  }

  /** Opens a socket and connects; comes again when that fails. */
  come(): void {
    this.#gone = false
    if (this.#socket !== undefined) return
    const { world, user, gateway } = this.#parts
    const { 0: ours, 1: theirs } = new SocketPair()
    this.#socket = ours
    ours.addEventListener('message', ({ data }) => this.#take(ours, String(data)))
    ours.addEventListener('close', ({ code }) => this.#lost(ours, code))
    world.host('Gateway', gateway).receive('fetch', [upgrade], (outcome) => {
      const far =
        outcome.kind === 'answered' && outcome.value instanceof UpgradeResponse ? outcome.value.webSocket : null
      if (outcome.kind === 'failed') world.note(() => `${user} is not let in: ${outcome.why}`)
      if (far === null) return this.#lost(ours, 1006)
      joinLines(ours, theirs, far)
      this.#hello()
    })
  }

  /** The line is cut, by whatever is between. */
  cut(): void {
    this.#socket?.cut()
  }

  /** Goes, and does not come back by itself. */
  leave(): void {
    this.#gone = true
    if (this.#socket !== undefined) this.#hangUp(this.#socket)
  }

  /** Listens no longer to a channel, and after a while again, from where it was left; not before the gateway has let it go. */
  rest(channel: string, ms: number): void {
    const socket = this.#socket
    if (socket === undefined || !this.#open || !this.#subscribed.delete(channel)) return
    this.#resting.add(channel)
    const again = () => {
      this.#resting.delete(channel)
      this.#subscribe(channel)
    }
    this.ask({ unsubscribe: { channel } }, (reply) => {
      if (reply?.unsubscribe === undefined && socket === this.#socket) this.#hangUp(socket)
      this.#parts.world.after(ms, again)
    })
  }

  /** Asks for something; `settle` hears the answer, or nothing when there was none in time. */
  ask(command: object, settle: Settle): void {
    const id = ++this.#lastId
    const answer = (reply: Line | undefined) => {
      if (this.#pending.delete(id)) settle(reply)
    }
    this.#pending.set(id, answer)
    this.#parts.world.after(answerWithinMs, () => answer(undefined))
    this.#send(JSON.stringify({ id, ...command }))
  }

  #hello(): void {
    const { world, user, channels, token } = this.#parts
    const inbox = this.places.get(`user:#${user}`)
    const subs = inbox === undefined ? {} : { [`user:#${user}`]: { recover: true, ...inbox } }
    const socket = this.#socket
    this.ask({ connect: { token: token(user, world.now + 3_600_000), subs } }, (reply) => {
      if (socket === undefined || socket !== this.#socket) return
      if (reply?.connect === undefined) return this.#hangUp(socket)
      this.#open = true
      this.arrivals++
      for (const [channel, result] of Object.entries(reply.connect.subs)) this.#joined(channel, result)
      for (const channel of channels) this.#subscribe(channel)
    })
  }

  #subscribe(channel: string): void {
    if (!this.#open || this.#subscribed.has(channel) || this.#resting.has(channel)) return
    const place = this.places.get(channel)
    const socket = this.#socket
    this.ask({ subscribe: { channel, ...(place === undefined ? {} : { recover: true, ...place }) } }, (reply) => {
      if (socket === undefined || socket !== this.#socket) return
      if (reply?.subscribe === undefined) {
        // 105: the gateway has us as subscribed although its answer never came. The SDK opens a new connection then.
        if (reply?.error?.code === 105 || reply === undefined) return this.#hangUp(socket)
        return this.#parts.world.after(200, () => this.#subscribe(channel))
      }
      this.#subscribed.add(channel)
      this.#joined(channel, reply.subscribe)
    })
  }

  #joined(channel: string, result: Subscribed): void {
    this.#parts.told.joined(channel, result, this.places.get(channel))
    if (result.epoch !== '') this.places.set(channel, { epoch: result.epoch, offset: result.offset })
    for (const publication of result.publications) this.#heard(channel, publication)
  }

  #heard(channel: string, publication: Pub): void {
    const { offset } = publication
    if (offset > 0) this.places.set(channel, { epoch: this.places.get(channel)?.epoch ?? '', offset })
    this.#parts.told.heard(channel, publication)
  }

  #send(frame: string): void {
    this.#parts.world.note(() => `${this.#parts.user} sends ${frame}`)
    try {
      this.#socket?.send(frame)
    } catch {
      // It was closed meanwhile; a caller that waits for an answer is told that none comes.
    }
  }

  #take(socket: Socket, frame: string): void {
    if (socket !== this.#socket) return
    this.#parts.world.note(() => `${this.#parts.user} hears ${frame}`)
    for (const text of frame.split('\n')) {
      if (text === '{}') this.#send('{}')
      else this.#obey(heardLine.parse(JSON.parse(text)))
    }
  }

  #obey(line: Line): void {
    if (line.id > 0) return this.#pending.get(line.id)?.(line)
    const { push } = line
    if (push === undefined || this.#resting.has(push.channel)) return
    if (push.pub !== undefined) this.#heard(push.channel, push.pub)
    if (push.unsubscribe === undefined) return
    this.#subscribed.delete(push.channel)
    const { user, world } = this.#parts
    if (push.unsubscribe.code < 2500) this.trouble.push(`${user} was thrown out of ${push.channel}`)
    else world.after(50, () => this.#subscribe(push.channel))
  }

  #hangUp(socket: Socket): void {
    socket.close(1000, 'again')
    this.#lost(socket, 1000)
  }

  #lost(socket: Socket, code: number): void {
    if (socket !== this.#socket) return
    if (code >= 3500) this.trouble.push(`${this.#parts.user} was turned away with ${code}`)
    this.#socket = undefined
    this.#open = false
    this.#subscribed.clear()
    for (const settle of this.#pending.values()) settle(undefined)
    const { world } = this.#parts
    world.after(world.chance.between(20, 500), () => {
      if (!this.#gone) this.come()
    })
  }
}

const upgrade = new Request('http://gateway/connection/websocket', { headers: { upgrade: 'websocket' } })

/** The gateway made a pair of its own: its far end stands for the whole way between. */
function joinLines(ours: Socket, spare: Socket, far: Socket): void {
  const server = far.peer
  spare.peer = undefined
  ours.peer = server
  if (server !== undefined) server.peer = ours
}
