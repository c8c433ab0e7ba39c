import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'

/** What an endpoint was posted. */
export interface Post {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly at: number
}

type Answer = { readonly status: number; readonly headers?: Readonly<Record<string, string>> }

/** A tenant's endpoint on loopback, which answers as the test says and records every post. */
export class Endpoint {
  readonly posts: Post[] = []
  answer: (post: Post) => Answer | Promise<Answer> = () => ({ status: 200 })
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
    server.on('request', (incoming, response) => {
      let body = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk: string) => (body += chunk))
      incoming.on('end', () => {
        const post = { path: incoming.url ?? '', headers: incoming.headers, body, at: Date.now() }
        this.posts.push(post)
        void Promise.resolve(this.answer(post)).then(({ status, headers = {} }) =>
          response.writeHead(status, headers).end(),
        )
      })
    })
  }

  static async open(): Promise<Endpoint> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new Endpoint(server)
  }

  get url(): string {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the endpoint does not listen')
    return `http://127.0.0.1:${address.port}`
  }

  /** Posts by the job they were for, in the order they came. */
  idsOf(path: string): string[] {
    return this.posts.filter((post) => post.path === path).map(({ headers }) => String(headers['webhook-id']))
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
