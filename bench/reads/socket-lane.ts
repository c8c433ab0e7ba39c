import { RawSocket } from '../load/raw-socket.ts'
import type { Lane, Waiting } from './http-lane.ts'

/** A user's connection to Parley. Commands are JSON objects without an id; any number may be under way. */
export class SocketLane implements Lane {
  readonly #waiting = new Map<number, Waiting>()
  #socket: RawSocket | undefined
  #last = 0

  static async open(url: string, token: string): Promise<SocketLane> {
    const lane = new SocketLane()
    lane.#socket = await RawSocket.open(
      { url: new URL(url), offerDeflate: false },
      {
        onText: (bytes, start, end) => lane.#read(bytes.toString('utf8', start, end)),
        onLost: (reason) => lane.#lose(reason),
      },
    )
    await lane.ask(JSON.stringify({ connect: { token, name: 'bench' } }))
    return lane
  }

  /** The reply from behind its id on. */
  ask(command: string): Promise<string> {
    const id = ++this.#last
    const waiting = Promise.withResolvers<string>()
    this.#waiting.set(id, waiting)
    this.#socket?.send(`{"id":${id},${command.slice(1)}`)
    return waiting.promise
  }

  close(): void {
    this.#socket?.close()
  }

  #read(frame: string): void {
    for (const line of frame.split('\n')) {
      if (line === '{}') this.#socket?.send('{}')
      else if (line.startsWith('{"id":')) this.#settle(line)
    }
  }

  #settle(line: string): void {
    const comma = line.indexOf(',')
    const id = Number(line.slice('{"id":'.length, comma))
    const reply = line.slice(comma + 1)
    if (reply.startsWith('"error"')) this.#waiting.get(id)?.reject(new Error(reply.slice(0, 300)))
    else this.#waiting.get(id)?.resolve(reply)
    this.#waiting.delete(id)
  }

  #lose(reason: string): void {
    for (const waiting of this.#waiting.values()) waiting.reject(new Error(`the connection was lost: ${reason}`))
    this.#waiting.clear()
  }
}
