import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'

/** What an upstream is told to do with a request, by the header `x-<name of the upstream>`. */
export type Fault = '500' | '503' | 'reset' | 'hang'

/** A request as it arrived. */
export interface Arrived {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A system behind the facade: says which it is, and fails as it is told. */
export class TestUpstream {
  readonly name: string
  readonly arrived: Arrived[] = []
  /** Applies to every request that names no fault. */
  fault: Fault | undefined
  /** What its JSON answers hold beside its path. */
  extra: object = {}
  /** Bytes of a large body that were taken from it. */
  written = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  private constructor(name: string) {
    this.name = name
    this.#server = createServer((request, response) => void this.#answer(request, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    this.#server.on('upgrade', (request: IncomingMessage, socket: Socket) => this.#upgrade(request, socket))
  }

  static async start(name: string): Promise<TestUpstream> {
    const upstream = new TestUpstream(name)
    await new Promise<void>((resolve) => upstream.#server.listen(0, '127.0.0.1', resolve))
    return upstream
  }

  get port(): number {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it listens on TCP
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const told = request.headers[`x-${this.name}`]
    const fault = typeof told === 'string' ? told : this.fault
    if (fault === 'reset') return void request.socket.destroy()
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request) chunks.push(Buffer.from(chunk))
    } catch {
      return
    }
    const body = Buffer.concat(chunks).toString()
    const path = request.url ?? ''
    this.arrived.push({ method: request.method ?? '', path, headers: request.headers, body })
    if (fault === 'hang') return
    response.setHeader('x-side', this.name)
    if (fault === '500' || fault === '503') return void response.writeHead(Number(fault)).end(`${this.name} failed`)
    this.#page(path.split('?')[0] ?? '', body, request, response)
  }

  #page(path: string, body: string, request: IncomingMessage, response: ServerResponse): void {
    switch (path) {
      case '/cookies':
        response.setHeader('set-cookie', ['a=1; Path=/; Domain=legacy.test', 'b=2; Path=/cart; HttpOnly'])
        response.writeHead(302, { location: `${this.url}/login?x=1`, 'keep-alive': 'timeout=9' }).end()
        break
      case '/gzip':
        response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        response.end(gzipSync(JSON.stringify({ side: 'one of both', ...this.extra })))
        break
      case '/large':
        void this.#large(response)
        break
      case '/events': {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('data: first\n\n')
        request.socket.once('close', () => response.destroy())
        this.release = () => response.end('data: second\n\n')
        break
      }
      case '/empty':
        response.writeHead(204).end()
        break
      default:
        response.writeHead(200, { 'content-type': 'application/json', etag: '"1"' })
        response.end(JSON.stringify({ path, body, ...this.extra }))
    }
  }

  /** Lets a stream of events end. */
  release: () => void = () => undefined

  async #large(response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(largeBytes) })
    const piece = Buffer.alloc(65_536, 'x')
    const closed = once(response, 'close')
    for (let sent = 0; sent < largeBytes && !response.destroyed; sent += piece.length) {
      this.written += piece.length
      if (!response.write(piece)) await Promise.race([once(response, 'drain'), closed])
    }
    response.end()
  }

  #upgrade(request: IncomingMessage, socket: Socket): void {
    const key = String(request.headers['sec-websocket-key'])
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    this.arrived.push({ method: 'GET', path: request.url ?? '', headers: request.headers, body: '' })
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    const text = Buffer.from(`hello from ${this.name}`)
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]))
  }
}

export const largeBytes = 50 * 1024 * 1024
