import { z } from 'zod'
import { Acks, answered, type Acknowledged } from '../load/acks.ts'
import { RawSocket } from '../load/raw-socket.ts'
import { marker, Tally } from '../load/tally.ts'
import type { Member, Reach, Wire } from './target.ts'

/** Parley's realtime wire: Centrifuge JSON, one object per line, several lines per frame. */
export const parleyWire: Wire = {
  async createConversation(reach, users) {
    const body = { type: 'group', name: 'bench', members: users }
    return (await postTo(reach, '/v1/conversations', body, z.object({ id: z.string() }))).id
  },

  async join(reach, conversation, user, onLost) {
    const { token } = await postTo(reach, '/v1/tokens', { user }, z.object({ token: z.string() }))
    const member = new ParleyMember(conversation)
    await member.open(reach, onLost)
    await member.ask({ connect: { token, name: 'bench' } })
    await member.ask({ subscribe: { channel: `conversation:${conversation}` } })
    return member
  },
}

/** Posts to Parley's HTTP API and reads the answer; throws with what it said when it refused. */
export async function postTo<T>(reach: Reach, path: string, body: unknown, shape: z.ZodType<T>): Promise<T> {
  const base = new URL(reach.url.replace(/^ws/, 'http'))
  const response = await fetch(new URL(path, base), {
    method: 'POST',
    headers: { authorization: `Bearer ${reach.apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${text.slice(0, 300)}`)
  return shape.parse(JSON.parse(text))
}

const newline = 0x0a
const reply = z.object({ id: z.number(), error: z.object({ code: z.number(), message: z.string() }).optional() })

/** In `{"push":{"channel":"conversation:…` the letters that tell a push, and a conversation's from an inbox's. */
const pushLetter = { at: 2, is: 0x70 }
const channelLetter = { at: 20, is: 0x63 }

class ParleyMember implements Member {
  readonly received = new Tally()
  readonly #conversation: string
  readonly #acks = new Acks()
  #socket: RawSocket | undefined

  constructor(conversation: string) {
    this.#conversation = conversation
  }

  async open(reach: Reach, onLost: (reason: string) => void): Promise<void> {
    const dial = { url: new URL(reach.url), offerDeflate: reach.offerDeflate }
    this.#socket = await RawSocket.open(dial, { onText: (bytes, start, end) => this.#read(bytes, start, end), onLost })
  }

  /** Sends a command and waits for its reply. */
  ask(command: object): Promise<void> {
    return answered((done) => this.#command(command, done))
  }

  send(text: string, done: Acknowledged): void {
    const data = { conversation: this.#conversation, clientId: crypto.randomUUID(), text }
    this.#command({ rpc: { method: 'message.send', data } }, done)
  }

  close(): void {
    this.#socket?.close()
  }

  #command(command: object, done: Acknowledged): void {
    this.#socket?.send(JSON.stringify({ id: this.#acks.expect(done), ...command }))
  }

  #read(bytes: Buffer, start: number, end: number): void {
    let at = start
    while (at < end) {
      const found = bytes.indexOf(newline, at)
      const lineEnd = found === -1 || found > end ? end : found
      this.#readLine(bytes, at, lineEnd)
      at = lineEnd + 1
    }
  }

  #readLine(bytes: Buffer, at: number, end: number): void {
    if (bytes[at + pushLetter.at] === pushLetter.is) this.#receive(bytes, at, end)
    else if (end - at === 2) this.#socket?.send('{}') // `{}` is the server's ping, and the answer to it
    else this.#settle(bytes.toString('utf8', at, end))
  }

  #receive(bytes: Buffer, at: number, end: number): void {
    if (bytes[at + channelLetter.at] !== channelLetter.is) return
    const found = bytes.indexOf(marker, at)
    if (found !== -1 && found < end) this.received.receive(bytes, found)
  }

  #settle(line: string): void {
    const { id, error } = reply.parse(JSON.parse(line))
    this.#acks.settle(id, error && `${error.code} ${error.message}`)
  }
}
