import { connect, type Socket } from 'node:net'

const headEnd = Buffer.from('\r\n\r\n')

/** A client that sends one request after the other. */
export interface Lane {
  /** The answer's text; refused when it is none of success. */
  ask(what: string, token: string): Promise<string>
  close(): void
}

/** What becomes of a request under way. */
export interface Waiting {
  resolve(answer: string): void
  reject(reason: Error): void
}

/**
 * One kept-alive HTTP connection with one request under way, on a bare TCP socket: what a client library costs per
 * request would be taken from the servers, which share the machine.
 */
export class HttpLane implements Lane {
  readonly #tcp: Socket
  readonly #host: string
  #read: Buffer = Buffer.alloc(0)
  #waiting: Waiting | undefined

  static open(url: string): Promise<HttpLane> {
    const { hostname, port, host } = new URL(url)
    return new Promise((resolve, reject) => {
      const tcp = connect({ host: hostname, port: Number(port), noDelay: true }, () => resolve(new HttpLane(tcp, host)))
      tcp.once('error', reject)
    })
  }

  private constructor(tcp: Socket, host: string) {
    this.#tcp = tcp
    this.#host = host
    tcp.on('data', (chunk) => this.#take(chunk))
    tcp.on('error', (error) => this.#waiting?.reject(error))
    tcp.on('close', () => this.#waiting?.reject(new Error('the connection was closed')))
  }

  ask(path: string, token: string): Promise<string> {
    const waiting = Promise.withResolvers<string>()
    this.#waiting = waiting
    this.#tcp.write(`GET ${path} HTTP/1.1\r\nHost: ${this.#host}\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    return waiting.promise
  }

  close(): void {
    this.#tcp.destroy()
  }

  #take(chunk: Buffer): void {
    this.#read = this.#read.length === 0 ? chunk : Buffer.concat([this.#read, chunk])
    const end = this.#read.indexOf(headEnd)
    if (end === -1) return
    const head = this.#read.toString('latin1', 0, end)
    const start = end + headEnd.length
    const length = lengthIn(head)
    if (length === undefined) return this.#waiting?.reject(new Error(`an answer without a length:\n${head}`))
    if (this.#read.length < start + length) return
    const body = this.#read.toString('utf8', start, start + length)
    this.#read = Buffer.alloc(0)
    if (head.startsWith('HTTP/1.1 200 ')) this.#waiting?.resolve(body)
    else this.#waiting?.reject(new Error(`${head.slice(0, head.indexOf('\r\n'))}: ${body.slice(0, 300)}`))
  }
}

function lengthIn(head: string): number | undefined {
  const found = /^content-length: *(\d+)/im.exec(head)?.[1]
  return found === undefined ? undefined : Number(found)
}
