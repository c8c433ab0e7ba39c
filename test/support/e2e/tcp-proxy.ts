import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/**
 * pass: as if it were not there. refuse: every connection is reset. blackhole: connections stay open and nothing
 * arrives, either way. mute: what is asked arrives, no answer comes back.
 */
export type Weather = 'pass' | 'refuse' | 'blackhole' | 'mute'

/** What is on its way to one end, in order. */
interface Line {
  readonly chunks: { readonly chunk: Buffer; readonly at: number }[]
  freeAt: number
}

interface Pair {
  readonly near: Socket
  readonly far: Socket
}

/** How slowly bytes travel. */
export interface Pace {
  readonly delayMs?: number
  readonly bytesPerSecond?: number
}

/** Stands between a client and a port on this machine, and fails as networks do. */
export class TcpProxy {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #weather: Weather = 'pass'
  #delayMs = 0
  #bytesPerSecond = Infinity
  readonly #lines = new WeakMap<Socket, Line>()
  #cutAfter = Infinity

  private constructor(server: Server) {
    this.#server = server
  }

  static async before(port: number): Promise<TcpProxy> {
    const server = createServer({ noDelay: true })
    const proxy = new TcpProxy(server)
    server.on('connection', (near) => proxy.#join(near, port))
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    return proxy
  }

  get port(): number {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is one
    return (this.#server.address() as AddressInfo).port
  }

  /**
   * Sets the weather for new and open connections. Bad weather that refuses resets what is open, and so does the end of
   * weather in which bytes are lost: a connection never goes on as if nothing had been missing.
   */
  set(weather: Weather, { delayMs = 0, bytesPerSecond = Infinity }: Pace = {}): void {
    if (this.#weather !== weather && (this.#weather === 'blackhole' || this.#weather === 'mute')) this.cut()
    this.#weather = weather
    this.#delayMs = delayMs
    this.#bytesPerSecond = bytesPerSecond
    if (weather === 'refuse') this.cut()
  }

  /** Resets every open connection. */
  cut(): void {
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy()
      far.resetAndDestroy()
    }
    this.#pairs.clear()
  }

  /** Lets `bytes` more through from the far side, then resets: somewhere inside a frame. */
  cutAfter(bytes: number): void {
    this.#cutAfter = bytes
  }

  async stop(): Promise<void> {
    this.cut()
    await new Promise((closed) => this.#server.close(closed))
  }

  #join(near: Socket, port: number): void {
    if (this.#weather === 'refuse') return void near.resetAndDestroy()
    const far = connect({ port, host: '127.0.0.1', noDelay: true })
    const pair = { near, far }
    this.#pairs.add(pair)
    near.on('data', (chunk) => this.#carry(far, chunk, this.#weather === 'blackhole'))
    far.on('data', (chunk) => this.#carry(near, this.#trim(chunk), this.#weather !== 'pass'))
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        other.destroy()
        this.#pairs.delete(pair)
      })
    }
  }

  #carry(to: Socket, chunk: Buffer, lost: boolean): void {
    if (lost || to.destroyed) return
    const line = this.#lines.get(to) ?? { chunks: [], freeAt: 0 }
    this.#lines.set(to, line)
    const now = performance.now()
    // Nothing overtakes what is on its way already.
    line.freeAt = Math.max(now + this.#delayMs, line.freeAt) + (1000 * chunk.length) / this.#bytesPerSecond
    line.chunks.push({ chunk, at: line.freeAt })
    if (line.chunks.length === 1) pump(to, line)
  }

  #trim(chunk: Buffer): Buffer {
    const kept = chunk.subarray(0, this.#cutAfter)
    this.#cutAfter -= kept.length
    if (kept.length === chunk.length) return kept
    this.#cutAfter = Infinity
    setImmediate(() => this.cut())
    return kept
  }
}

function pump(to: Socket, line: Line): void {
  const [next] = line.chunks
  if (next === undefined) return
  const wait = next.at - performance.now()
  if (wait > 0) return void setTimeout(() => pump(to, line), Math.ceil(wait))
  if (!to.destroyed) to.write(next.chunk)
  line.chunks.shift()
  pump(to, line)
}
