import { type Socket, connect } from 'node:net'
import { type Bytes, toBytes } from '../bytes.ts'
import { type Reply, isFailure } from '../reply.ts'
import { encodeCommand } from './encode.ts'
import { RespParser } from './parser.ts'

const CONNECT_TIMEOUT_MS = 3000

interface Waiting {
  resolve(reply: Reply): void
  reject(error: Error): void
}

/** One TCP connection to a Redis server. Replies come in the order commands were sent. */
export class RespConnection {
  readonly #socket: Socket
  readonly #waiting: Waiting[] = []
  readonly #parser = new RespParser()
  #onPush: ((reply: Reply) => void) | undefined
  #onClose: (() => void) | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => {}) // 'close' follows and tells those who wait.
    socket.on('close', () => this.#end())
  }

  /** Connects, signs in and selects the database that `redis://user:password@host:port/db` names. */
  static async open(url: string): Promise<RespConnection> {
    const { hostname, port, username, password, pathname } = new URL(url)
    const connection = new RespConnection(await dial(hostname, Number(port || 6379)))
    const words = [username, password].map((part) => toBytes(decodeURIComponent(part)))
    if (password !== '') await connection.#mustSucceed(['AUTH', ...words.filter((word) => word !== '')])
    if (pathname.length > 1) await connection.#mustSucceed(['SELECT', pathname.slice(1)])
    return connection
  }

  /** Whether commands can still be sent. */
  get alive(): boolean {
    return !this.#socket.destroyed
  }

  /** Sends commands in one write, so that nobody else's come between; rejects if the connection breaks. */
  send(commands: readonly Bytes[][]): Promise<Reply[]> {
    if (!this.alive) return Promise.reject(lost())
    const replies = commands.map(
      () => new Promise<Reply>((resolve, reject) => void this.#waiting.push({ resolve, reject })),
    )
    this.#socket.write(Buffer.concat(commands.map(encodeCommand)))
    return Promise.all(replies)
  }

  /** Turns the connection into a subscription: from now on every reply is pushed. */
  listen(command: Bytes[], onPush: (reply: Reply) => void, onClose: () => void): void {
    this.#onPush = onPush
    this.#onClose = onClose
    this.#socket.write(encodeCommand(command))
  }

  /** Closes at once, without telling a subscriber who is the one leaving. */
  close(): void {
    this.#onClose = undefined
    this.#socket.destroy()
  }

  async #mustSucceed(command: Bytes[]): Promise<void> {
    const [reply] = await this.send([command])
    if (reply === undefined || !isFailure(reply)) return
    this.close()
    throw new Error(reply.text)
  }

  #receive(chunk: Buffer): void {
    for (const reply of this.#parse(chunk)) {
      if (this.#onPush !== undefined) this.#onPush(reply)
      else this.#waiting.shift()?.resolve(reply)
    }
  }

  /** After bytes that are not RESP2 nothing can be told apart any more, so the connection is given up. */
  #parse(chunk: Buffer): Reply[] {
    try {
      return this.#parser.push(chunk)
    } catch {
      this.#socket.destroy()
      return []
    }
  }

  #end(): void {
    for (const waiting of this.#waiting.splice(0)) waiting.reject(lost())
    this.#onClose?.()
  }
}

const lost = () => new Error('the connection to Redis was lost')

function dial(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true })
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error('timed out')))
    socket.once('error', (error) => reject(new Error(`no Redis at ${host}:${port}: ${error.message}`)))
    socket.once('connect', () => {
      socket.setTimeout(0)
      socket.removeAllListeners('error')
      resolve(socket)
    })
  })
}
