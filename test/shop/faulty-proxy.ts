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

/** A request that passed, for finding out what happened to an order. */
export interface Passed {
  readonly atMs: number
  readonly to: string
  readonly path: string
  readonly body: string
  readonly fault: string
  /** What each copy was answered, and after how long; 0 where there was no answer. */
  readonly answers: string
}

/** Stands before a server on this machine: drops requests, drops answers, repeats, delays and reorders. */
export class FaultyProxy {
  readonly #server: Server
  readonly #chance: Chance
  readonly #to: number
  readonly name: string
  readonly passed: Passed[] = []
  /** Called with each request before anything happens to it. */
  arrived: (request: IncomingMessage) => void = () => undefined
  #faults: Faults | undefined
  #underWay = 0
  /** Requests that each kind of fault happened to. */
  readonly counts: Record<string, number> = {}

  private constructor(server: Server, name: string, to: number, chance: Chance) {
    this.name = name
    this.#server = server
    this.#to = to
    this.#chance = chance
  }

  static async before(name: string, to: number, chance: Chance): Promise<FaultyProxy> {
    const server = createServer()
    const proxy = new FaultyProxy(server, name, to, chance)
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
    this.arrived(asked)
    const fault = this.#draw()
    const atMs = performance.now()
    const answers = await this.#make(fault, asked, body, answer)
    this.passed.push({
      atMs,
      to: this.name,
      path: `${asked.method} ${asked.url}`,
      body: body.toString(),
      fault,
      answers: `${answers.map((each) => each?.status ?? 0).join(' ')} after ${Math.round(performance.now() - atMs)} ms`,
    })
  }

  async #make(
    fault: string,
    asked: IncomingMessage,
    body: Buffer,
    answer: ServerResponse,
  ): Promise<readonly (Answer | undefined)[]> {
    const delayMs = this.#faults === undefined ? 0 : this.#chance.next() * this.#faults.maxDelayMs
    if (fault === 'dropBefore') {
      answer.destroy()
      return []
    }
    if (fault === 'delay') await pause(delayMs)
    const copies = fault === 'duplicate' ? 2 : 1
    const answers = await Promise.all(Array.from({ length: copies }, () => this.#forward(asked, body)))
    const given = answers.at(-1)
    if (fault === 'slowAnswer') await pause(delayMs)
    if (given === undefined || fault === 'dropAfter') {
      answer.destroy()
      return answers
    }
    const { 'transfer-encoding': _, connection: __, ...headers } = given.headers
    answer.writeHead(given.status, { ...headers, 'content-length': given.body.length })
    answer.end(given.body)
    return answers
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
