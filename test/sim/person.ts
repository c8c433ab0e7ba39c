import type { History } from '../support/history.ts'
import { tenant } from './neighbours.ts'
import type { Platform } from './platform.ts'
import { SocketPair, UpgradeResponse, type Socket } from './sockets.ts'
import { heardLine, toEntry, type Line, type Pub, type Subscribed } from './wire.ts'

type Settle = (reply: Line | undefined) => void

const refusedFor = new Set([111])
const answerWithinMs = 5000

/** Somebody with an SDK that comes back, recovers what it missed, and says again what was not acknowledged. */
export class Person {
  readonly user: string
  /** The newest the inbox said of each conversation. */
  readonly inbox = new Map<string, string>()
  /** Where each stream was left. */
  readonly places = new Map<string, { offset: number; epoch: string }>()
  readonly trouble: string[] = []
  readonly #world: Platform
  readonly #history: History
  readonly #token: (user: string, expiresAt: number) => string
  readonly #gateway: string
  readonly #conversations: readonly string[]
  readonly #pending = new Map<number, Settle>()
  readonly #subscribed = new Set<string>()
  #socket: Socket | undefined
  #open = false
  #lastId = 0
  #said = 0
  /** Messages on their way or to be said again. */
  unsettled = 0

  constructor(
    {
      world,
      history,
      token,
    }: { world: Platform; history: History; token: (user: string, expiresAt: number) => string },
    user: string,
    gateway: string,
    conversations: readonly string[],
  ) {
    this.#world = world
    this.#history = history
    this.#token = token
    this.user = user
    this.#gateway = gateway
    this.#conversations = conversations
  }

  /** How often it connected. */
  arrivals = 0

  get isListening(): boolean {
    return this.#open && this.#subscribed.size === this.#conversations.length
  }

  /** Opens a socket and connects; comes again when that fails. */
  come(): void {
    if (this.#socket !== undefined) return
    const { 0: ours, 1: theirs } = new SocketPair()
    this.#socket = ours
    ours.addEventListener('message', ({ data }) => this.#take(ours, String(data)))
    ours.addEventListener('close', ({ code }) => this.#lost(ours, code))
    this.#world.host('Gateway', this.#gateway).receive('fetch', [upgrade], (outcome) => {
      const far =
        outcome.kind === 'answered' && outcome.value instanceof UpgradeResponse ? outcome.value.webSocket : null
      if (outcome.kind === 'failed') this.#world.note(() => `${this.user} is not let in: ${outcome.why}`)
      if (far === null) return this.#lost(ours, 1006)
      joinLines(ours, theirs, far)
      this.#hello()
    })
  }

  /** The line is cut, by whatever is between. */
  cut(): void {
    this.#socket?.cut()
  }

  /** Says one thing until it is acknowledged. */
  say(conversation: string): void {
    const clientId = `${this.user}-${++this.#said}`
    this.unsettled++
    this.#insist(conversation, clientId, `${this.user} says ${clientId} in ${conversation}`)
  }

  /** Asks for something whose answer does not matter, now or never. */
  mention(method: string, data: object): void {
    if (this.#open) this.#ask({ rpc: { method, data } }, () => undefined)
  }

  /** The place of a conversation's stream. */
  heardUpTo(conversation: string): number {
    return this.places.get(`conversation:${conversation}`)?.offset ?? 0
  }

  #insist(conversation: string, clientId: string, text: string): void {
    const again = () =>
      this.#world.after(this.#world.chance.between(50, 400), () => this.#insist(conversation, clientId, text))
    if (!this.#open) return again()
    const key = { tenant, conversation, user: this.user, clientId }
    const pending = this.#history.invoke(this.user, key, text)
    this.#ask({ rpc: { method: 'message.send', data: { conversation, clientId, text } } }, (reply) => {
      const seq = reply?.rpc?.data.seq
      if (seq === undefined) {
        if (reply?.error !== undefined && refusedFor.has(reply.error.code)) pending.fail()
        else pending.unknown()
        return again()
      }
      pending.ok(seq)
      this.unsettled--
    })
  }

