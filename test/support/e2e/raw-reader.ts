import { WebSocket } from 'ws'
import { z } from 'zod'
import type { System } from './system.ts'
import { until } from './until.ts'

const publication = z.object({ offset: z.number().default(0) })
const subscribed = z.object({
  offset: z.number(),
  epoch: z.string(),
  recovered: z.boolean().optional(),
  publications: z.array(publication).optional(),
})
const history = z.object({ publications: z.array(publication), offset: z.number(), epoch: z.string() })
const line = z.object({
  id: z.number().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
  connect: z.object({ client: z.string() }).optional(),
  subscribe: subscribed.optional(),
  history: history.optional(),
  push: z.object({ channel: z.string(), pub: publication.optional() }).optional(),
})
type Line = z.output<typeof line>

/** Where a reader stands in a conversation. */
export interface Place {
  readonly offset: number
  readonly epoch: string
}

/** A client that speaks the protocol by hand and can stop taking bytes from its TCP socket, as a stuck phone does. */
export class RawReader {
  readonly #socket: WebSocket
  readonly #lines: Line[] = []
  readonly offsets: number[] = []
  closed: { readonly code: number; readonly reason: string } | undefined
  #lastId = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data: Buffer) =>
      data
        .toString()
        .split('\n')
        .forEach((text) => this.#take(text)),
    )
    socket.on('close', (code, reason) => (this.closed = { code, reason: reason.toString() }))
    socket.on('error', () => undefined)
  }

  /** Connected with a token. */
  static async connect({ socketUrl }: Pick<System, 'socketUrl'>, token: string): Promise<RawReader> {
    const socket = new WebSocket(socketUrl)
    const reader = new RawReader(socket)
    await new Promise((opened, failed) => socket.once('open', opened).once('error', failed))
    await reader.ask({ connect: { token } })
    return reader
  }

  /** Listens; `since` recovers. */
  async subscribe(conversation: string, since?: Place): Promise<z.output<typeof subscribed>> {
    const channel = `conversation:${conversation}`
    const { subscribe } = await this.ask({ subscribe: { channel, ...(since && { recover: true, ...since }) } })
    if (subscribe === undefined) throw new Error('may not listen')
    this.offsets.push(...(subscribe.publications ?? []).map(({ offset }) => offset))
    return subscribe
  }

  /** One page after a place. */
  async pageAfter(conversation: string, since: Place): Promise<z.output<typeof history>> {
    const { history: page } = await this.ask({
      history: { channel: `conversation:${conversation}`, limit: 300, since },
    })
    if (page === undefined) throw new Error('may not read')
    return page
  }

  async ask(command: object): Promise<Line> {
    const id = ++this.#lastId
    this.#socket.send(JSON.stringify({ id, ...command }))
    return await until(`the answer to ${Object.keys(command).join()}`, () => this.#lines.find((one) => one.id === id))
  }

  stopReading(): void {
    this.#socket.pause()
  }

  readOn(): void {
    this.#socket.resume()
  }

  leave(): void {
    this.#socket.terminate()
  }

  #take(text: string): void {
    if (text === '{}') return this.#socket.send('{}')
    const heard = line.parse(JSON.parse(text))
    const { pub, channel } = heard.push ?? {}
    if (pub === undefined) this.#lines.push(heard)
    else if (pub.offset > 0 && channel?.startsWith('conversation:') === true) this.offsets.push(pub.offset)
  }
}
