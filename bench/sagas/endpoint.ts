import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

const answerHeaders = { 'content-type': 'application/json', 'content-length': '2' }

/** What all sides post their steps to: answers `{}` at once and counts. */
export class Endpoint {
  readonly origin: string
  readonly #close: () => void
  #arrived = 0
  #wanted = Infinity
  #reached: (() => void) | undefined
  #next: ((at: number) => void) | undefined

  static async open(): Promise<Endpoint> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a TCP server
    const { port } = server.address() as AddressInfo
    const endpoint = new Endpoint(`http://127.0.0.1:${port}`, () => server.close())
    server.on('request', (incoming, response) => {
      endpoint.#arrive()
      incoming.resume().on('end', () => response.writeHead(200, answerHeaders).end('{}'))
    })
    return endpoint
  }

  private constructor(origin: string, close: () => void) {
    this.origin = origin
    this.#close = close
  }

  /** Resolves once `posts` further ones have arrived. */
  async further(posts: number): Promise<void> {
    this.#wanted = this.#arrived + posts
    await new Promise<void>((resolve) => (this.#reached = resolve))
  }

  /** When the next post arrives. */
  next(): Promise<number> {
    return new Promise((resolve) => (this.#next = resolve))
  }

  close(): void {
    this.#close()
  }

  #arrive(): void {
    this.#arrived++
    this.#next?.(performance.now())
    this.#next = undefined
    if (this.#arrived >= this.#wanted) this.#reached?.()
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: 128 })

/** A step as a Node worker makes it. */
export const post = async (url: string, body: string): Promise<void> =>
  await new Promise((resolve, reject) => {
    const sent = request(url, { agent, method: 'POST', headers: { 'content-type': 'application/json' } }, (response) =>
      response.resume().on('end', resolve),
    )
    sent.on('error', reject)
    sent.end(body)
  })
