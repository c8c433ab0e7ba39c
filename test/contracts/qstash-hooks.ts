import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'

/** A delivery as an endpoint sees it. */
export interface Delivery {
  /** Unix milliseconds of its arrival. */
  at: number
  method: string
  /** Path and query as they came over the wire. */
  target: string
  header: Record<string, string>
  body: Buffer
}

/** What an endpoint answers; 200 with nothing in it when left out. */
export interface Reply {
  status?: number
  header?: Record<string, string>
  body?: string
}

/** An endpoint of our own for QStash to call. */
export interface Hook {
  url: string
  /** Deliveries so far, in order of arrival. */
  deliveries: Delivery[]
  /** Deliveries not answered yet. */
  open: number
}

type Answering = (delivery: Delivery, nth: number) => Reply | Promise<Reply>

/** Endpoints for QStash to call, all on one local port, each under a path of its own. */
export class Hooks {
  readonly #server: Server
  readonly #hooks = new Map<string, { hook: Hook; answering: Answering }>()
  #baseUrl = ''

  constructor() {
    this.#server = createServer((request, response) => {
      void this.#answer(request).then(({ status = 200, header = {}, body = '' }) => {
        response.writeHead(status, header).end(body)
      })
    })
  }

  /** `publicUrl` is where QStash reaches this port; the port itself when left out. */
  async listen(port = 0, publicUrl?: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    const address = this.#server.address()
    const bound = address !== null && typeof address === 'object' ? address.port : port
    this.#baseUrl = publicUrl?.replace(/\/$/, '') ?? `http://127.0.0.1:${bound}`
  }

  /** A new endpoint; `answering` is told the delivery and how many came before it. */
  open(answering: Answering = () => ({}), query = ''): Hook {
    const path = `/${randomUUID()}`
    const hook: Hook = { url: `${this.#baseUrl}${path}${query}`, deliveries: [], open: 0 }
    this.#hooks.set(path, { hook, answering })
    return hook
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage): Promise<Reply> {
    const delivery = await read(request)
    const found = [...this.#hooks].find(([path]) => delivery.target.includes(path))?.[1]
    if (found === undefined) return { status: 410 }

    const { hook, answering } = found
    hook.deliveries.push(delivery)
    hook.open += 1
    try {
      return await answering(delivery, hook.deliveries.length - 1)
    } finally {
      hook.open -= 1
    }
  }
}

/** Holds its callers until it is opened. */
export class Gate {
  readonly #opened = Promise.withResolvers<void>()

  open(): void {
    this.#opened.resolve()
  }

  passed(): Promise<void> {
    return this.#opened.promise
  }
}

async function read(request: IncomingMessage): Promise<Delivery> {
  const at = Date.now()
  const chunks: Buffer[] = []
  for await (const chunk of request) if (Buffer.isBuffer(chunk)) chunks.push(chunk)
  const header = Object.entries(request.headers).map(([name, value]) => [name, String(value)])
  const { method = '', url = '' } = request
  return { at, method, target: url, header: Object.fromEntries(header), body: Buffer.concat(chunks) }
}
