import type { Env } from '../../src/env.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { backoffMs, within } from '../../src/kernel/retry.ts'
import { answerChars } from '../../src/protocol/answer-size.ts'
import type { ClientInfo, Publication } from '../../src/protocol/replies.ts'
import type { ChannelUpdate, EphemeralEvent, StreamUpdate } from '../../src/protocol/stream.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { gatewayNamed } from '../address.ts'
import { priorityOfEvent } from '../gateway/channels/overload.ts'

interface GatewayQueue {
  waiting: StreamUpdate[]
  /** Publications in `waiting`. */
  publications: number
  /** About as many characters are in its signals. */
  eventChars: number
  busy: boolean
  /** Raised with every new subscription there, so that an older "nobody listens" cannot undo it. */
  subscriptions: number
}

const attempts = 4
/** After those only where the stream stands is said, with growing pauses, for some minutes. */
const reminders = 14
/** A gateway that takes longer to say who is there does not answer. */
const timeoutMs = 2000

/**
 * The gateways that listen to one stream. They are durable, since after a loss of memory somebody must still be told;
 * who sits behind them is theirs to know. Updates to one gateway gather while a call to it is under way.
 */
export class Subscribers {
  readonly #env: Env
  readonly #sql: SqlStorage
  readonly #tenant: string
  readonly #channel: string
  readonly #emptied: () => void
  readonly #queues = new Map<string, GatewayQueue>()

