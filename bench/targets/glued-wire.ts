import { z } from 'zod'
import { Acks, answered, type Acknowledged } from '../load/acks.ts'
import { RawSocket } from '../load/raw-socket.ts'
import { marker, Tally } from '../load/tally.ts'
import type { Member, Reach, Wire } from './target.ts'

/** Socket.IO 5 over Engine.IO 4, by its leading digits: `42[…]` an event, `43<id>[…]` an answer, `2` a ping. */
export const gluedWire: Wire = {
  async createConversation() {
    return crypto.randomUUID()
  },

  async join(reach, conversation, user, onLost) {
    const member = new GluedMember(conversation, user)
    await member.open(reach, onLost)
    await member.enter()
    return member
  },
}

const packets = { ping: 0x32, message: 0x34 } as const
const messages = { connect: 0x30, event: 0x32, ack: 0x33 } as const
const outcome = z.tuple([z.object({ error: z.string().optional() })])

class GluedMember implements Member {
  readonly received = new Tally()
  readonly #conversation: string
  readonly #user: string
  readonly #acks = new Acks()
  #socket: RawSocket | undefined
  #connected: Acknowledged = () => {}

  constructor(conversation: string, user: string) {
    this.#conversation = conversation
    this.#user = user
  }

  async open(reach: Reach, onLost: (reason: string) => void): Promise<void> {
    const dial = { url: new URL(reach.url), offerDeflate: reach.offerDeflate }
    const connected = answered((done) => (this.#connected = done))
    this.#socket = await RawSocket.open(dial, { onText: (bytes, start, end) => this.#read(bytes, start, end), onLost })
    this.#socket.send(`40${JSON.stringify({ user: this.#user })}`)
    await connected
  }

  /** Joins the conversation. */
  enter(): Promise<void> {
    return answered((done) => this.#emit(done, 'join', { conversation: this.#conversation }))
  }

  send(text: string, done: Acknowledged): void {
    this.#emit(done, 'send', { conversation: this.#conversation, clientId: crypto.randomUUID(), text })
  }

  close(): void {
    this.#socket?.close()
  }

  #emit(done: Acknowledged, event: string, data: object): void {
    this.#socket?.send(`42${this.#acks.expect(done)}${JSON.stringify([event, data])}`)
  }

  #read(bytes: Buffer, start: number, end: number): void {
    switch (bytes[start]) {
      case packets.message:
        this.#readMessage(bytes, start, end)
        break
      case packets.ping:
        this.#socket?.send('3')
        break
      default:
        break
    }
  }

  #readMessage(bytes: Buffer, start: number, end: number): void {
    switch (bytes[start + 1]) {
      case messages.event:
        this.#receive(bytes, start, end)
        break
      case messages.ack:
        this.#settle(bytes.toString('utf8', start + 2, end))
        break
      case messages.connect:
        this.#connected()
        break
      default:
        this.#connected(bytes.toString('utf8', start, end))
    }
  }

  #receive(bytes: Buffer, start: number, end: number): void {
    const found = bytes.indexOf(marker, start)
    if (found !== -1 && found < end) this.received.receive(bytes, found)
  }

  #settle(ack: string): void {
    const body = ack.indexOf('[')
    const [{ error }] = outcome.parse(JSON.parse(ack.slice(body)))
    this.#acks.settle(Number(ack.slice(0, body)), error)
  }
}
