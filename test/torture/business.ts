import { within } from '../../src/kernel/retry.ts'
import type { Chance } from '../jobs/support/chance.ts'
import type { System } from '../support/e2e/system.ts'
import { EndpointServer } from './endpoint-server.ts'
import { EventLoad } from './events.ts'
import { Requests } from './requests.ts'
import { SagaLoad } from './sagas.ts'

/** The sagas and events of a round, with the server of the tenant that both call. */
export class Business {
  readonly #requests: Requests
  readonly #sagas: SagaLoad
  readonly #events: EventLoad
  readonly #server: EndpointServer
  #work: Promise<unknown> = Promise.resolve()
  #isGoing = true

  constructor(system: System, chance: Chance, round: string) {
    this.#requests = new Requests(system)
    this.#sagas = new SagaLoad(this.#requests, chance, round)
    this.#events = new EventLoad(this.#requests, chance, round)
    this.#server = new EndpointServer(chance, (call) => {
      if (call.path === '/events') return this.#events.take(call)
      this.#sagas.shop.sent(call)
      return this.#sagas.shop.take(call)
    })
  }

  get figures(): { readonly runs: number; readonly events: number } {
    return { runs: this.#sagas.started, events: this.#events.accepted }
  }

  async begin(): Promise<void> {
    await this.#server.listen()
    await this.#sagas.begin(this.#server.url)
    await this.#events.begin(this.#server.url)
    this.#server.fails = 0.1
    const isGoing = () => this.#isGoing
    this.#work = Promise.all([this.#sagas.work(isGoing), this.#events.work(isGoing)])
    this.#work.catch(() => undefined)
  }

  /** Lets requests under way finish. Fails, naming those that are not answered in time. */
  async end(timeoutMs: number): Promise<void> {
    this.#isGoing = false
    this.#server.fails = 0
    try {
      await within(timeoutMs, 'requests under way', this.#work)
    } catch (thrown) {
      const open = [...this.#requests.open].map(([name, answer]) => `${name}: ${answer}`)
      throw new Error(`not answered: ${open.join('; ')}`, { cause: thrown })
    }
  }

  /** What is still under way: empty once all runs have ended and all events had their effect. */
  async open(): Promise<string[]> {
    return [...(await this.#sagas.open()), ...(await this.#events.open())]
  }

  /** Promises that were broken. */
  broken(): string[] {
    return [...this.#sagas.broken(), ...this.#events.broken()]
  }

  stop(): void {
    this.#requests.giveUp()
    this.#server.stop()
  }
}
