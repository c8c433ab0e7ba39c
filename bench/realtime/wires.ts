import { z } from 'zod'
import { Acks, answered } from '../load/acks.ts'
import { RawSocket } from '../load/raw-socket.ts'
import { marker } from '../load/tally.ts'
import { postTo } from '../targets/parley-wire.ts'
import type { Reach, TargetName } from '../targets/target.ts'

/** Where a guest stood when it left: what it needs to come back for the rest. */
export interface Place {
  readonly offset: number
  readonly epoch: string
}

/** A client that is subscribed to one conversation and may write there. */
export interface Guest {
  /** Messages received since it came in, those it had missed among them. */
  readonly received: number
  /** Ends the connection without a word to say goodbye to others. */
  leave(): void
  /** Resolves when the server has stored the message; refused with what the server said. */
  say(text: string): Promise<void>
}

/** The client half of a target for these scenarios. */
export interface ConversationWire {
  /** Creates a conversation in which `writers` may write and every user may subscribe. */
  createConversation(reach: Reach, writers: readonly string[]): Promise<string>
  /** What a user shows at the door, good for coming back. */
  ticket(reach: Reach, user: string): Promise<string>
  /** Connects and listens; with `since`, receives first what was published after it. */
  enter(reach: Reach, conversation: string, user: string, ticket: string, since?: Place): Promise<Guest>
  /** The position of a client that received `said` messages of the conversation. */
  place(guest: Guest, said: number): Place
}

const subscribed = z.object({
  id: z.number(),
  subscribe: z.object({ epoch: z.string(), offset: z.number().default(0) }),
})

/** Counts what is said after the marker of `tally.ts`, twice for each message: before and after its number. */
function markersIn(bytes: Buffer, start: number, end: number): number {
  let count = 0
  for (let at = bytes.indexOf(marker, start); at !== -1 && at < end; at = bytes.indexOf(marker, at + 1)) count++
  return count / 2
}

abstract class CountingGuest implements Guest {
  readonly acks = new Acks()
  received = 0
  #socket: RawSocket | undefined

  async open(url: URL): Promise<void> {
    const onText = (bytes: Buffer, start: number, end: number) => this.read(bytes, start, end)
    this.#socket = await RawSocket.open({ url, offerDeflate: false }, { onText, onLost: () => undefined })
  }

  protected abstract read(bytes: Buffer, start: number, end: number): void
  abstract say(text: string): Promise<void>

  leave(): void {
    this.#socket?.close()
  }

  protected send(text: string): void {
    this.#socket?.send(text)
  }
}

class ParleyGuest extends CountingGuest {
  readonly #conversation: string
  epoch = ''
  offset = 0

  constructor(conversation: string) {
    super()
    this.#conversation = conversation
  }

  /** As centrifuge-js does, and Parley's own SDK with it: once the socket is open, the connect and all subscribes leave in one frame. */
  async enter(ticket: string, since: Place | undefined): Promise<void> {
    const recover = since === undefined ? {} : { recover: true, ...since }
    await this.#ask(
      { connect: { token: ticket, name: 'bench' } },
      { subscribe: { channel: `conversation:${this.#conversation}`, ...recover } },
    )
  }

  async say(text: string): Promise<void> {
    const data = { conversation: this.#conversation, clientId: crypto.randomUUID(), text }
    await this.#ask({ rpc: { method: 'message.send', data } })
  }

  protected read(bytes: Buffer, start: number, end: number): void {
    // An answer to a send holds no marker, so whatever does is a message, pushed or recovered.
    this.received += markersIn(bytes, start, end)
    for (const line of bytes.toString('utf8', start, end).split('\n')) this.#readLine(line)
  }

  #readLine(line: string): void {
    if (line === '{}') this.send('{}')
    if (!line.startsWith('{"id":')) return
    if (line.includes('"subscribe":')) {
      const { subscribe } = subscribed.parse(JSON.parse(line))
      this.epoch = subscribe.epoch
      this.offset = subscribe.offset
    }
    const error = /"error":\{"code":(\d+),"message":"([^"]*)"/.exec(line)
    this.acks.settle(Number.parseInt(line.slice(6), 10), error === null ? undefined : `${error[1]} ${error[2]}`)
  }

  /** Sends commands as one frame; resolves when all are answered. */
  async #ask(...commands: readonly object[]): Promise<void> {
    const lines: string[] = []
    const all = commands.map((command) =>
      answered((done) => void lines.push(JSON.stringify({ id: this.acks.expect(done), ...command }))),
    )
    this.send(lines.join('\n'))
    await Promise.all(all)
  }
}

const parley: ConversationWire = {
  async createConversation(reach, writers) {
    const body = { type: 'channel', name: 'bench', members: writers }
    return (await postTo(reach, '/v1/conversations', body, z.object({ id: z.string() }))).id
  },
  async ticket(reach, user) {
    return (await postTo(reach, '/v1/tokens', { user }, z.object({ token: z.string() }))).token
  },
  async enter(reach, conversation, _user, ticket, since) {
    const guest = new ParleyGuest(conversation)
    await guest.open(new URL(reach.url))
    await guest.enter(ticket, since)
    return guest
  },
  place(guest, said) {
    if (!(guest instanceof ParleyGuest)) throw new Error('a guest of another target')
    return { offset: guest.offset + said, epoch: guest.epoch }
  },
}

class BareGuest extends CountingGuest {
  say(text: string): Promise<void> {
    return answered((done) =>
      this.send(JSON.stringify({ id: this.acks.expect(done), clientId: crypto.randomUUID(), text })),
    )
  }

  protected read(bytes: Buffer, start: number, end: number): void {
    this.received += markersIn(bytes, start, end)
    if (bytes[start + 2] === 0x69) this.acks.settle(Number.parseInt(bytes.toString('utf8', start + 6, end), 10))
  }
}

const bare: ConversationWire = {
  createConversation: async () => crypto.randomUUID(),
  ticket: async () => '',
  async enter(reach, conversation, user, _ticket, since) {
    const guest = new BareGuest()
    const from = since === undefined ? '' : `&since=${since.offset}`
    await guest.open(new URL(`/conversations/${conversation}?user=${user}${from}`, reach.url))
    return guest
  },
  place: (_guest, said) => ({ offset: said, epoch: '' }),
}

/** The wires of what is measured here. */
export const conversationWires = { parley, bare } satisfies Partial<Record<TargetName, ConversationWire>>
