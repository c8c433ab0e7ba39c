import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/**
 * pass: as if it were not there. refuse: every connection is reset. blackhole: connections stay open and nothing
 * arrives, either way. mute: what is asked arrives, no answer comes back.
 */
export type Weather = 'pass' | 'refuse' | 'blackhole' | 'mute'

interface Pair {
  readonly near: Socket
  readonly far: Socket
}

/** Stands between somebody and a port on this machine, and fails as networks do. */
export class TcpProxy {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #weather: Weather = 'pass'
  #delayMs = 0
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

  /** Sets the weather for new and open connections; bad weather that refuses also resets what is open. */
  set(weather: Weather, { delayMs = 0 } = {}): void {
    this.#weather = weather
    this.#delayMs = delayMs
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
    if (this.#delayMs === 0) return void to.write(chunk)
    setTimeout(() => to.destroyed || to.write(chunk), this.#delayMs)
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
