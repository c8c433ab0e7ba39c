import { createServer, request as send, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { Chance } from '../jobs/support/chance.ts'

/** How often each fault happens, and how long a delay lasts at most. */
export interface Faults {
  readonly dropBefore: number
  readonly dropAfter: number
  readonly duplicate: number
  /** Held before it is passed on, so that later requests overtake it; it arrives also when its sender waits no longer. */
  readonly delay: number
  /** Passed on at once, and answered late. */
  readonly slowAnswer: number
  readonly maxDelayMs: number
}

interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: Buffer
}

/** Stands before a server on this machine: drops requests, drops answers, repeats, delays and reorders. */
export class FaultyProxy {
  readonly #server: Server
  readonly #chance: Chance
  readonly #to: number
  #faults: Faults | undefined
  #underWay = 0
  /** Requests that each kind of fault happened to. */
  readonly counts: Record<string, number> = {}

  private constructor(server: Server, to: number, chance: Chance) {
    this.#server = server
    this.#to = to
    this.#chance = chance
  }

  static async before(to: number, chance: Chance): Promise<FaultyProxy> {
    const server = createServer()
    const proxy = new FaultyProxy(server, to, chance)
    server.on('request', (asked, answer) => {
      proxy.#underWay++
      void proxy.#pass(asked, answer).finally(() => proxy.#underWay--)
    })
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    return proxy
  }

  get url(): string {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is one
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Requests that are held back or under way. */
  get underWay(): number {
    return this.#underWay
  }

  set faults(faults: Faults | undefined) {
    this.#faults = faults
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((closed) => this.#server.close(closed))
  }

  async #pass(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    answer.on('error', () => undefined)
    const body = await bodyOf(asked).catch(() => undefined)
    if (body === undefined) return
    const fault = this.#draw()
    const delayMs = this.#faults === undefined ? 0 : this.#chance.next() * this.#faults.maxDelayMs
    if (fault === 'dropBefore') return void answer.destroy()
    if (fault === 'delay') await pause(delayMs)
    const copies = fault === 'duplicate' ? 2 : 1
    const answers = await Promise.all(Array.from({ length: copies }, () => this.#forward(asked, body)))
    const given = answers.at(-1)
    if (fault === 'slowAnswer') await pause(delayMs)
    if (given === undefined || fault === 'dropAfter') return void answer.destroy()
    const { 'transfer-encoding': _, connection: __, ...headers } = given.headers
    answer.writeHead(given.status, { ...headers, 'content-length': given.body.length })
    answer.end(given.body)
  }

  #draw(): string {
    if (this.#faults === undefined) return 'none'
    const { maxDelayMs: _, ...shares } = this.#faults
    let rest = this.#chance.next()
    for (const [fault, share] of Object.entries(shares)) {
      rest -= share
      if (rest >= 0) continue
      this.counts[fault] = (this.counts[fault] ?? 0) + 1
      return fault
    }
    return 'none'
  }

  /** Undefined when there was no answer. */
  #forward({ method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      const options = { host: '127.0.0.1', port: this.#to, method, path: url, headers, agent: false }
      const onward = send(options, (response) => {
        bodyOf(response).then(
          (whole) => resolve({ status: response.statusCode ?? 502, headers: response.headers, body: whole }),
          () => resolve(undefined),
        )
      })
      onward.on('error', () => resolve(undefined))
      onward.setTimeout(20_000, () => onward.destroy())
      onward.end(body)
    })
  }
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
