import { BucketSet } from '../../src/activity/bucket-set.ts'
import { hasBucket } from '../../src/activity/growing.ts'
import { mergeActivity } from '../../src/activity/merge-activity.ts'
import type { Env } from '../../src/env.ts'
import { bucketOf, statesPerUpdate, type ConversationActivity, type ActivityAnswer } from '../../src/events/activity.ts'
import type { Clock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { within } from '../../src/kernel/retry.ts'
import { gatewayNamed } from '../address.ts'
import type { ActivityHandover } from '../contracts.ts'
import { inSteps } from '../shared/pace.ts'

/** How long a call of a gateway may take, in milliseconds. */
const callMs = 2000
/** A gateway that answers nothing for so long is notified once an hour only: its clients have probably connected elsewhere. */
const rareAfterMs = 3_600_000
/** After a day it is dropped. */
const dropAfterMs = 24 * 3_600_000
/** Conversations in one call. */
const newsPerCall = 500

interface ListeningGateway {
  readonly buckets: BucketSet
  /** Since when it lacks updates, in milliseconds since the epoch; 0 when it lacks none. */
  behind: number
  /** Since when it has not answered; 0 when it does. */
  silent: number
  /** When it was to be notified last, as far as this instance knows. */
  triedAt: number
  /** Whether it is being notified that it lacks updates: what is new since then waits for the end of that call. */
  isBeingNotified: boolean
  /** Updates for the next call, and when the first of them was written. */
  waiting: Map<string, ConversationActivity>
  waitingSince: number
  /** The call that `waiting` will be sent with; undefined while nothing waits. */
  next: Promise<void> | undefined
  /** The last call begun. */
  last: Promise<void>
  /** Counts the calls of `listen`, so that an older answer cannot undo a newer one. */
  listens: number
}

type StoredGateway = { name: string; behind: number; silent: number; buckets: string }

/**
 * The gateways that listen to conversations of one Activity actor. Updates for one gateway gather while a call to it is
 * under way. A gateway that did not answer is noted as behind, and is notified of that once it answers again.
 */
export class ListeningGateways {
  readonly #env: Env
  readonly #sql: SqlStorage
  readonly #tenant: string
  readonly #clock: Clock
  readonly #gateways = new Map<string, ListeningGateway>()
  readonly #hasMissed: () => void

  /** `hasMissed` is called when a gateway was noted as behind. */
  constructor(env: Env, sql: SqlStorage, exists: boolean, tenant: string, clock: Clock, hasMissed: () => void) {
    this.#env = env
    this.#sql = sql
    this.#tenant = tenant
    this.#clock = clock
    this.#hasMissed = hasMissed
    if (!exists) return
    for (const { name, behind, silent, buckets } of sql.exec<StoredGateway>('SELECT * FROM gateways'))
      Object.assign(this.#open(name, BucketSet.decode(buckets)), { behind, silent })
  }

  /** A gateway listens to further buckets. Stored before the answer leaves. */
  listen(name: string, buckets: Iterable<number>): void {
    const gateway = this.#gateways.get(name) ?? this.#open(name, new BucketSet())
    gateway.listens++
    let isMore = false
    for (const bucket of buckets) if (gateway.buckets.add(bucket)) isMore = true
    if (isMore) this.#store(name, gateway)
  }

  /**
   * Sends an update, written at `changed`, to each gateway that listens to the conversation's bucket. Returns once each has
   * answered or is noted as behind.
   */
  async publish(update: ConversationActivity, changed: number): Promise<void> {
    const bucket = bucketOf(update.conversation)
    const sent: Promise<void>[] = []
    for (const [name, gateway] of this.#gateways)
      if (gateway.buckets.has(bucket)) sent.push(this.#send(name, gateway, update, changed))
    await Promise.all(sent)
  }

  /** Whether any gateway has to be notified that it lacks updates. */
  get isAnyBehind(): boolean {
    return [...this.#gateways.values()].some(({ behind }) => behind > 0)
  }

  /** When the next gateway that lacks updates is to be notified, in milliseconds since the epoch. */
  get nextNotice(): number {
    const behind = [...this.#gateways.values()].filter((gateway) => gateway.behind > 0)
    return Math.min(...behind.map((gateway) => this.#noticeAt(gateway)))
  }

  /** Notifies each gateway that lacks updates since when. Throws when one does not answer, and drops those that have not for a day. */
  async tellBehind(): Promise<void> {
    const now = this.#clock.now()
    const behind = [...this.#gateways].filter(([, gateway]) => gateway.behind > 0 && this.#noticeAt(gateway) <= now)
    const since = Math.min(...behind.map(([, gateway]) => gateway.behind))
    await inSteps(behind, { clock: this.#clock, since }, async ([name, gateway]) => {
      gateway.triedAt = this.#clock.now()
      if (this.#clock.now() - gateway.silent > dropAfterMs) this.#drop(name, gateway)
      else await this.#tell(name, gateway)
    })
  }

  /** At once, and after an hour of silence an hour after the last attempt. */
  #noticeAt({ silent, triedAt }: ListeningGateway): number {
    return triedAt - silent > rareAfterMs ? triedAt + rareAfterMs : 0
  }

  /** The gateways with buckets of the actor with this number. */
  of(number: number): ActivityHandover['gateways'] {
    return [...this.#gateways].flatMap(([name, { buckets }]) => {
      const theirs = new BucketSet()
      for (const bucket of buckets) if (hasBucket(number, bucket)) theirs.add(bucket)
      return theirs.size === 0 ? [] : [{ name, buckets: theirs.encode() }]
    })
  }

  async #send(name: string, gateway: ListeningGateway, update: ConversationActivity, changed: number): Promise<void> {
    if (gateway.behind > 0 && !gateway.isBeingNotified) return
    const { conversation } = update
    if (gateway.waiting.size === 0) gateway.waitingSince = changed
    gateway.waitingSince = Math.min(gateway.waitingSince, changed)
    gateway.waiting.set(conversation, mergeActivity(gateway.waiting.get(conversation), update, statesPerUpdate))
    if (gateway.next === undefined) {
      gateway.next = gateway.last.then(() => this.#sendWaiting(name, gateway))
      gateway.last = gateway.next
    }
    await gateway.next
  }

  /** Never throws: a gateway that does not answer is behind. */
  async #sendWaiting(name: string, gateway: ListeningGateway): Promise<void> {
    const update = [...gateway.waiting.values()]
    const { waitingSince } = gateway
    gateway.waiting.clear()
    gateway.next = undefined
    for (let first = 0; first < update.length && gateway.behind === 0; first += newsPerCall) {
      const { listens } = gateway
      try {
        const call = gatewayNamed(this.#env, name).activityNews(this.#tenant, update.slice(first, first + newsPerCall))
        this.#answered(name, gateway, listens, await within(callMs, 'activityNews', call))
      } catch (thrown) {
        log.warn('activity.gateway-behind', { tenant: this.#tenant, gateway: name, reason: reasonOf(thrown) })
        this.#noteBehind(name, gateway, waitingSince)
      }
    }
  }

  #answered(name: string, gateway: ListeningGateway, listens: number, { isListening, unwanted }: ActivityAnswer): void {
    if (gateway.listens !== listens || this.#gateways.get(name) !== gateway) return
    let isLess = false
    for (const bucket of unwanted) if (gateway.buckets.delete(bucket)) isLess = true
    if (!isListening || gateway.buckets.size === 0) this.#drop(name, gateway)
    else if (isLess) this.#store(name, gateway)
  }

  async #tell(name: string, gateway: ListeningGateway): Promise<void> {
    const { listens } = gateway
    const call = gatewayNamed(this.#env, name).activityMissed(this.#tenant, gateway.behind)
    const notified = within(callMs, 'activityMissed', call)
    gateway.isBeingNotified = true
    // What is new since this call began is sent after it: the gateway may have looked before.
    gateway.last = notified.then(
      (isListening) => {
        Object.assign(gateway, { behind: 0, silent: 0, isBeingNotified: false })
        if (this.#gateways.get(name) !== gateway) return
        if (!isListening && gateway.listens === listens) this.#drop(name, gateway)
        else this.#store(name, gateway)
      },
      () => void (gateway.isBeingNotified = false),
    )
    await notified
  }

  #noteBehind(name: string, gateway: ListeningGateway, since: number): void {
    if (this.#gateways.get(name) !== gateway || gateway.behind > 0) return
    gateway.behind = since
    gateway.silent = this.#clock.now()
    this.#store(name, gateway)
    this.#hasMissed()
  }

  #drop(name: string, gateway: ListeningGateway): void {
    if (this.#gateways.get(name) !== gateway) return
    this.#gateways.delete(name)
    this.#sql.exec('DELETE FROM gateways WHERE name = ?', name)
  }

  #store(name: string, { behind, silent, buckets }: ListeningGateway): void {
    this.#sql.exec(
      `INSERT INTO gateways (name, behind, silent, buckets) VALUES (?, ?, ?, ?)
       ON CONFLICT (name) DO UPDATE SET behind = excluded.behind, silent = excluded.silent, buckets = excluded.buckets`,
      name,
      behind,
      silent,
      buckets.encode(),
    )
  }

  #open(name: string, buckets: BucketSet): ListeningGateway {
    const gateway: ListeningGateway = {
      buckets,
      behind: 0,
      silent: 0,
      triedAt: 0,
      isBeingNotified: false,
      waiting: new Map(),
      waitingSince: 0,
      next: undefined,
      last: Promise.resolve(),
      listens: 0,
    }
    this.#gateways.set(name, gateway)
    return gateway
  }
}
