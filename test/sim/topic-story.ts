import { z } from 'zod'
import { checkHistory } from '../support/history-checks.ts'
import { History } from '../support/history.ts'
import { Listener } from './listener.ts'
import { tokenMaker } from './neighbours.ts'
import { differentPresence } from './presence-check.ts'
import { Setting, type Ending as SettingEnding } from './setting.ts'
import { TopicChecks, type TopicPlot } from './topic-checks.ts'
import { namespaces } from './topic-namespaces.ts'
import { TopicServer } from './topic-server.ts'
import { TopicTruth, type TopicAddress } from './topic-truth.ts'

export interface TopicEnding extends SettingEnding {
  readonly stored: number
  readonly passed: number
  readonly rejoins: number
  /** How often a client was told that what it missed is gone. */
  readonly lost: number
}

const tenants = ['acme', 'globex']
const calmsWithinMs = 180_000
/** How long an unacknowledged publication may still be on its way. */
const stragglersMs = 2000
const withVersion = z.object({ version: z.number() })

/** People publish and listen while everything fails; then it stops failing, and all promises are looked at. */
export async function tellOfTopics(seed: number, plot: TopicPlot): Promise<TopicEnding> {
  const setting = await Setting.of(seed, plot, () => ({}), { LINKS: 'off' })
  return await setting.play(new TopicStory(setting, plot))
}

class TopicStory {
  readonly #setting: Setting
  readonly #plot: TopicPlot
  readonly #history: History
  readonly #truth: TopicTruth
  readonly #listeners: Listener[] = []
  readonly #servers = new Map<string, TopicServer>()
  readonly #topics: readonly TopicAddress[]

  constructor(setting: Setting, plot: TopicPlot) {
    const { world } = setting
    this.#setting = setting
    this.#plot = plot
    this.#history = new History(() => world.now)
    this.#truth = new TopicTruth(world)
    this.#topics = tenants.flatMap((tenant) => plot.channels.map((channel) => ({ tenant, channel })))
  }

  /** Every client subscribes to every topic of its tenant, in good weather; the tenants share their gateways. */
  async begin(): Promise<void> {
    for (const tenant of tenants) await this.#found(tenant)
    for (const { device } of this.#listeners) device.come()
    await this.#setting.until('every client is subscribed', () =>
      this.#listeners.every(({ device }) => device.isListening),
    )
  }

  async #found(tenant: string): Promise<void> {
    const setting = this.#setting
    const { world } = setting
    const history = this.#history
    const { people, gateways, channels } = this.#plot
    const token = tokenMaker(tenant, await setting.admit(tenant))
    for (const [name, namespace] of Object.entries(namespaces))
      await setting.call('Tenant', tenant, 'setNamespace', name, namespace)
    const { version } = withVersion.parse(await setting.call('Tenant', tenant, 'record'))
    this.#servers.set(tenant, new TopicServer(world, history, version))
    for (let n = 0; n < people; n++) {
      const who = { tenant, user: `user-${n}`, gateway: `eu/${n % gateways}`, channels }
      this.#listeners.push(new Listener({ world, history, token, ...who }))
    }
  }

  async happen(): Promise<void> {
    await this.#setting.happen(
      this.#plot.publications,
      () => this.#speak(),
      () => this.#fault(),
    )
  }

  async end(): Promise<TopicEnding> {
    const { world } = this.#setting
    const parts = { world, plot: this.#plot, truth: this.#truth, topics: this.#topics }
    const checks = new TopicChecks({ ...parts, listeners: this.#listeners, servers: this.#servers })
    const unsettled = await this.#setting.calmDown(() => checks.unsettled(), calmsWithinMs)
    await this.#setting.pass(stragglersMs)
    const log = this.#topics.flatMap((topic) => this.#truth.log(topic))
    const broken = [
      ...unsettled,
      ...checkHistory(this.#history, log).map(({ check, what }) => `${check}: ${what}`),
      ...checks.broken(),
      ...(await this.#readAll(checks)),
      ...(await this.#differentPresence()),
    ]
    const passed = this.#listeners.flatMap((listener) => [...listener.passed.values()].flat())
    return {
      ...this.#setting.ending(broken),
      stored: log.length,
      passed: passed.length,
      rejoins: this.#listeners.reduce((sum, { device }) => sum + device.arrivals - 1, 0),
      lost: this.#listeners.reduce((sum, { lost }) => sum + lost.length, 0),
    }
  }

  /** What each topic says that it keeps. */
  async #readAll(checks: TopicChecks): Promise<string[]> {
    const wrong: string[] = []
    for (const topic of checks.keeping) {
      const rules = this.#servers.get(topic.tenant)?.rules(topic)
      const query = { limit: 300, reverse: true }
      const name = `${topic.tenant}/${topic.channel}`
      wrong.push(...checks.wrongPage(topic, await this.#setting.call('Topic', name, 'history', rules, query)))
    }
    return wrong
  }

  async #differentPresence(): Promise<string[]> {
    const different: string[] = []
    for (const { tenant, channel } of this.#topics) {
      const stream = { kind: 'Topic', tenant, name: channel, channel, given: ['list'] } as const
      different.push(...(await differentPresence(this.#setting, this.#plot.gateways, stream)))
    }
    return different
  }

  #speak(): void {
    const { chance } = this.#setting.world
    const listener = this.#listeners[chance.below(this.#listeners.length)]
    const channel = this.#plot.channels[chance.below(this.#plot.channels.length)] ?? ''
    const tenant = listener?.tenant ?? ''
    const kind = chance.below(20)
    if (kind === 0 && channel.startsWith('few:')) this.#servers.get(tenant)?.forget({ tenant, channel })
    else if (kind < 3) listener?.read(channel)
    else if (kind < 5 && !channel.startsWith('passing:')) listener?.device.rest(channel, chance.below(6000))
    else if (kind < 10) this.#servers.get(tenant)?.publish({ tenant, channel })
    else for (let n = chance.happens(0.2) ? chance.below(8) : 1; n > 0; n--) listener?.publish(channel)
  }

  #fault(): void {
    const cut = () => this.#listeners[this.#setting.world.chance.below(this.#listeners.length)]?.device.cut()
    const { only } = this.#plot
    if (only === undefined) this.#setting.befall(cut)
    else if (only === 'cuts') cut()
    else this.#setting.lose(only)
  }
}
