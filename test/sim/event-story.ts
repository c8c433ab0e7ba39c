import type { ConsumerSpec } from '../../src/event-log/consumers/spec.ts'
import {
  endpointNetwork,
  endpointServers,
  goodEndpoints,
  type EndpointAnswer,
  type EndpointCall,
  type EndpointWeather,
} from './endpoints.ts'
import { EventChecks } from './event-checks.ts'
import { OutboxRelay, Publisher } from './event-publisher.ts'
import { Puller } from './event-puller.ts'
import { EventTruth, newestVersion, orderType, topicName } from './event-truth.ts'
import { EventView } from './event-view.ts'
import { eventActors } from './globals.ts'
import { stub } from './namespace.ts'
import { tenant } from './neighbours.ts'
import { Setting, type Day, type Ending as SettingEnding } from './setting.ts'

/** What a story about events is about, beside its seed. */
export interface EventPlot extends Day {
  readonly events: number
  readonly endpoints: EndpointWeather
  /** Probability that the relay is killed at each boundary of its work. */
  readonly relayDies: number
  /** Attempts of a push, of which a dead letter is what is left. */
  readonly maxAttempts: number
  /** The only actors that die, if not any may. */
  readonly only?: 'EventLog' | 'EventConsumer'
}

export interface EventEnding extends SettingEnding {
  readonly events: number
  readonly deliveries: number
  readonly dead: number
  readonly seeks: number
  readonly relayDeaths: number
}

const calmsWithinMs = 900_000
const lookEveryMs = 300
const pushed = 'mailer'
const pulledBy = 'audit'

const schema = JSON.stringify({ type: 'object', required: ['n', 'path'] })

/** Events are published, relayed and consumed while everything fails; then it stops failing, and all promises are looked at. */
export async function tellOfEvents(seed: number, plot: EventPlot): Promise<EventEnding> {
  let weather = plot.endpoints
  const story: { take?: (call: EndpointCall) => EndpointAnswer } = {}
  const take = (call: EndpointCall) => story.take?.(call) ?? { status: 500, body: null }
  const servers = () => ({ Endpoint: endpointServers(() => weather, take) })
  const network = endpointNetwork(() => undefined)
  const setting = await Setting.of(seed, plot, servers, { ENDPOINTS: network }, eventActors)
  const events = new EventStory(setting, plot)
  story.take = events.take
  try {
    await events.begin()
    await events.happen()
    weather = goodEndpoints
    return await events.end()
  } finally {
    setting.close()
  }
}

class EventStory {
  readonly #setting: Setting
  readonly #plot: EventPlot
  readonly #truth: EventTruth
  readonly #publishers: readonly Publisher[]
  readonly #relay: OutboxRelay
  readonly #pulled: EventView
  readonly #puller: Puller
  readonly #checks: EventChecks
  #pushed: EventView
  #isRebuilding = false
  #seeks = 0

  constructor(setting: Setting, plot: EventPlot) {
    const { world } = setting
    this.#setting = setting
    this.#plot = plot
    this.#truth = new EventTruth(world)
    this.#publishers = ['/web', '/shop'].map((source) => new Publisher(world, source))
    this.#relay = new OutboxRelay(world)
    this.#pushed = new EventView(pushed, this.#truth)
    this.#pulled = new EventView(pulledBy, this.#truth)
    this.#puller = new Puller(world, this.#pulled)
    this.#checks = new EventChecks(this.#truth)
  }

  /** The endpoint of the consumer that is pushed to. */
  take = ({ headers, body }: EndpointCall): EndpointAnswer => {
    this.#pushed.take(headers['webhook-id'] ?? '', body)
    return { status: 200, body: null }
  }

