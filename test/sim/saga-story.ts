import { hash32 } from '../../src/kernel/id.ts'
import type { Run } from '../../src/sagas/run.ts'
import { endpointNetwork, endpointServers, goodEndpoints, type EndpointWeather } from './endpoints.ts'
import { eventActors } from './globals.ts'
import { platform } from './lives.ts'
import { stub } from './namespace.ts'
import { tenant } from './neighbours.ts'
import { SagaChecks } from './saga-checks.ts'
import { definitions, paidEvent, planNamed } from './saga-definitions.ts'
import { SagaShop } from './saga-shop.ts'
import { Setting, type Day, type Ending as SettingEnding } from './setting.ts'

/** What a story about sagas is about, beside its seed. */
export interface SagaPlot extends Day {
  readonly runs: number
  readonly endpoints: EndpointWeather
  /** Probability that a step before the pivot is refused for good. */
  readonly refuses: number
  /** The only actors that die, if not any may. */
  readonly only?: 'Saga' | 'SagaWorker'
}

export interface SagaEnding extends SettingEnding {
  readonly completed: number
  readonly compensated: number
  /** Compensations that took an effect back, questions what became of a step, and steps that a person let be tried again. */
  readonly undone: number
  readonly asked: number
  readonly helped: number
}

const calmsWithinMs = 900_000
const lookEveryMs = 400
const keepMs = 86_400_000
const sagas = Object.keys(definitions)
const actors = 16

/** Sagas run while everything fails; then it stops failing, and what their endpoints did is held against how they ended. */
export async function tellOfSagas(seed: number, plot: SagaPlot): Promise<SagaEnding> {
  let weather = plot.endpoints
  const runs = new Map<string, string>()
  const shop = new SagaShop(
    (run) => planNamed(runs.get(run)),
    (probability) => platform().chance.happens(probability),
  )
  const servers = () => ({ Endpoint: endpointServers(() => weather, shop.take) })
  const setting = await Setting.of(seed, plot, servers, { ENDPOINTS: endpointNetwork(shop.sent) }, eventActors)
  const story = new SagaStory(setting, plot, shop, runs)
  try {
    await story.begin()
    await story.happen()
    weather = goodEndpoints
    return await story.end()
  } finally {
    setting.close()
  }
}

class SagaStory {
  readonly #setting: Setting
  readonly #plot: SagaPlot
  readonly #shop: SagaShop
  /** The saga of each run that was asked for. */
  readonly #runs: Map<string, string>
  readonly #checks: SagaChecks
  readonly #started = new Set<string>()
  /** Starts and events that were not answered yet. */
  #unanswered = 0
  #helped = 0

  constructor(setting: Setting, plot: SagaPlot, shop: SagaShop, runs: Map<string, string>) {
    this.#setting = setting
    this.#plot = plot
    this.#shop = shop
    this.#runs = runs
    this.#checks = new SagaChecks(shop)
  }

  async begin(): Promise<void> {
    for (const [name, definition] of Object.entries(definitions))
      await this.#setting.call('SagaCatalog', `${tenant}/sagas`, 'define', name, definition)
  }

