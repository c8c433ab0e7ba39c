import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { sagaDefinition } from '../../src/protocol/sagas-api.ts'
import { planOf, type Plan } from '../../src/sagas/definition.ts'
import type { Chance } from '../jobs/support/chance.ts'
import { SagaShop } from '../sim/saga-shop.ts'
import type { Requests } from './requests.ts'

const runView = z.object({
  state: z.enum(['running', 'compensating', 'attention', 'completed', 'compensated']),
  steps: z.array(z.object({ name: z.string(), state: z.string(), reason: z.string().nullable() })),
})
type RunView = z.output<typeof runView>

const patient = { timeoutSeconds: 3, retry: { attempts: 20, seconds: 1, maxSeconds: 5 } }

/** One saga with everything: questions what became of a step, compensations, a timer and a pivot. */
const definitionOf = (url: string) =>
  sagaDefinition.parse({
    steps: [
      { name: 'reserve', ...callOf(url, 'reserve'), status: { url: `${url}/reserve/status` }, ...patient },
      { name: 'charge', ...callOf(url, 'charge'), ...patient },
      { name: 'nap', sleep: { seconds: 1 } },
      { name: 'pack', ...callOf(url, 'pack'), status: { url: `${url}/pack/status` }, ...patient },
      { name: 'ship', call: { url: `${url}/ship` }, pivot: true, ...patient },
    ],
  })

const callOf = (url: string, step: string) => ({
  call: { url: `${url}/${step}` },
  compensate: { url: `${url}/${step}/undo` },
})

/** Runs of a saga that are started all the while, and the shop that they call; see test/sim/saga-shop.ts. */
export class SagaLoad {
  readonly shop: SagaShop
  readonly #requests: Requests
  readonly #chance: Chance
  readonly #round: string
  readonly #started: string[] = []
  readonly #ended = new Map<string, RunView>()
  #plan: Plan | undefined

  constructor(requests: Requests, chance: Chance, round: string) {
    this.#requests = requests
    this.#chance = chance
    this.#round = round
    this.shop = new SagaShop(
      () => this.#plan ?? planOf({ steps: [] }),
      (probability) => chance.happens(probability),
    )
  }

  get started(): number {
    return this.#started.length
  }

  async begin(url: string): Promise<void> {
    const definition = definitionOf(url)
    this.#plan = planOf(definition)
    this.shop.refuses = 0.08
    await this.#requests.insist('PUT', `/v1/sagas/${this.#round}`, definition)
  }

  /** Starts runs, each until it is accepted, while `isGoing` says so. */
  async work(isGoing: () => boolean): Promise<void> {
    for (let n = 1; isGoing(); n++) {
      const id = `${this.#round}-${n}`
      await this.#requests.insist('POST', `/v1/sagas/${this.#round}/runs`, { id, input: { id } })
      this.#started.push(id)
      await pause(this.#chance.between(300, 900))
    }
  }

  /** What is still under way. A step that needs a person is tried again, as its operator would. */
  async open(): Promise<string[]> {
    const open: string[] = []
    for (const id of this.#started) {
      const run = this.#ended.get(id) ?? (await this.#read(id))
      if (run.state === 'completed' || run.state === 'compensated') {
        this.#ended.set(id, run)
        continue
      }
      const steps = run.steps.map(({ name, state, reason }) => `${name} ${state} ${reason ?? ''}`)
      open.push(`run ${id} is ${run.state}: ${steps.join(', ')}`)
      for (const { name, state } of run.steps)
        if (state === 'attention') await this.#requests.ask('POST', `/v1/saga-runs/${id}/steps/${name}/retry`, {})
    }
    return open
  }

  broken(): string[] {
    const ends = [...this.#ended].flatMap(([id, { state }]) => this.shop.wrongEnd(id, state === 'completed'))
    return [...new Set(this.shop.broken), ...ends]
  }

  async #read(id: string): Promise<RunView> {
    return runView.parse(await this.#requests.insist('GET', `/v1/saga-runs/${id}`))
  }
}
