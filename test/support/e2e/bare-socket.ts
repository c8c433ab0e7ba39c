import { connect, type Socket } from 'node:net'

/** A client that speaks TCP by hand, and so can leave out what a well-behaved one does. */
export class BareSocket {
  readonly #socket: Socket
  /** Everything that came, as Latin-1 text. */
  received = ''
  /** Resolves when the server has ended the connection. */
  readonly ended: Promise<void>

  private constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1')
    this.#socket.on('error', () => undefined)
    this.#socket.on('data', (bytes) => (this.received += bytes.toString('latin1')))
    this.ended = new Promise((resolve) => this.#socket.once('close', () => resolve()))
  }

  /** Connected, and `head` sent: lines of an HTTP request. */
  static async request(port: number, ...head: readonly string[]): Promise<BareSocket> {
    const socket = new BareSocket(port)
    socket.send(`${[...head, 'Host: parley'].join('\r\n')}\r\n\r\n`)
    return socket
  }

  /** A WebSocket whose handshake was answered, whatever the answer. */
  static async webSocket(port: number, query = ''): Promise<BareSocket> {
    const socket = await BareSocket.request(
      port,
      `GET /connection/websocket${query} HTTP/1.1`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    )
    await socket.heard('\r\n\r\n')
    return socket
  }

  /** Resolves once `text` has come, or the connection has ended. */
  async heard(text: string): Promise<void> {
    if (this.received.includes(text)) return
    await new Promise<void>((resolve) => {
      this.#socket.on('data', () => this.received.includes(text) && resolve())
      void this.ended.then(resolve)
    })
  }

  send(bytes: string | Buffer): void {
    this.#socket.write(bytes)
  }

  /** Takes no more bytes; nothing is noticed of the server's end any more, either. */
  stopReading(): void {
    this.#socket.pause()
  }

  leave(): void {
    this.#socket.destroy()
  }
}

/** A text frame with a mask of zeros; with `declared` it says that it is so long, whatever it holds. */
export function textFrame(text: string, declared = Buffer.byteLength(text)): Buffer {
  const head = Buffer.alloc(14)
  head[0] = 0x81
  head[1] = 0x80 | 127
  head.writeBigUInt64BE(BigInt(declared), 2)
  return Buffer.concat([head, Buffer.from(text)])
}
