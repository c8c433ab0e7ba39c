import { env, exports } from 'cloudflare:workers'
import { soon } from './bounded.ts'
import type { Ask, Heard } from './wire.ts'

interface Waiting {
  readonly matches: (heard: Heard) => boolean
  readonly resolve: (heard: Heard) => void
}

/** A socket to a gateway, speaking the Centrifuge protocol in JSON by hand. */
export class Line {
  readonly #socket: WebSocket
  /** Every frame as it came, to see what was put together. */
  readonly frames: string[] = []
  /** What came and nobody has asked for yet, in order. */
  readonly #unheard: Heard[] = []
  readonly #waiting: Waiting[] = []
  readonly #closed = Promise.withResolvers<{ readonly code: number; readonly reason: string }>()
  #lastId = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#take(String(data)))
    socket.addEventListener('close', ({ code, reason }) => this.#closed.resolve({ code, reason }))
    socket.accept()
  }

  /** Through the front door, or straight to a gateway of the test's own. */
  static async open(gateway?: string, query = ''): Promise<Line> {
    const url = `http://parley/connection/websocket${query}`
    const headers = { upgrade: 'websocket' }
    const door = gateway === undefined ? exports.default : env.GATEWAY.getByName(gateway)
    return Line.of(await door.fetch(url, { headers }))
  }

  /** The line in a door's answer. */
  static of({ webSocket }: Response): Line {
    if (webSocket === null) throw new Error('the door answered without a socket')
    return new Line(webSocket)
  }

  /** Sends one frame of as many commands, each with the next id. Returns their ids. */
  say(...asks: readonly Ask[]): number[] {
    const commands = asks.map((ask) => ({ id: ++this.#lastId, ...ask }))
    this.sayRaw(commands.map((command) => JSON.stringify(command)).join('\n'))
    return commands.map(({ id }) => id)
  }

  sayRaw(frame: string | ArrayBuffer): void {
    this.#socket.send(frame)
  }

  /** Sends a command alone and hears its reply. */
  async ask(command: Ask): Promise<Heard> {
    const [id] = this.say(command)
    return await this.replyTo(id!)
  }

  async replyTo(id: number): Promise<Heard> {
    return await this.next(`the reply to command ${id}`, (heard) => heard.id === id)
  }

  /** The first thing that came, or comes, and matches. */
  async next(what: string, matches: (heard: Heard) => boolean): Promise<Heard> {
    const index = this.#unheard.findIndex(matches)
    if (index >= 0) return this.#unheard.splice(index, 1)[0]!
    const { promise, resolve } = Promise.withResolvers<Heard>()
    this.#waiting.push({ matches, resolve })
    return await soon(`${what}; instead came ${JSON.stringify(this.#unheard)}`, promise)
  }

  /** What has come and nobody asked for. Everything the gateway said before answering this ping is in it. */
  async rest(): Promise<readonly Heard[]> {
    await this.ask({ ping: {} })
    return this.#unheard.splice(0)
  }

  async closed(): Promise<{ readonly code: number; readonly reason: string }> {
    return await soon('the close', this.#closed.promise)
  }

  close(): void {
    this.#socket.close(1000, 'bye')
  }

  #take(frame: string): void {
    this.frames.push(frame)
    for (const text of frame.split('\n')) this.#hear(JSON.parse(text))
  }

  #hear(heard: Heard): void {
    const index = this.#waiting.findIndex(({ matches }) => matches(heard))
    if (index < 0) this.#unheard.push(heard)
    else this.#waiting.splice(index, 1)[0]!.resolve(heard)
  }
}
