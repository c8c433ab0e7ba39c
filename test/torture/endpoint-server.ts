import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import type { Chance } from '../jobs/support/chance.ts'
import { freePort } from '../support/e2e/system.ts'
import type { EndpointAnswer, EndpointCall } from '../sim/endpoints.ts'

/** How long an endpoint takes before its effect at most, and after it. */
const slowMs = 500

/** A server of the tenant on this machine, which breaks off or answers 500 now and then, before or after what it does. */
export class EndpointServer {
  /** Probability that a call fails. */
  fails = 0
  readonly #chance: Chance
  readonly #take: (call: EndpointCall) => EndpointAnswer
  readonly #server = createServer((asked, answer) => void this.#serve(asked, answer))
  #port = 0

  constructor(chance: Chance, take: (call: EndpointCall) => EndpointAnswer) {
    this.#chance = chance
    this.#take = take
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async listen(): Promise<void> {
    this.#port = await freePort()
    await new Promise<void>((listening) => this.#server.listen(this.#port, '127.0.0.1', listening))
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    answer.on('error', () => undefined)
    let body = ''
    try {
      for await (const chunk of asked.setEncoding('utf8')) body += String(chunk)
    } catch {
      return
    }
    // So that calls are under way when a process dies.
    await pause(this.#chance.between(0, slowMs))
    if (this.#chance.happens(this.fails / 2)) return this.#fail(answer)
    const headers = Object.fromEntries(Object.entries(asked.headers).map(([name, value]) => [name, String(value)]))
    const given = this.#take({ host: asked.headers.host ?? '', path: asked.url ?? '', headers, body })
    await pause(this.#chance.between(0, slowMs))
    if (this.#chance.happens(this.fails / 2)) return this.#fail(answer)
    answer.writeHead(given.status, { 'content-type': 'application/json' })
    answer.end(JSON.stringify(given.body ?? null))
  }

  #fail(answer: ServerResponse): void {
    if (this.#chance.happens(0.5)) answer.destroy()
    else answer.writeHead(500).end()
  }
}
