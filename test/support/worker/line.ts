import { env, exports } from 'cloudflare:workers'
import type { FrameFormat } from '../../../src/protocol/frames.ts'
import { soon } from './bounded.ts'
import { decodeReplies, encodeCommands } from './sdk-codec.ts'
import type { Ask, Heard } from './wire.ts'

interface Waiting {
  readonly matches: (heard: Heard) => boolean
  readonly resolve: (heard: Heard) => void
}

/** What lines speak that were not told. A test file sets it to hear the same stories in another format. */
export const spoken: { format: FrameFormat } = { format: 'json' }

/** Every gateway pings all its sockets now and then, the first time ten seconds after it has got one. */
export const isPing = (heard: Heard): boolean => Object.keys(heard).length === 0

/** A socket to a gateway, speaking the Centrifuge protocol by hand. */
export class Line {
  readonly #socket: WebSocket
  readonly #format: FrameFormat
  /** What every frame held, to see what was put together. */
  readonly frames: (readonly Heard[])[] = []
  /** The same as they came: text of a JSON line, bytes of a Protobuf one. */
  readonly raw: (string | ArrayBuffer)[] = []
  /** Frames that arrived and were not asked for yet, in order. */
  readonly #unheard: Heard[] = []
  readonly #waiting: Waiting[] = []
  readonly #closed = Promise.withResolvers<{ readonly code: number; readonly reason: string }>()
  #lastId = 0
  /** Set in stories longer than a gateway lets one be silent: pings are answered, as every SDK does. */
  answersPings = false

  private constructor(socket: WebSocket, format: FrameFormat) {
    this.#socket = socket
    this.#format = format
    socket.binaryType = 'arraybuffer'
    socket.addEventListener('message', ({ data }) => this.#take(data))
    socket.addEventListener('close', ({ code, reason }) => this.#closed.resolve({ code, reason }))
    socket.accept()
  }

  /** Through the front door, or straight to a gateway of the test's own. */
  static async open(
    gateway?: string,
    query = '',
    format = spoken.format,
    more: Readonly<Record<string, string>> = {},
  ): Promise<Line> {
    const url = `http://parley/connection/websocket${query}`
    const subprotocol = format === 'protobuf' ? { 'sec-websocket-protocol': 'centrifuge-protobuf' } : {}
    const headers = { upgrade: 'websocket', ...subprotocol, ...more }
    const door = gateway === undefined ? exports.default : env.GATEWAY.getByName(gateway)
    return Line.of(await door.fetch(url, { headers }), format)
  }

  /** The line in a door's answer. */
  static of({ webSocket }: Response, format = spoken.format): Line {
    if (webSocket === null) throw new Error('the door answered without a socket')
    return new Line(webSocket, format)
  }

  /** Sends one frame of as many commands, each with the next id. Returns their ids. */
  say(...asks: readonly Ask[]): number[] {
    const commands = asks.map((ask) => ({ id: ++this.#lastId, ...ask }))
    this.tell(...commands)
    return commands.map(({ id }) => id)
  }

  /** Sends one frame of commands as they are, those among them that have no id. */
  tell(...commands: readonly Ask[]): void {
    const lines = () => commands.map((command) => JSON.stringify(command)).join('\n')
    this.sayRaw(this.#format === 'json' ? lines() : encodeCommands(commands))
  }

  sayRaw(frame: string | ArrayBuffer | Uint8Array<ArrayBuffer>): void {
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

  /**
   * Frames that arrived and were not asked for, without pings. Everything the gateway sent before answering this one is
   * in it.
   */
  async rest(): Promise<readonly Heard[]> {
    await this.ask({ ping: {} })
    return this.#unheard.splice(0).filter((heard) => !isPing(heard))
  }

  async closed(): Promise<{ readonly code: number; readonly reason: string }> {
    return await soon('the close', this.#closed.promise)
  }

  close(): void {
    this.#socket.close(1000, 'bye')
  }

  #take(frame: string | ArrayBuffer): void {
    this.raw.push(frame)
    const replies = typeof frame === 'string' ? frame.split('\n').map(asHeard) : decodeReplies(frame)
    this.frames.push(replies)
    for (const reply of replies) this.#hear(reply)
    if (this.answersPings && replies.some(isPing)) this.sayRaw(this.#format === 'json' ? '{}' : new Uint8Array([0]))
  }

  #hear(heard: Heard): void {
    const index = this.#waiting.findIndex(({ matches }) => matches(heard))
    if (index < 0) this.#unheard.push(heard)
    else this.#waiting.splice(index, 1)[0]!.resolve(heard)
  }
}

const asHeard = (line: string): Heard => JSON.parse(line)
