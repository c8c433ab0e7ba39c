import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * How a service behind HTTP misbehaves. 429 and 500: it refuses. garbage: its answer is none. half: it does what was
 * asked and breaks off in mid-answer. late: it does it, and answers when the caller waits no longer.
 */
export const misbehaviours = ['429', '500', 'garbage', 'half', 'late'] as const
export type Misbehaviour = (typeof misbehaviours)[number]

const lateMs = 20_000

/** Stands before an HTTP service on this machine and misbehaves in its name, for a share of the requests. */
export class HttpFaults {
  readonly #server: Server
  #behaves: Misbehaviour | 'well' = 'well'
  #share = 0
  #turn = 0

  private constructor(server: Server) {
    this.#server = server
  }

  static async before(port: number): Promise<HttpFaults> {
    const server = createServer()
    const faults = new HttpFaults(server)
    server.on('request', (asked, answer) => faults.#pass(asked, answer, port))
    // What is no request is a tunnel of WebSockets; not used here.
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    return faults
  }

  get port(): number {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is one
    return (this.#server.address() as AddressInfo).port
  }

  /** From now on every `share`-th request meets this. */
  set(behaves: Misbehaviour | 'well', share = 1): void {
    this.#behaves = behaves
    this.#share = share
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }

  #pass(asked: IncomingMessage, answer: ServerResponse, port: number): void {
    const { method, url, headers } = asked
    const behaves = this.#behaves !== 'well' && this.#turn++ % this.#share === 0 ? this.#behaves : 'well'
    answer.on('error', () => undefined)
    if (behaves === '429' || behaves === '500' || behaves === 'garbage') {
      asked.resume()
      answer.writeHead(behaves === 'garbage' ? 200 : Number(behaves), { 'content-type': 'application/json' })
      return void answer.end(behaves === 'garbage' ? '{"rows":[}<html>' : '{"error":"out of order"}')
    }
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (said) => {
      const chunks: Buffer[] = []
      said.on('data', (chunk: Buffer) => chunks.push(chunk))
      said.on('end', () => give(answer, said, Buffer.concat(chunks), behaves))
      said.on('error', () => answer.destroy())
    })
    onward.on('error', () => answer.destroy())
    asked.pipe(onward)
  }
}

function give(answer: ServerResponse, said: IncomingMessage, body: Buffer, behaves: Misbehaviour | 'well'): void {
  if (behaves === 'late') {
    setTimeout(() => give(answer, said, body, 'well'), lateMs).unref()
    return
  }
  const { 'transfer-encoding': _, ...headers } = said.headers
  answer.writeHead(said.statusCode ?? 502, { ...headers, 'content-length': body.length })
  if (behaves === 'well') return void answer.end(body)
  answer.write(body.subarray(0, Math.floor(body.length / 2)), () => answer.destroy())
}