  async happen(): Promise<void> {
    this.#shop.refuses = this.#plot.refuses
    this.#lookAgain()
    await this.#setting.happen(
      this.#plot.runs,
      () => this.#want(),
      () => this.#fault(),
    )
  }

  async end(): Promise<SagaEnding> {
    this.#shop.refuses = 0
    this.#help()
    const unsettled = await this.#setting.calmDown(() => this.#unsettled(), calmsWithinMs)
    const runs = this.#stored()
    const broken = [...unsettled, ...this.#shop.broken, ...this.#checks.ended(runs, this.#started)]
    return {
      ...this.#setting.ending(broken),
      completed: runs.filter(({ direction }) => direction === 'forward').length,
      compensated: runs.filter(({ direction }) => direction === 'back').length,
      undone: this.#shop.undone,
      asked: this.#shop.asked,
      helped: this.#helped,
    }
  }

  #unsettled(): string[] {
    if (this.#unanswered > 0) return ['a caller waits for an answer']
    const open = this.#stored().filter(({ endedAt }) => endedAt === 0)
    return open.map(({ id, definition, steps }) => {
      const phases = Object.entries(steps).map(([name, { phase, reason }]) => `${name} ${phase} ${reason ?? ''}`)
      return `${id} of ${definition}: ${phases.join(', ')}`
    })
  }

  #want(): void {
    const { chance } = this.#setting.world
    const ids = [...this.#runs.keys()]
    const known = ids[chance.below(ids.length)]
    if (known !== undefined && chance.happens(0.1))
      void this.#ask(known, 'cancel', 'changed my mind', 'key').catch(() => undefined)
    const id = `run-${this.#runs.size}`
    const saga = sagas[chance.below(sagas.length)] ?? ''
    this.#runs.set(id, saga)
    // Its caller may not wait for the first answer.
    for (let n = chance.happens(0.3) ? 2 : 1; n > 0; n--) void this.#insist(() => this.#start(id, saga))
    if (saga !== 'rent' || !chance.happens(0.8)) return
    this.#setting.world.after(chance.below(6000), () => void this.#insist(() => this.#pay(id)))
  }

  async #start(id: string, saga: string): Promise<void> {
    await this.#ask(id, 'start', { id, saga, input: JSON.stringify({ id }), watchers: [], keepMs })
    this.#started.add(id)
  }

  #pay(id: string): Promise<unknown> {
    const event = { source: '/bank', id, type: paidEvent.type, key: id, version: 1, data: '{}', attributes: {} }
    return this.#call('EventLog', `${tenant}/${paidEvent.topic}`, 'append', [event])
  }

  /** Asks again until it is answered. */
  async #insist(ask: () => Promise<unknown>): Promise<void> {
    const { world } = this.#setting
    this.#unanswered++
    try {
      await ask()
    } catch {
      world.after(world.chance.between(100, 800), () => void this.#insist(ask))
    }
    this.#unanswered--
  }

  #ask(run: string, method: string, ...given: unknown[]): Promise<unknown> {
    const wanted = method === 'start' ? given : [run, ...given]
    return this.#call('Saga', `${tenant}/${hash32(run) % actors}`, method, ...wanted)
  }

  async #call(kind: string, name: string, method: string, ...given: unknown[]): Promise<unknown> {
    return await stub(this.#setting.world, kind, name)[method]?.(...given)
  }

  /** What an operator does once the trouble is over: has steps tried again that need a person. */
  #help(): void {
    for (const { id, steps } of this.#stored())
      for (const [name, { phase }] of Object.entries(steps)) {
        if (phase !== 'attention') continue
        this.#helped++
        void this.#ask(id, 'retry', name, 'operator').catch(() => undefined)
      }
    this.#setting.world.after(5000, () => this.#help())
  }

  #lookAgain(): void {
    this.#checks.look(this.#stored(), this.#started)
    this.#setting.world.after(lookEveryMs, () => this.#lookAgain())
  }

  /** The runs as they are stored, those of writes that are not confirmed included. */
  #stored(): Run[] {
    return Array.from({ length: actors }, (_, number) => number).flatMap((number) => {
      const host = this.#setting.world.hosts.get(`Saga ${tenant}/${number}`)
      if (host === undefined || host.disk.size === 0) return []
      const rows = host.disk.exec<{ data: string }>('SELECT data FROM runs ORDER BY id').toArray()
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the actor wrote it
      return rows.map(({ data }) => JSON.parse(data) as Run)
    })
  }

  #fault(): void {
    const { only } = this.#plot
    if (only === undefined) this.#setting.befall(() => this.#setting.lose('SagaWorker'))
    else this.#setting.lose(only)
  }
}
