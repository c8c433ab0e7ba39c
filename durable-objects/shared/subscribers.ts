import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'
import { backoffMs } from '../../src/kernel/retry.ts'
import { answerChars } from '../../src/protocol/answer-size.ts'
import type { Publication } from '../../src/protocol/replies.ts'
import type { ChannelUpdate, StreamCall, StreamResult, StreamUpdate } from '../../src/protocol/stream.ts'
import { sizes } from '../../src/protocol/limits.ts'
import type { GatewayPresence } from '../../src/realtime/presence-table.ts'
import { gatewayNamed } from '../address.ts'
import { newestOnly, repeated, withoutOldEvents } from './missed-updates.ts'
import { SubscriberPresence } from './subscriber-presence.ts'

interface GatewayQueue {
  waiting: StreamUpdate[]
  /** Publications in `waiting`. */
  publications: number
  /** About how many characters its events hold. */
  eventChars: number
  /** The request of the first update in `waiting`, for log lines. */
  request: RequestContext | undefined
  sending: Promise<void> | undefined
  /** Counts the subscriptions there, so that an older answer "no subscribers" cannot undo a newer one. */
  subscriptions: number
  readonly presence: GatewayPresence
}

/** Attempts to call a gateway, with growing pauses, for some minutes. */
const attempts = 14

/**
 * The gateways with subscribers of one stream. They are stored, since an actor that restarts has to go on publishing to
 * them; their connections are held in memory. Updates to one gateway gather while a call to it is under way.
 */
export class Subscribers {
  readonly #env: Env
  readonly #sql: SqlStorage
  readonly #tenant: string
  readonly #channel: string
  readonly #emptied: () => void
  readonly #queues = new Map<string, GatewayQueue>()
  readonly presence: SubscriberPresence

  /** `emptied` is called when the last gateway was dropped. */
  constructor(
    env: Env,
    sql: SqlStorage,
    exists: boolean,
    at: { readonly tenant: string; readonly channel: string },
    emptied: () => void = () => undefined,
  ) {
    this.#env = env
    this.#sql = sql
    this.#tenant = at.tenant
    this.#channel = at.channel
    this.#emptied = emptied
    this.presence = new SubscriberPresence(env, at)
    if (!exists) return
    for (const row of sql.exec('SELECT gateway FROM listeners')) this.#open(String(row['gateway']), false)
  }

  /** `isEmpty` when a gateway that is not listed yet had no subscriber until now. */
  add(gateway: string, isEmpty = true): void {
    const known = this.#queues.get(gateway)
    if (known !== undefined) {
      known.subscriptions++
      return
    }
    this.#sql.exec('INSERT OR IGNORE INTO listeners (gateway) VALUES (?)', gateway)
    this.#open(gateway, isEmpty)
  }

  /**
   * Notes what a call changes: the gateway is listed from its first subscriber until its last one left, or as long as it
   * has a position. A number of connections that differs from the known one shows that a leave was lost.
   */
  note(call: StreamCall, results: readonly StreamResult[]): void {
    const { gateway, have, commands, subscribed } = call
    if (gateway === null) return
    if (have !== null) this.add(gateway, false)
    let changes = have === null
    commands.forEach((command, index) => {
      if (results[index]?.kind === 'subscribed') this.add(gateway)
      if (command.kind === 'leave' && command.last) this.drop(gateway)
      changes ||= command.kind === 'subscribe' || command.kind === 'leave' || command.kind === 'infos'
    })
    if (changes) return this.presence.note(call, results)
    const presence = this.#queues.get(gateway)?.presence
    if (presence === undefined) return
    presence.answeredAt = systemClock.now()
    if (subscribed !== presence.clients.size) presence.isKnown = false
  }

