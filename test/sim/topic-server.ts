import { z } from 'zod'
import type { History } from '../support/history.ts'
import { stub } from './namespace.ts'
import type { Platform } from './platform.ts'
import { isKept, namespaceOf } from './topic-namespaces.ts'
import { nameOf, type Said, type TopicAddress } from './topic-truth.ts'

const answer = z.object({ results: z.array(z.object({ kind: z.literal('done'), data: z.string() })).length(1) })
const place = z.object({ offset: z.number(), epoch: z.string() })

/** A tenant's server: it publishes under idempotency keys, again and again until it hears an answer. */
export class TopicServer {
  readonly removed = new Set<string>()
  /** Publications on their way or to be said again. */
  unsettled = 0
  readonly #world: Platform
  readonly #history: History
  readonly #version: number
  #said = 0

  /** `version` is the tenant record's, which its namespaces are of. */
  constructor(world: Platform, history: History, version: number) {
    this.#world = world
    this.#history = history
    this.#version = version
  }

  /** Says something until it is acknowledged; now and then two processes do so at once. */
  publish(topic: TopicAddress): void {
    const id = `key-${++this.#said}`
    const text = `the server of ${topic.tenant} says ${id} in ${topic.channel}`
    const data: Said = { type: 'said', id, text, keyed: true }
    const { chance } = this.#world
    for (let processes = chance.happens(0.2) ? 2 : 1; processes > 0; processes--) {
      this.unsettled++
      this.#world.after(chance.below(200), () => void this.#insist(topic, data))
    }
  }

  /** Lets a topic forget what was said. */
  forget(topic: TopicAddress): void {
    this.removed.add(nameOf(topic))
    void this.#topic(topic, 'removeHistory').catch(() => undefined)
  }

  rules({ channel }: TopicAddress) {
    const { historySize, historyTtlSeconds, joinLeave } = namespaceOf(channel)
    return { version: this.#version, historySize, historyTtlSeconds, joinLeave }
  }

  async #insist(topic: TopicAddress, said: Said): Promise<void> {
    const { tenant, channel } = topic
    const key = { tenant, conversation: channel, user: '', clientId: said.id }
    const pending = this.#history.invoke(`server of ${tenant}`, key, said.text)
    const verb = { kind: 'publish', data: JSON.stringify(said), idempotencyKey: said.id }
    const command = { user: '', client: '', server: true, ...verb }
    const call = { gateway: null, have: null, rules: this.rules(topic), commands: [command] }
    try {
      const { results } = answer.parse(await this.#topic(topic, 'execute', call))
      const { offset } = place.parse(JSON.parse(results[0]?.data ?? ''))
      if (isKept(channel)) pending.ok(offset)
      this.unsettled--
    } catch {
      const { chance } = this.#world
      this.#world.after(chance.between(50, 400), () => void this.#insist(topic, said))
    }
  }

  /** Each call over a stub of its own: requests over HTTP keep no order. */
  async #topic(topic: TopicAddress, method: string, ...given: unknown[]): Promise<unknown> {
    return await stub(this.#world, 'Topic', nameOf(topic))[method]?.(...given)
  }
}
