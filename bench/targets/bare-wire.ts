import { z } from 'zod'
import { Acks, type Acknowledged } from '../load/acks.ts'
import { RawSocket } from '../load/raw-socket.ts'
import { marker, Tally } from '../load/tally.ts'
import type { Member, Reach, Wire } from './target.ts'

/** What the bare object speaks: one JSON object per frame, answers with `id` first, messages without. */
export const bareWire: Wire = {
  async createConversation() {
    return crypto.randomUUID()
  },

  async join(reach, conversation, user, onLost) {
    const member = new BareMember()
    await member.open(reach, conversation, user, onLost)
    return member
  },
}

const idLetter = { at: 2, is: 0x69 }
const answer = z.object({ id: z.number(), seq: z.number() })

class BareMember implements Member {
  readonly received = new Tally()
  readonly #acks = new Acks()
  #socket: RawSocket | undefined

  async open(reach: Reach, conversation: string, user: string, onLost: (reason: string) => void): Promise<void> {
    const url = new URL(`/conversations/${conversation}?user=${user}`, reach.url)
    const dial = { url, offerDeflate: reach.offerDeflate }
    this.#socket = await RawSocket.open(dial, { onText: (bytes, start, end) => this.#read(bytes, start, end), onLost })
  }

  send(text: string, done: Acknowledged): void {
    this.#socket?.send(JSON.stringify({ id: this.#acks.expect(done), clientId: crypto.randomUUID(), text }))
  }

  close(): void {
    this.#socket?.close()
  }

  #read(bytes: Buffer, start: number, end: number): void {
    if (bytes[start + idLetter.at] === idLetter.is) {
      this.#acks.settle(answer.parse(JSON.parse(bytes.toString('utf8', start, end))).id)
      return
    }
    const found = bytes.indexOf(marker, start)
    if (found !== -1 && found < end) this.received.receive(bytes, found)
  }
}