  /** `emptied` is called when the last gateway went, or was found to have nobody. */
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
    if (!exists) return
    for (const row of sql.exec('SELECT gateway FROM listeners')) this.#open(String(row['gateway']))
  }

  add(gateway: string): void {
    const known = this.#queues.get(gateway)
    if (known !== undefined) {
      known.subscriptions++
      return
    }
    this.#sql.exec('INSERT OR IGNORE INTO listeners (gateway) VALUES (?)', gateway)
    this.#open(gateway)
  }

  drop(gateway: string): void {
    if (!this.#queues.delete(gateway)) return
    this.#sql.exec('DELETE FROM listeners WHERE gateway = ?', gateway)
    if (this.#queues.size === 0) this.#emptied()
  }

  gateways(): string[] {
    return [...this.#queues.keys()]
  }

  get size(): number {
    return this.#queues.size
  }

  /** Tells every gateway but `except`, which hears it in the answer to its own call. */
  publish(update: StreamUpdate, except: string | null): void {
    if (update.publications.length === 0 && update.events.length === 0) return
    for (const [gateway, lane] of this.#queues) {
      if (gateway !== except) this.#deliverSoon(gateway, lane, update)
    }
  }

  /** Whether somebody listens at another gateway than this one. */
  reachesBeyond(gateway: string | null): boolean {
    return this.#queues.size > (gateway !== null && this.#queues.has(gateway) ? 1 : 0)
  }

  /** How many connections the user has at every gateway but `except`. One that does not answer has lost them. */
  async connectionsElsewhere(user: string, except: string | null): Promise<number> {
    const others = [...this.#queues.keys()].filter((gateway) => gateway !== except)
    const counts = await Promise.all(others.map((gateway) => this.#connectionsAt(gateway, user)))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  async #connectionsAt(gateway: string, user: string): Promise<number> {
    try {
      const asked = gatewayNamed(this.#env, gateway).connectionsOf(this.#tenant, user)
      return await within(timeoutMs, 'the gateway', asked)
    } catch (thrown) {
      log.warn('subscribers.count-failed', { gateway, reason: reasonOf(thrown) })
      return 0
    }
  }

  /** Says only where the stream stands: a gateway that was not told everything before asks for the rest. */
  announcePosition(epoch: string, top: number): void {
    for (const [gateway, lane] of this.#queues)
      this.#deliverSoon(gateway, lane, { epoch, after: top, publications: [], events: [] })
  }

  /** Everyone who listens right now, by asking each gateway. One that does not answer counts as empty. */
  async presence(): Promise<ClientInfo[]> {
    const rosters = await Promise.all([...this.#queues.keys()].map((gateway) => this.#presenceAt(gateway)))
    return rosters.flat()
  }

  async #presenceAt(gateway: string): Promise<ClientInfo[]> {
    try {
      const asked = gatewayNamed(this.#env, gateway).presence(this.#tenant, this.#channel)
      return await within(timeoutMs, 'the gateway', asked)
    } catch (thrown) {
      log.warn('subscribers.presence-failed', { gateway, reason: reasonOf(thrown) })
      return []
    }
  }

  #deliverSoon(gateway: string, lane: GatewayQueue, update: StreamUpdate): void {
    lane.waiting.push(update)
    lane.publications += update.publications.length
    lane.eventChars += charsOfSignals(update)
    if (lane.publications > sizes.recovered) forgetOldest(lane)
    if (lane.eventChars > answerChars) forgetPassing(lane)
    if (!lane.busy) void this.#run(gateway, lane)
  }

  async #run(gateway: string, lane: GatewayQueue): Promise<void> {
    lane.busy = true
    while (lane.waiting.length > 0) {
      const update = this.#merge(lane.waiting.splice(0))
      lane.publications = 0
      lane.eventChars = 0
      const { subscriptions } = lane
      const listening = await this.#deliver(gateway, update)
      // A gateway that was dropped and came back has another lane: what this one hears is of before.
      const current = this.#queues.get(gateway) === lane && lane.subscriptions === subscriptions
      if (!listening && current) this.drop(gateway)
    }
    lane.busy = false
  }

  /**
   * What the gateway said itself is not among these: it is in the answer to its call, with everything before it. So only
   * what follows the last such hole is told, and a gateway that has not had that answer yet sees that something is missing.
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
      events: updates.flatMap(({ events: signals }) => signals),
    }
  }

  /** Whether anybody still listens there. One that cannot be reached for minutes finds the gap by its own check. */
  async #deliver(gateway: string, update: ChannelUpdate): Promise<boolean> {
    for (let attempt = 1; attempt <= reminders; attempt++) {
      try {
        return await gatewayNamed(this.#env, gateway).publish(toTell(update, attempt))
      } catch (thrown) {
        log.warn('subscribers.publish-failed', { gateway, attempt, reason: reasonOf(thrown) })
        await scheduler.wait(backoffMs(attempt, 50, 30_000, Math.random()))
      }
    }
    return true
  }

  #open(gateway: string): void {
    this.#queues.set(gateway, { waiting: [], publications: 0, eventChars: 0, busy: false, subscriptions: 0 })
  }
}

/**
 * A gateway that does not keep up is owed the newest publications only: it sees the gap before them and asks for what it
 * lacks, or has its listeners start over. What passes is dropped, what ends somebody's listening is not.
 */
function forgetOldest(lane: GatewayQueue): void {
  const newest = lane.waiting.at(-1)
  if (newest === undefined) return
  const signals = lane.waiting.flatMap((update) => update.events.filter((each) => priorityOfEvent(each) === undefined))
  lane.waiting = [{ ...newest, events: signals }]
  lane.publications = newest.publications.length
  lane.eventChars = charsOfSignals({ ...newest, events: signals })
}

/** What passes is kept nowhere else: a gateway that is so far behind hears the newest of it, and who may listen no longer. */
function forgetPassing(lane: GatewayQueue): void {
  const last = lane.waiting.length - 1
  lane.waiting = lane.waiting.map((update, place) =>
    place === last ? update : { ...update, events: update.events.filter(isLasting) },
  )
  lane.waiting = lane.waiting.filter(({ publications, events: signals }) => publications.length + signals.length > 0)
  lane.eventChars = lane.waiting.reduce((sum, update) => sum + charsOfSignals(update), 0)
}

const isLasting = ({ kind }: EphemeralEvent): boolean => kind === 'removed' || kind === 'revoked'

/** What is said of a signal beside its data is not much, and about the same for all. */
const charsOfSignals = ({ events: signals }: StreamUpdate): number =>
  signals.reduce((sum, signal) => sum + 100 + (signal.kind === 'pub' ? signal.data.length : 0), 0)

/** What is said the first time, and when nobody answered. What a stream keeps no place of cannot be told from itself, so it is said once. */
function toTell(update: ChannelUpdate, attempt: number): ChannelUpdate {
  if (attempt > attempts) return reminderOf(update)
  if (attempt === 1 || update.epoch !== '') return update
  return { ...update, events: update.events.filter(({ kind }) => kind !== 'pub') }
}

/** Where the news ends, for a gateway to see that it lacks them, and who may listen no longer. What passes has passed. */
function reminderOf({ publications, events: signals, ...rest }: ChannelUpdate): ChannelUpdate {
  const after = publications.at(-1)?.offset ?? rest.after
  return { ...rest, after, publications: [], events: signals.filter(isLasting) }
}
