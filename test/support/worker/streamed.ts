import { exports } from 'cloudflare:workers'
import { soon } from './bounded.ts'
import { decodeReplies, encodeCommands, codec } from './sdk-codec.ts'
import type { Ask, Heard } from './wire.ts'

/** How one may come without a WebSocket. */
export const ways = ['sse', 'lines', 'messages'] as const
export type Way = (typeof ways)[number]

/** A connection that hears by an HTTP answer and speaks by posts, by hand. */
export class Streamed {
  readonly way: Way
  readonly response: Response
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #unread: Heard[] = []
  #tail = new Uint8Array(0)
  /** Whether the answer has ended. */
  over = false

  private constructor(way: Way, response: Response) {
    if (response.body === null) throw new Error(`answered ${response.status} without a body`)
    this.way = way
    this.response = response
    this.#reader = response.body.getReader()
  }

  static async open(way: Way, ...first: readonly Ask[]): Promise<Streamed> {
    return await Streamed.openFrom({}, way, ...first)
  }

  /** Opens with further request headers, as a browser sends them. */
  static async openFrom(
    headers: Readonly<Record<string, string>>,
    way: Way,
    ...first: readonly Ask[]
  ): Promise<Streamed> {
    return new Streamed(way, await request(way, way === 'messages' ? encodeCommands(first) : linesOf(first), headers))
  }

  /** The connection in a gateway's answer. */
  static of(way: Way, response: Response): Streamed {
    return new Streamed(way, response)
  }

  /** The next thing that came, or comes, and matches; what came before it is let go. */
  async next(what: string, matches: (heard: Heard) => boolean): Promise<Heard> {
    for (;;) {
      const index = this.#unread.findIndex(matches)
      if (index >= 0) return this.#unread.splice(0, index + 1).at(-1)!
      if (this.over) throw new Error(`the stream ended before ${what}`)
      this.#unread = await this.#read(what)
    }
  }

  async replyTo(id: number): Promise<Heard> {
    return await this.next(`the reply to command ${id}`, (heard) => heard.id === id)
  }

  /** Reads until the answer ends, and gives how: by the push that says why. */
  async ended(): Promise<Heard['push']> {
    const { push } = await this.next('the end', (heard) => heard.push?.disconnect !== undefined)
    while (!this.over) await this.#read('the end')
    return push
  }

  /** Goes away as a closed page does. */
  async leave(): Promise<void> {
    await this.#reader.cancel()
  }

  async #read(what: string): Promise<Heard[]> {
    const { done, value } = await soon(what, this.#reader.read())
    this.over = done
    const bytes = new Uint8Array([...this.#tail, ...(value ?? [])])
    const [whole, tail] =
      this.way === 'messages' ? cutMessages(bytes) : cutText(bytes, this.way === 'sse' ? '\n\n' : '\n')
    this.#tail = tail
    return this.way === 'messages' ? decodeReplies(whole) : repliesIn(text.decode(whole))
  }
}

/** Where a session can be posted to, and how it hears. */
export interface Address {
  readonly session: string
  readonly node: string
  readonly way: Way
}

/** Posts commands for a session; the status of the answer. */
export const say = (to: Address, ...commands: readonly Ask[]): Promise<number> =>
  sayRaw(to, to.way === 'messages' ? encodeCommands(commands) : linesOf(commands))

/** Posts a frame for a session as it is. */
export async function sayRaw({ way, ...to }: Address, data: string | Uint8Array): Promise<number> {
  const binary = () => new Uint8Array(codec.encodeEmulationRequest({ ...to, data }))
  return (await post(way, typeof data === 'string' ? JSON.stringify({ ...to, data }) : binary())).status
}

export async function post(way: Way, body: string | Uint8Array<ArrayBuffer>): Promise<Response> {
  return await exports.default.fetch('http://parley/emulation', { method: 'POST', body, headers: typeOf(way) })
}

export async function request(
  way: Way,
  first: string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  if (way === 'sse') {
    const query = encodeURIComponent(String(first))
    return await exports.default.fetch(`http://parley/connection/sse?cf_connect=${query}`, { headers })
  }
  const url = 'http://parley/connection/http_stream'
  return await exports.default.fetch(url, { method: 'POST', body: first, headers: { ...typeOf(way), ...headers } })
}

const typeOf = (way: Way) => ({ 'content-type': way === 'messages' ? 'application/octet-stream' : 'application/json' })
const linesOf = (commands: readonly Ask[]) => commands.map((command) => JSON.stringify(command)).join('\n')
const text = new TextDecoder()

function repliesIn(whole: string): Heard[] {
  const lines = whole.split('\n').map((line) => line.replace(/^data: /, ''))
  return lines.filter((line) => line !== '').map((line): Heard => JSON.parse(line))
}

function cutText(bytes: Uint8Array<ArrayBuffer>, mark: string): [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] {
  const all = text.decode(bytes)
  const end = new TextEncoder().encode(all.slice(0, all.lastIndexOf(mark) + mark.length)).length
  return all.includes(mark) ? [bytes.slice(0, end), bytes.slice(end)] : [bytes.slice(0, 0), bytes]
}

/** Messages here are shorter than 2 MiB, so that their length is one to three bytes. */
function cutMessages(bytes: Uint8Array<ArrayBuffer>): [Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>] {
  let end = 0
  for (let at = 0; at < bytes.length; end = at <= bytes.length ? at : end) {
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] ?? 0
      length |= (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    at += length
  }
  return [bytes.slice(0, end), bytes.slice(end)]
}