  #hello(): void {
    const inbox = this.places.get(`user:#${this.user}`)
    const subs = inbox === undefined ? {} : { [`user:#${this.user}`]: { recover: true, ...inbox } }
    const token = this.#token(this.user, this.#world.now + 3_600_000)
    const socket = this.#socket
    this.#ask({ connect: { token, subs } }, (reply) => {
      if (socket === undefined || socket !== this.#socket) return
      if (reply?.connect === undefined) return this.#hangUp(socket)
      this.#open = true
      this.arrivals++
      for (const [channel, result] of Object.entries(reply.connect.subs)) this.#joined(channel, result)
      for (const conversation of this.#conversations) this.#subscribe(`conversation:${conversation}`)
    })
  }

  #subscribe(channel: string): void {
    if (!this.#open || this.#subscribed.has(channel)) return
    const place = this.places.get(channel)
    const socket = this.#socket
    this.#ask({ subscribe: { channel, ...(place === undefined ? {} : { recover: true, ...place }) } }, (reply) => {
      if (socket === undefined || socket !== this.#socket) return
      if (reply?.subscribe === undefined) {
        // 105: the gateway has us as subscribed although its answer never came. The SDK opens a new connection then.
        if (reply?.error?.code === 105 || reply === undefined) return this.#hangUp(socket)
        return this.#world.after(200, () => this.#subscribe(channel))
      }
      this.#subscribed.add(channel)
      this.#joined(channel, reply.subscribe)
    })
  }

  #joined(channel: string, { epoch, offset, recovered, publications }: Subscribed): void {
    if (!recovered && channel.startsWith('conversation:'))
      this.#history.joined(this.user, tenant, channel.slice('conversation:'.length), offset)
    this.places.set(channel, { epoch, offset })
    for (const publication of publications) this.#heard(channel, publication)
  }

  #heard(channel: string, publication: Pub): void {
    const { offset, data } = publication
    if (offset === 0) return
    this.places.set(channel, { epoch: this.places.get(channel)?.epoch ?? '', offset })
    if (channel.startsWith('conversation:')) this.#history.hear(this.user, toEntry(channel, publication))
    else this.inbox.set(String(data['conversation']), JSON.stringify([data['last'], data['read'], data['unread']]))
  }

  #ask(command: object, settle: Settle): void {
    const id = ++this.#lastId
    const answer = (reply: Line | undefined) => {
      if (this.#pending.delete(id)) settle(reply)
    }
    this.#pending.set(id, answer)
    this.#world.after(answerWithinMs, () => answer(undefined))
    this.#send(JSON.stringify({ id, ...command }))
  }

  #send(frame: string): void {
    this.#world.note(() => `${this.user} sends ${frame}`)
    try {
      this.#socket?.send(frame)
    } catch {
      // It was closed meanwhile; whoever waits for an answer hears that none comes.
    }
  }

  #take(socket: Socket, frame: string): void {
    if (socket !== this.#socket) return
    this.#world.note(() => `${this.user} hears ${frame}`)
    for (const text of frame.split('\n')) {
      if (text === '{}') this.#send('{}')
      else this.#obey(heardLine.parse(JSON.parse(text)))
    }
  }

  #obey(line: Line): void {
    if (line.id > 0) return this.#pending.get(line.id)?.(line)
    const { push } = line
    if (push?.pub !== undefined) this.#heard(push.channel, push.pub)
    if (push?.unsubscribe === undefined) return
    this.#subscribed.delete(push.channel)
    if (push.unsubscribe.code < 2500) this.trouble.push(`${this.user} was thrown out of ${push.channel}`)
    else this.#world.after(50, () => this.#subscribe(push.channel))
  }

  #hangUp(socket: Socket): void {
    socket.close(1000, 'again')
    this.#lost(socket, 1000)
  }

  #lost(socket: Socket, code: number): void {
    if (socket !== this.#socket) return
    if (code >= 3500) this.trouble.push(`${this.user} was turned away with ${code}`)
    this.#socket = undefined
    this.#open = false
    this.#subscribed.clear()
    for (const settle of this.#pending.values()) settle(undefined)
    this.#world.after(this.#world.chance.between(20, 500), () => this.come())
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