  async begin(): Promise<void> {
    const { maxAttempts } = this.#plot
    const filter = {
      keys: [],
      sources: [],
      condition: null,
      versions: { [orderType]: newestVersion },
      ordered: true,
      webhook: null,
    }
    const push = { url: 'https://hooks.example/mail', timeoutSeconds: 2 }
    for (let version = 1; version <= newestVersion; version++) {
      const upcast = version === 1 ? null : `{n: n, written: written, path: [path, 'v${version}'][]}`
      await this.#call('EventCatalog', 'events', 'putVersion', orderType, {
        version,
        schema,
        compatibility: 'none',
        upcast,
      })
    }
    await this.#call('EventLog', topicName, 'configure', { maxAgeSeconds: 86_400, maxBytes: 1e9 })
    await this.#consume(pushed, { ...filter, topic: topicName, types: [], parallel: 3, maxAttempts, push })
    await this.#consume(pulledBy, {
      ...filter,
      topic: topicName,
      types: ['order.'],
      parallel: 4,
      maxAttempts: 50,
      push: null,
    })
  }

  async happen(): Promise<void> {
    this.#relay.dies = this.#plot.relayDies
    this.#puller.fails = 0.1
    this.#puller.dawdles = 0.05
    this.#relay.start()
    void this.#puller.run()
    this.#lookAgain()
    await this.#setting.happen(
      this.#plot.events,
      () => this.#want(),
      () => this.#fault(),
    )
  }

  async end(): Promise<EventEnding> {
    this.#relay.dies = 0
    this.#puller.fails = 0
    this.#puller.dawdles = 0
    this.#redrive()
    const unsettled = await this.#setting.calmDown(() => this.#unsettled(), calmsWithinMs)
    this.#checks.look(this.#views)
    const deliveries = this.#pushed.deliveries + this.#pulled.deliveries
    const grown = this.#pushed
    const rebuilt = unsettled.length > 0 ? [] : await this.#rebuild(grown)
    const dead = this.#truth.log().filter(({ offset }) => this.#truth.wasDead(pushed, offset)).length
    const broken = [...unsettled, ...this.#checks.ended(this.#sources, [grown, ...this.#views]), ...rebuilt]
    const events = this.#truth.log().length
    return {
      ...this.#setting.ending(broken),
      events,
      deliveries,
      dead,
      seeks: this.#seeks,
      relayDeaths: this.#relay.deaths,
    }
  }

  get #views(): readonly EventView[] {
    return [this.#pushed, this.#pulled]
  }

  get #sources(): readonly { readonly source: string; readonly accepted: readonly string[] }[] {
    return [...this.#publishers, this.#relay]
  }

  /** A view that begins again from offset 0 equals the one that grew. */
  async #rebuild(grown: EventView): Promise<string[]> {
    this.#isRebuilding = true
    this.#pushed = new EventView(pushed, this.#truth)
    await this.#call('EventConsumer', pushed, 'seek', 0)
    const unsettled = await this.#setting.calmDown(() => this.#unsettled(), calmsWithinMs)
    return [...unsettled, ...this.#checks.different(grown, this.#pushed)]
  }

  #unsettled(): string[] {
    const waiting = [
      ...this.#publishers.filter(({ isSettled }) => !isSettled).map(({ source }) => `${source} waits for an answer`),
      ...(this.#relay.isSettled ? [] : ['the relay has rows to publish']),
    ]
    return waiting.length > 0 ? waiting : this.#views.flatMap((view) => this.#checks.unsettled(view))
  }

  #want(): void {
    const { chance } = this.#setting.world
    const kind = chance.below(20)
    if (kind === 0) this.#seek()
    else if (kind === 1) void this.#ask('EventConsumer', pushed, 'redrive', 100).catch(() => undefined)
    else if (kind < 8) for (let n = chance.below(4); n >= 0; n--) this.#relay.write()
    else
      for (let n = chance.happens(0.3) ? 3 : 1; n > 0; n--)
        this.#publishers[chance.below(this.#publishers.length)]?.publish()
  }

  /** Goes back to an event before the first that had no effect yet: what lies before a seek is not handed out. */
  #seek(): void {
    const { chance } = this.#setting.world
    const first = this.#truth.log().find(({ offset }) => !this.#pushed.has(offset))?.offset ?? 1
    this.#seeks++
    void this.#ask('EventConsumer', pushed, 'seek', chance.below(first)).catch(() => undefined)
  }

  #redrive(): void {
    if (this.#truth.dead(pushed).length > 0)
      void this.#ask('EventConsumer', pushed, 'redrive', 100).catch(() => undefined)
    this.#setting.world.after(5000, () => this.#redrive())
  }

  #lookAgain(): void {
    if (this.#isRebuilding) return
    this.#checks.look(this.#views)
    this.#setting.world.after(lookEveryMs, () => this.#lookAgain())
  }

  async #consume(name: string, spec: ConsumerSpec): Promise<void> {
    await this.#call('EventConsumer', name, 'configure', spec, 0)
    await this.#call('EventLog', topicName, 'addConsumer', name)
  }

  #call(kind: string, name: string, method: string, ...given: unknown[]): Promise<unknown> {
    return this.#setting.call(kind, `${tenant}/${name}`, method, ...given)
  }

  async #ask(kind: string, name: string, method: string, ...given: unknown[]): Promise<unknown> {
    return await stub(this.#setting.world, kind, `${tenant}/${name}`)[method]?.(...given)
  }

  #fault(): void {
    const { only } = this.#plot
    if (only === undefined) this.#setting.befall(() => this.#relay.kill())
    else this.#setting.lose(only)
  }
}
