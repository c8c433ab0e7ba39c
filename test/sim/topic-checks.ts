import { z } from 'zod'
import type { Listener, Published, ToldLost } from './listener.ts'
import type { Platform } from './platform.ts'
import type { Day } from './setting.ts'
import { isKept, namespaceOf } from './topic-namespaces.ts'
import type { TopicServer } from './topic-server.ts'
import { nameOf, type TopicAddress, type TopicTruth } from './topic-truth.ts'

/** What a story about topics is about, beside its seed. */
export interface TopicPlot extends Day {
  /** Listeners of each tenant. */
  readonly people: number
  /** Topics, the same names in every tenant. */
  readonly channels: readonly string[]
  readonly gateways: number
  readonly publications: number
  /** The only faults there are: lines that are cut, or actors of one kind that die. */
  readonly only?: 'cuts' | 'Gateway' | 'Topic'
}

interface Given {
  readonly world: Platform
  readonly plot: TopicPlot
  readonly truth: TopicTruth
  readonly topics: readonly TopicAddress[]
  readonly listeners: readonly Listener[]
  readonly servers: ReadonlyMap<string, TopicServer>
}

const page = z.object({ top: z.number(), publications: z.array(z.object({ offset: z.number() })) })

/** What topics promise beside what every history is held to (docs/design/topics.md), and no more than that. */
export class TopicChecks {
  readonly #given: Given

  constructor(given: Given) {
    this.#given = given
  }

  /** Topics that keep anything, and to which anything was said. */
  get keeping(): TopicAddress[] {
    const { topics, truth } = this.#given
    return topics.filter((topic) => isKept(topic.channel) && truth.top(topic) > 0)
  }

  /** What is still owed to any client. */
  unsettled(): string[] {
    const { listeners, servers } = this.#given
    const busy = [...servers.values()].filter(({ unsettled }) => unsettled > 0)
    if (busy.length > 0) return ['a server waits']
    const away = listeners.filter(({ device }) => !device.isListening)
    if (away.length > 0) return away.map(({ name }) => `${name} does not listen`)
    return this.keeping.flatMap((topic) => this.#deaf(topic))
  }

  #deaf(topic: TopicAddress): string[] {
    const { listeners, truth } = this.#given
    const top = truth.top(topic)
    return listeners
      .filter(({ tenant, device }) => tenant === topic.tenant && device.places.get(topic.channel)?.offset !== top)
      .map(({ name }) => `${name} has not heard ${top} of ${topic.channel}`)
  }

  /** Every promise that was broken. */
  broken(): string[] {
    const { listeners } = this.#given
    return [
      ...listeners.flatMap(({ trouble }) => trouble),
      ...this.keeping.flatMap((topic) => this.#severalEpochs(topic)),
      ...listeners.flatMap(({ published }) => published).flatMap((one) => this.#miscounted(one)),
      ...listeners.flatMap(({ lost }) => lost).flatMap((one) => this.#notLost(one)),
      ...listeners.flatMap((listener) =>
        [...listener.passed].flatMap(([channel, ids]) => this.#twice(listener, channel, ids)),
      ),
      ...listeners.flatMap((listener) => this.#missed(listener)),
    ]
  }

  /** A page of the newest is a run that ends at the top, and as much as the namespace keeps. */
  wrongPage(topic: TopicAddress, answer: unknown): string[] {
    const { truth, servers } = this.#given
    const { top, publications } = page.parse(answer)
    const told = publications.map(({ offset }) => offset)
    const { historySize, historyTtlSeconds } = namespaceOf(topic.channel)
    const all = Math.min(historySize, 300, servers.get(topic.tenant)?.removed.has(nameOf(topic)) === true ? 0 : top)
    const isRun = told.every((offset, n) => offset === top - n) && told.length <= historySize
    const isWhole = historyTtlSeconds < 60 || told.length >= all
    return isRun && isWhole && top === truth.top(topic) ? [] : [`${nameOf(topic)} of ${top} tells ${told.join()}`]
  }

  /** Nothing here lasts long enough for a topic to be forgotten. */
  #severalEpochs(topic: TopicAddress): string[] {
    const epochs = new Set(this.#given.truth.stored(topic).map(({ epoch }) => epoch))
    return epochs.size === 1 ? [] : [`${nameOf(topic)} has had the epochs ${[...epochs].join()}`]
  }

  /** Acknowledged is stored once; a second time only by a topic that lost its memory before the gateway heard of the first. */
  #miscounted(published: Published): string[] {
    const { topic, id, outcome } = published
    if (!isKept(topic.channel)) return []
    const times = this.#given.truth.stored(topic).filter(({ data }) => data.id === id).length
    const most = this.#isForgotten(published) ? 3 : 1
    const isRight = outcome === 'refused' ? times === 0 : times <= most && (outcome !== 'ok' || times >= 1)
    return isRight ? [] : [`${nameOf(topic)} has ${id}, which was ${outcome}, ${times} times`]
  }

  /**
   * Whether its topic lost its memory, and with it what a gateway had asked before, while a caller waited for the
   * answer.
   */
  #isForgotten({ topic, invokedAt }: Published): boolean {
    return this.#given.truth.host(topic).losses.some((at) => at >= invokedAt && at < invokedAt + 10_000)
  }

  /** A client that is told that its position is lost missed something that was not kept any more. */
  #notLost({ topic, listener, since, epoch, at }: ToldLost): string[] {
    const { truth, servers } = this.#given
    if (servers.get(topic.tenant)?.removed.has(nameOf(topic)) === true) return []
    const { historySize, historyTtlSeconds } = namespaceOf(topic.channel)
    const now = at + truth.host(topic).skewMs
    const missed = truth.stored(topic).filter(({ offset, at: saidAt }) => offset > since.offset && saidAt <= now)
    const gone =
      missed.length > historySize || missed.some(({ at: saidAt }) => saidAt <= now - historyTtlSeconds * 1000)
    if (since.epoch === epoch && gone) return []
    return [`${listener} came back to ${since.offset} of ${topic.channel} and was told in vain that it is lost`]
  }

  /** At most once, unless the weather itself repeats calls, or a topic forgot that it had been asked before. */
  #twice({ name, tenant }: Listener, channel: string, ids: readonly string[]): string[] {
    const { plot, listeners } = this.#given
    if ((plot.weather.repeated ?? 0) > 0) return []
    const forgotten = listeners
      .flatMap(({ published }) => published)
      .filter(({ topic }) => topic.tenant === tenant && topic.channel === channel)
      .filter((published) => this.#isForgotten(published))
      .map(({ id }) => id)
    const twice = ids.filter((id, n) => ids.indexOf(id) < n && !forgotten.includes(id))
    return twice.map((id) => `${name} heard ${id} twice`)
  }

  /** While nothing fails nothing is missed, of what passes by either. */
  #missed({ name, tenant, passed }: Listener): string[] {
    const { plot, listeners } = this.#given
    const { requestLost = 0, answerLost = 0, crashAtWrite = 0 } = plot.weather
    if (plot.faults > 0 || plot.crashAt !== undefined || requestLost + answerLost + crashAtWrite > 0) return []
    return listeners
      .flatMap(({ published }) => published)
      .filter(({ topic, outcome }) => topic.tenant === tenant && !isKept(topic.channel) && outcome === 'ok')
      .filter(({ topic, id }) => passed.get(topic.channel)?.includes(id) !== true)
      .map(({ topic, id }) => `${name} missed ${id} in ${topic.channel}`)
  }
}