  drop(gateway: string): void {
    const queue = this.#queues.get(gateway)
    if (queue === undefined) return
    this.#queues.delete(gateway)
    this.presence.close(gateway, queue.presence)
    this.#sql.exec('DELETE FROM listeners WHERE gateway = ?', gateway)
    if (this.#queues.size === 0) this.#emptied()
  }

  gateways(): string[] {
    return [...this.#queues.keys()]
  }

  get size(): number {
    return this.#queues.size
  }

  /** Sends an update to every gateway but `except`, which has it in the answer to its own call, on behalf of `request`. */
  publish(update: StreamUpdate, except: string | null, request?: RequestContext): void {
    if (update.publications.length === 0 && update.events.length === 0) return
    for (const [gateway, queue] of this.#queues) {
      if (gateway !== except) this.#deliverSoon(gateway, queue, update, request)
    }
  }

  /** Whether another gateway than this one has subscribers. */
  reachesBeyond(gateway: string | null): boolean {
    return this.#queues.size > (gateway !== null && this.#queues.has(gateway) ? 1 : 0)
  }

  /** Resolves once no gateway waits for an update. */
  async delivered(): Promise<void> {
    for (const { sending } of this.#queues.values()) await sending
  }

  /** Sends only the stream's position: a gateway that lacks publications before it asks for them. */
  announcePosition(epoch: string, top: number): void {
    for (const [gateway, queue] of this.#queues)
      this.#deliverSoon(gateway, queue, { epoch, after: top, publications: [], events: [] })
  }

  #deliverSoon(gateway: string, queue: GatewayQueue, update: StreamUpdate, request?: RequestContext): void {
    if (queue.waiting.length === 0) queue.request = request
    queue.waiting.push(update)
    queue.publications += update.publications.length
    queue.eventChars += charsOfEvents(update)
    if (queue.publications > sizes.recovered) fill(queue, newestOnly(queue.waiting))
    if (queue.eventChars > answerChars) fill(queue, withoutOldEvents(queue.waiting))
    queue.sending ??= this.#run(gateway, queue)
  }

  async #run(gateway: string, queue: GatewayQueue): Promise<void> {
    while (queue.waiting.length > 0) {
      const update = this.#merge(queue.waiting.splice(0))
      queue.publications = 0
      queue.eventChars = 0
      const { subscriptions, request } = queue
      const listening = await this.#deliver(gateway, update, request)
      if (listening === true) queue.presence.answeredAt = systemClock.now()
      // A gateway that was dropped and subscribed again has another queue: this answer is of before.
      const current = this.#queues.get(gateway) === queue && queue.subscriptions === subscriptions
      if (listening === false && current) this.drop(gateway)
    }
    queue.sending = undefined
  }

  /**
   * Merges updates. The publications of the gateway's own calls are not among them: they are in the answers to its calls,
   * with everything before. So only the publications after the last such gap are sent, and a gateway that does not have
   * that answer yet sees the gap.
   */
  #merge(updates: readonly StreamUpdate[]): ChannelUpdate {
    const first = updates[0]
    let after = first?.after ?? 0
    let publications: Publication[] = []
    for (const update of updates) {
      if (update.after !== (publications.at(-1)?.offset ?? after)) publications = []
      if (publications.length === 0) after = update.after
      publications.push(...update.publications)
    }
    return {
      tenant: this.#tenant,
      channel: this.#channel,
      epoch: updates.at(-1)?.epoch ?? '',
      after,
      publications,
      events: updates.flatMap(({ events }) => events),
    }
  }

  /**
   * Whether the gateway still has subscribers; undefined when it was unreachable for minutes: it finds the gap by its own
   * check.
   */
  async #deliver(
    gateway: string,
    update: ChannelUpdate,
    request: RequestContext | undefined,
  ): Promise<boolean | undefined> {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      try {
        return await gatewayNamed(this.#env, gateway).publish(attempt === 1 ? update : repeated(update, attempt))
      } catch (thrown) {
        log.warn('subscribers.publish-failed', { ...idsOf(request), gateway, attempt, reason: reasonOf(thrown) })
        await scheduler.wait(backoffMs(attempt, 50, 30_000, Math.random()))
      }
    }
    return undefined
  }

  #open(gateway: string, isEmpty: boolean): void {
    const presence = this.presence.open(gateway, isEmpty)
    this.#queues.set(gateway, {
      waiting: [],
      publications: 0,
      eventChars: 0,
      request: undefined,
      sending: undefined,
      subscriptions: 0,
      presence,
    })
  }
}

function fill(queue: GatewayQueue, updates: StreamUpdate[]): void {
  queue.waiting = updates
  queue.publications = updates.reduce((sum, { publications }) => sum + publications.length, 0)
  queue.eventChars = updates.reduce((sum, update) => sum + charsOfEvents(update), 0)
}

/** Beside its data every event has about the same few characters. */
const charsOfEvents = ({ events }: StreamUpdate): number =>
  events.reduce((sum, event) => sum + 100 + (event.kind === 'pub' ? event.data.length : 0), 0)
