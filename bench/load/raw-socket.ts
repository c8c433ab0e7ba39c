import { createHash, randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { encodeClose, encodePong, encodeText, FrameReader, type FrameSink } from './frames.ts'
import { browserOffer, messageInflater } from './inflate.ts'

/** Where to connect, and whether to offer compression as a browser would. */
export interface Dial {
  url: URL
  offerDeflate: boolean
}

/** What the owner of a socket wants to know. */
export interface SocketEvents {
  /** One text message; the bytes are only valid during the call. */
  onText(bytes: Buffer, start: number, end: number): void
  /** The socket ended and this side did not close it. */
  onLost(reason: string): void
}

const handshakeMs = 15_000

/**
 * One buffer for all sockets: what is read is looked at before the next read begins, so a thousand sockets need not
 * hold one each, and no chunk costs an allocation.
 */
const readBuffer = Buffer.allocUnsafe(256 * 1024)

/** A WebSocket client on a bare TCP socket: what a library adds per message would be charged to the server's core. */
export class RawSocket {
  readonly #tcp: Socket
  readonly #events: SocketEvents
  #reader: FrameReader | undefined
  #head = ''
  #closing = false

  /** Opens a socket; resolves once the server has agreed to speak WebSocket. */
  static open(dial: Dial, events: SocketEvents): Promise<RawSocket> {
    return new Promise((resolve, reject) => {
      const socket: RawSocket = new RawSocket(dial, events, () => resolve(socket), reject)
    })
  }

  private constructor(dial: Dial, events: SocketEvents, opened: () => void, failed: (error: Error) => void) {
    this.#events = events
    const key = randomBytes(16).toString('base64')
    this.#tcp = connect({
      host: dial.url.hostname,
      port: Number(dial.url.port || 80),
      noDelay: true,
      onread: { buffer: readBuffer, callback: (length) => this.#read(readBuffer.subarray(0, length), key, opened) },
    })
    this.#tcp.setTimeout(handshakeMs, () => this.#tcp.destroy(new Error('no answer to the WebSocket handshake')))
    this.#tcp.on('connect', () => this.#tcp.write(upgradeRequest(dial, key)))
    this.#tcp.on('error', (error) => this.#lose(error.message, failed))
    this.#tcp.on('close', () => this.#lose('connection closed', failed))
  }

  /** Sends one text message. */
  send(text: string): void {
    this.#tcp.write(encodeText(text))
  }

  /** Says goodbye and hangs up. */
  close(): void {
    this.#closing = true
    this.#tcp.end(encodeClose())
    this.#tcp.unref()
  }

  /** Goes away without a word, as a phone that loses its network and comes up with another address does. */
  reset(): void {
    this.#closing = true
    this.#tcp.resetAndDestroy()
  }

  #read(chunk: Buffer, key: string, opened: () => void): boolean {
    this.#tcp.cork() // what the messages of this chunk make us send leaves in one write
    try {
      if (this.#reader === undefined) this.#shakeHands(chunk, key, opened)
      else this.#reader.feed(chunk)
    } catch (error) {
      this.#tcp.destroy(error instanceof Error ? error : new Error(String(error)))
    }
    this.#tcp.uncork()
    return true
  }

  #shakeHands(chunk: Buffer, key: string, opened: () => void): void {
    this.#head += chunk.toString('latin1')
    const end = this.#head.indexOf('\r\n\r\n')
    if (end === -1) return

    const head = this.#head.slice(0, end)
    checkUpgrade(head, key)
    this.#tcp.setTimeout(0)
    this.#reader = new FrameReader(this.#sink(), /permessage-deflate/i.test(head) ? messageInflater() : undefined)
    opened()
    this.#reader.feed(Buffer.from(this.#head.slice(end + 4), 'latin1'))
  }

  #sink(): FrameSink {
    return {
      onText: (bytes, start, end) => this.#events.onText(bytes, start, end),
      onPing: (payload) => void this.#tcp.write(encodePong(payload)),
      onClose: (code, reason) => this.#tcp.destroy(new Error(`closed by the server: ${code} ${reason}`)),
    }
  }

  #lose(reason: string, failed: (error: Error) => void): void {
    if (this.#closing) return
    this.#closing = true
    if (this.#reader === undefined) failed(new Error(reason))
    else this.#events.onLost(reason)
  }
}

function upgradeRequest({ url, offerDeflate }: Dial, key: string): string {
  return [
    `GET ${url.pathname}${url.search} HTTP/1.1`,
    `Host: ${url.host}`,
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Key: ${key}`,
    'Sec-WebSocket-Version: 13',
    ...(offerDeflate ? [`Sec-WebSocket-Extensions: ${browserOffer}`] : []),
    '\r\n',
  ].join('\r\n')
}

function checkUpgrade(head: string, key: string): void {
  const expected = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  const status = head.slice(0, head.indexOf('\r\n'))
  if (!status.includes(' 101')) throw new Error(`the server refused the WebSocket: ${status}`)
  if (!head.includes(expected)) throw new Error('the server answered the WebSocket handshake with a wrong key')
}
