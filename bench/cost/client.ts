import { z } from 'zod'
import { postTo } from '../targets/parley-wire.ts'
import type { Reach } from '../targets/target.ts'

const reply = z.looseObject({
  id: z.number().optional(),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
  rpc: z.object({ data: z.unknown() }).optional(),
})
const push = z.object({
  push: z.object({ pub: z.object({ data: z.unknown(), offset: z.number().optional() }).optional() }),
})
type Reply = z.output<typeof reply>
const page = z.object({ conversations: z.array(z.object({ id: z.string() })), next: z.string().nullable() })

/** A connected user. The token in the address decides the gateway, so that users spread over several. */
export class Client {
  /** Called with the data of each publication without an offset. */
  onEvent: ((data: unknown) => void) | undefined
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (reply: Reply) => void>()
  #asked = 0

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.addEventListener('message', ({ data }) => this.#read(String(data)))
  }

  /** A token of a user, with which it connects. */
  static async token(reach: Reach, user: string): Promise<string> {
    return (await postTo(reach, '/v1/tokens', { user }, z.object({ token: z.string() }))).token
  }

  static async connect(reach: Reach, token: string): Promise<Client> {
    const socket = new WebSocket(`${reach.url}?token=${token}`)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.addEventListener('open', () => resolve())
    socket.addEventListener('error', () => reject(new Error('the connection failed')))
    await promise
    const client = new Client(socket)
    await client.#ask({ connect: { token, name: 'bench' } })
    return client
  }

  async subscribe(conversation: string): Promise<void> {
    await this.#ask({ subscribe: { channel: `conversation:${conversation}` } })
  }

  async rpc(method: string, data: object): Promise<unknown> {
    return (await this.#ask({ rpc: { method, data } })).rpc?.data
  }

  /** Reads the whole list of the user's conversations, page by page. */
  async list(): Promise<number> {
    let count = 0
    let cursor: string | null = ''
    while (cursor !== null) {
      const read: z.output<typeof page> = page.parse(
        await this.rpc('inbox.list', { limit: 100, ...(cursor === '' ? {} : { cursor }) }),
      )
      count += read.conversations.length
      cursor = read.next
    }
    return count
  }

  close(): void {
    this.#socket.close()
  }

  #ask(command: object): Promise<Reply> {
    const id = ++this.#asked
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, (answer) =>
        answer.error === undefined
          ? resolve(answer)
          : reject(new Error(`${answer.error.code} ${answer.error.message}`)),
      )
      this.#socket.send(JSON.stringify({ id, ...command }))
    })
  }

  #tell(line: string): void {
    const { data, offset } = push.parse(JSON.parse(line)).push.pub ?? {}
    if (offset === undefined) this.onEvent?.(data)
  }

  #read(frame: string): void {
    for (const line of frame.split('\n')) {
      if (line === '{}') this.#socket.send('{}')
      if (line.startsWith('{"push":')) this.#tell(line)
      if (!line.startsWith('{"id":')) continue
      const answer = reply.parse(JSON.parse(line))
      if (answer.id === undefined) continue
      this.#waiting.get(answer.id)?.(answer)
      this.#waiting.delete(answer.id)
    }
  }
}
