import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import type { Chance } from '../jobs/support/chance.ts'
import type { EndpointAnswer, EndpointCall } from '../sim/endpoints.ts'
import type { Requests } from './requests.ts'

const handedOut = z.object({ offset: z.number(), id: z.string(), partitionkey: z.string(), data: z.number() })
const consumerState = z.object({
  lag: z.number(),
  retrying: z.number(),
  handedOut: z.number(),
  deadLetters: z.number(),
})

/** Events that are published all the while, and a consumer whose endpoint makes the effect of each once, by its id. */
export class EventLoad {
  readonly #requests: Requests
  readonly #chance: Chance
  readonly #round: string
  readonly #accepted: string[] = []
  /** What was made of the events of each key, in order. */
  readonly #effects = new Map<string, number[]>()
  readonly #ids = new Set<string>()
  readonly #broken = new Set<string>()

  constructor(requests: Requests, chance: Chance, round: string) {
    this.#requests = requests
    this.#chance = chance
    this.#round = round
  }

  get accepted(): number {
    return this.#accepted.length
  }

  async begin(url: string): Promise<void> {
    const wanted = { types: [`${this.#round}.`], push: { url: `${url}/events`, timeoutSeconds: 3 }, maxAttempts: 100 }
    await this.#requests.insist('PUT', `/v1/consumers/${this.#round}`, wanted)
  }

  async work(isGoing: () => boolean): Promise<void> {
    for (let n = 1; isGoing();) {
      const events = Array.from({ length: 1 + this.#chance.below(4) }, () => this.#event(n++))
      await this.#requests.insist('POST', '/v1/events', events)
      this.#accepted.push(...events.map(({ id }) => id))
      await pause(this.#chance.between(100, 500))
    }
  }

  /** The endpoint of the consumer. */
  take({ headers, body }: EndpointCall): EndpointAnswer {
    const { offset, id, partitionkey: key, data } = handedOut.parse(JSON.parse(body))
    const delivery = headers['webhook-id'] ?? ''
    if (!delivery.endsWith(`/${offset}`)) this.#broken.add(`event ${id} at ${offset} came as ${delivery}`)
    if (this.#ids.has(delivery)) return { status: 200, body: null }
    this.#ids.add(delivery)
    const before = this.#effects.get(key) ?? []
    if ((before.at(-1) ?? 0) > data) this.#broken.add(`event ${id} of ${key} came after ${before.at(-1)}`)
    if (before.includes(data)) this.#broken.add(`event ${id} was appended twice`)
    this.#effects.set(key, [...before, data])
    return { status: 200, body: null }
  }

  /** What is still under way. */
  async open(): Promise<string[]> {
    const view = consumerState.parse(await this.#requests.insist('GET', `/v1/consumers/${this.#round}`))
    const made = new Set([...this.#effects.values()].flat())
    const missing = this.#accepted.filter((id) => !made.has(Number(id.split('-').at(-1))))
    if (missing.length === 0 && view.retrying + view.handedOut + view.lag === 0) return []
    return [`events ${missing.join(', ')} had no effect; consumer ${this.#round}: ${JSON.stringify(view)}`]
  }

  broken(): string[] {
    return [...this.#broken]
  }

  #event(n: number) {
    const key = `${this.#round}-key-${this.#chance.below(4)}`
    return { source: '/torture', id: `${this.#round}-event-${n}`, type: `${this.#round}.paid`, key, data: n }
  }
}
