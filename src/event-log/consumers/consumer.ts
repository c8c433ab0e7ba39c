import type { LogEvent } from '../../events/log-event.ts'
import { backoffMs } from '../../kernel/retry.ts'
import { matcherOf, type EventFilter, type Match } from './filter.ts'
import type { ProgressState } from './progress.ts'
import { isSettled, startAfter, withFirst, withSettled, type Position } from './position.ts'

/** What a consumer is told to do. */
export interface ConsumerRules extends EventFilter {
  /** Keys handed out at once. */
  readonly parallel: number
  readonly maxAttempts: number
  /** Whether events of a key are handed out one after the other; true without it. */
  readonly ordered?: boolean
}

/** An event that failed, or that waits behind one of its key that did. Its text is in the store. */
export interface Retry {
  readonly offset: number
  readonly key: string | null
  readonly attempts: number
  /** In milliseconds since the epoch. */
  readonly notBefore: number
}

/** Events of a puller that are to be settled until a time. */
export interface Lease {
  readonly id: string
  readonly until: number
  readonly offsets: readonly number[]
}

/** What is stored of a consumer. All that happens in one turn is stored together or not at all. */
export interface ConsumerStore {
  position: Position
  readonly retries: {
    all(): readonly Retry[]
    event(offset: number): LogEvent | undefined
    put(retry: Retry, event: LogEvent, reason: string): void
    /** Without `reason` the one of before stays. */
    change(retry: Retry, reason?: string): void
    remove(offset: number): void
    clear(): void
  }
  readonly dead: {
    readonly size: number
    add(event: LogEvent, attempts: number, reason: string, now: number): void
    /** Why the event with this offset is a dead letter; undefined when it is none. */
    reasonOf(offset: number): string | undefined
    /** Removes one dead letter, if it is there. */
    remove(offset: number): void
    /** Removes dead letters, the oldest first, and returns their events. */
    take(limit: number): readonly LogEvent[]
  }
  readonly leases: {
    all(): readonly Lease[]
    put(lease: Lease): void
    remove(id: string): void
    clear(): void
  }
}

/** An event that is handed out. */
export interface Delivery {
  readonly event: LogEvent
  /** 1 for the first attempt. */
  readonly attempt: number
  readonly generation: number
}

/**
 * How an attempt ended. `released` does not count as an attempt: the event was not tried. One with `isKept` is tried again, however often it
 * was tried.
 */
export type DeliveryOutcome =
  | { readonly kind: 'done' }
  | {
      readonly kind: 'retry'
      readonly reason: string
      readonly delayMs?: number | undefined
      readonly isKept?: boolean
    }
  | { readonly kind: 'dead'; readonly reason: string }
  | { readonly kind: 'released' }

/** Events that are read ahead of the position, at most. */
export const maxWindow = 1000
/** Bytes of events read ahead, about. */
const maxWindowBytes = 8_000_000
/** Rows of retries, beyond which no further events are read. */
export const maxRetries = 10_000
/** Dead letters, beyond which nothing is handed out. */
export const maxDead = 10_000
const retryCapMs = 3_600_000

/**
 * Hands out the events of a topic in order for each key, and remembers which of them are settled. It knows no network and no clock;
 * the events that were read ahead are in memory only, and are read again after a loss of memory.
 */
export class Consumer {
  readonly #store: ConsumerStore
  readonly #random: () => number
  #rules: ConsumerRules
  #matches: (event: LogEvent) => Match
  #position: Position
  /** Events read ahead that are neither settled nor retried, in order of their offsets. */
  readonly #window = new Map<number, LogEvent>()
  #windowBytes = 0
  readonly #retries = new Map<number, Retry>()
  /** Offsets of the retries of each lane, ascending. */
  readonly #lanes = new Map<string, number[]>()
  /** The first of each lane, in order of offsets; undefined after a change. */
  #first: readonly Retry[] | undefined
  /** Offsets that are handed out. */
  readonly #out = new Set<number>()
  /** The lease of each offset that a puller has. */
  readonly #leaseOf = new Map<number, Lease>()
  #readTo: number

  constructor(store: ConsumerStore, rules: ConsumerRules, random: () => number) {
    this.#store = store
    this.#random = random
    this.#rules = rules
    this.#matches = matcherOf(rules)
    this.#position = store.position
    this.#readTo = this.#position.settled
    for (const retry of store.retries.all()) this.#noteRetry(retry)
    for (const lease of store.leases.all()) this.#noteLease(lease)
  }

  get position(): Position {
    return this.#position
  }

  get readTo(): number {
    return this.#readTo
  }

  get figures(): { readonly retrying: number; readonly out: number; readonly dead: number } {
    return { retrying: this.#retries.size, out: this.#out.size, dead: this.#store.dead.size }
  }

  /** Whether nothing is handed out until dead letters are redriven or deleted. */
  get isFull(): boolean {
    return this.#store.dead.size >= maxDead
  }

  set rules(rules: ConsumerRules) {
    const isOtherOrder = (rules.ordered === false) !== (this.#rules.ordered === false)
    this.#rules = rules
    this.#matches = matcherOf(rules)
    if (!isOtherOrder) return
    const retries = [...this.#retries.values()]
    for (const held of [this.#retries, this.#lanes]) held.clear()
    for (const retry of retries) this.#noteRetry(retry)
  }

  /** What became of an event of the topic. Without `event` its filter is not asked: it is not known, or needs no data. */
  progressOf(offset: number, event: LogEvent | undefined): { readonly state: ProgressState; readonly reason?: string } {
    const reason = this.#store.dead.reasonOf(offset)
    if (reason !== undefined) return { state: 'dead', reason }
    if (this.#out.has(offset)) return { state: 'handed-out' }
    if (this.#retries.has(offset)) return { state: 'retrying' }
    if (event !== undefined && this.#matches(event) === false) return { state: 'filtered' }
    if (!isSettled(this.#position, offset)) return { state: 'pending' }
    return { state: event === undefined ? 'passed' : 'acknowledged' }
  }

  /** How many events may be read ahead now, after `readTo`. */
  freeSlots(): number {
    if (this.#retries.size >= maxRetries || this.#windowBytes >= maxWindowBytes || this.isFull) return 0
    return Math.max(0, maxWindow - this.#window.size)
  }

  /** Takes events in that were read after `readTo`; `first` is the oldest that the topic has. */
  take(events: readonly LogEvent[], first: number, now: number): void {
    this.#position = withFirst(this.#position, Math.min(first, events[0]?.offset ?? first))
    for (const event of events) {
      this.#readTo = Math.max(this.#readTo, event.offset)
      if (isSettled(this.#position, event.offset) || this.#window.has(event.offset)) continue
      const match = this.#matches(event)
      if (match === false) this.#settle(event.offset)
      else if (match !== true) this.#die(event, 0, match.failure, now)
      else if (this.#isBlocked(event)) this.#park(event)
      else this.#hold(event)
    }
    this.#readTo = Math.max(this.#readTo, this.#position.settled)
    this.#save()
  }

  /** Offsets of events that were read ahead, and of which `is` is true. */
  heldWhere(is: (event: LogEvent) => boolean): number[] {
    return [...this.#window.values()].filter(is).map(({ offset }) => offset)
  }

  /** Takes events that were rewritten in their log in place of those that were read ahead. */
  replace(events: readonly LogEvent[]): void {
    for (const event of events) if (this.#window.has(event.offset)) this.#window.set(event.offset, event)
  }

  /** Drops events that their log no longer has. */
  forget(offsets: readonly number[]): void {
    for (const offset of offsets) {
      this.#store.dead.remove(offset)
      if (this.#retries.has(offset) || this.#window.has(offset)) this.#drop(offset)
    }
    this.#save()
  }

  /** Hands out up to `max` events whose keys are free and whose time has come. */
  handOut(now: number, max: number): Delivery[] {
    if (this.isFull) return []
    const { generation } = this.#position
    const busy = new Set([...this.#out].map((offset) => this.#keyAt(offset)))
    const free = () => Math.min(max, this.#rules.parallel - busy.size) > 0
    const deliveries: Delivery[] = []
    const add = (event: LogEvent, attempt: number) => {
      busy.add(this.#laneOf(event))
      this.#out.add(event.offset)
      deliveries.push({ event, attempt, generation })
    }
    for (const { offset, key, attempts, notBefore } of this.#firstRetries()) {
      if (deliveries.length >= max || !free()) break
      if (notBefore > now || busy.has(this.#laneOf({ offset, key }))) continue
      const event = this.#store.retries.event(offset)
      if (event !== undefined) add(event, attempts + 1)
    }
    for (const event of this.#window.values()) {
      if (deliveries.length >= max || !free()) break
      if (!busy.has(this.#laneOf(event)) && !this.#isBlocked(event)) add(event, 1)
    }
    return deliveries
  }

  /** Settles deliveries; ones of before a seek change nothing. */
  settle(ended: readonly { readonly delivery: Delivery; readonly outcome: DeliveryOutcome }[], now: number): void {
    for (const { delivery, outcome } of ended) {
      const { event, attempt, generation } = delivery
      if (generation !== this.#position.generation || !this.#out.delete(event.offset)) continue
      this.#end(event, attempt, outcome, now)
    }
    this.#save()
  }

  /** Hands out events for a puller, which are to be acknowledged until `until`. Undefined when there are none. */
  lease(
    now: number,
    max: number,
    until: number,
    id: string,
  ): { readonly lease: Lease; readonly deliveries: readonly Delivery[] } | undefined {
    this.expireLeases(now)
    const deliveries = this.handOut(now, max)
    if (deliveries.length === 0) return undefined
    const lease = { id, until, offsets: deliveries.map(({ event }) => event.offset) }
    this.#noteLease(lease)
    this.#store.leases.put(lease)
    return { lease, deliveries }
  }

  /** Settles one event of a lease. False when the lease no longer has it: it is over, was settled, or is of before a seek. */
  acknowledge(leaseId: string, offset: number, outcome: DeliveryOutcome, now: number): boolean {
    this.expireLeases(now)
    const lease = this.#leaseOf.get(offset)
    if (lease?.id !== leaseId || !this.#out.has(offset)) return false
    const event = this.#eventAt(offset)
    // Read again first after a loss of memory.
    if (event === undefined) return false
    this.#dropFromLease(lease, offset)
    this.#out.delete(offset)
    this.#end(event, (this.#retries.get(offset)?.attempts ?? 0) + 1, outcome, now)
    this.#save()
    return true
  }

  /** Hands events of leases that are over out again; the attempt counts. */
  expireLeases(now: number): void {
    for (const lease of new Set(this.#leaseOf.values())) {
      if (lease.until > now) continue
      for (const offset of lease.offsets) {
        const event = this.#eventAt(offset)
        if (event === undefined) this.#out.delete(offset)
        else if (this.#out.delete(offset))
          this.#end(
            event,
            (this.#retries.get(offset)?.attempts ?? 0) + 1,
            { kind: 'retry', reason: 'the lease is over', delayMs: 0 },
            now,
          )
        this.#leaseOf.delete(offset)
      }
      this.#store.leases.remove(lease.id)
    }
    this.#save()
  }

  /** When the next event that waits may be handed out or a lease is over; undefined when nothing waits. */
  nextDue(): number | undefined {
    const times = [
      ...this.#firstRetries()
        .filter(({ offset }) => !this.#out.has(offset))
        .map(({ notBefore }) => notBefore),
      ...[...this.#leaseOf.values()].map(({ until }) => until),
    ]
    return times.length === 0 ? undefined : Math.min(...times)
  }

  /** Continues behind `offset`, with a new generation. Dead letters stay. */
  seek(offset: number): void {
    this.#store.retries.clear()
    this.#store.leases.clear()
    for (const held of [this.#window, this.#retries, this.#lanes, this.#out, this.#leaseOf]) held.clear()
    this.#first = undefined
    this.#windowBytes = 0
    this.#position = startAfter(offset, this.#position.generation + 1)
    this.#readTo = offset
    this.#save()
  }

  /** Hands dead letters out again, the oldest first; returns how many. */
  redrive(limit: number, now: number): number {
    const events = this.#store.dead.take(limit)
    for (const event of events) {
      this.#putRetry({ offset: event.offset, key: event.key, attempts: 0, notBefore: now }, event, '')
      this.#parkBehind(event)
    }
    this.#save()
    return events.length
  }

  /** Hands events out again that are settled, or that wait: with attempts from the first. Those of a key keep their order. */
  handOutAgain(events: readonly LogEvent[], now: number): void {
    for (const event of events) {
      const { offset, key } = event
      if (this.#out.has(offset) || this.#window.has(offset)) continue
      if (this.#retries.has(offset)) this.#bringForward(offset, now)
      else {
        this.#store.dead.remove(offset)
        this.#putRetry({ offset, key, attempts: 0, notBefore: now }, event, '')
        this.#parkBehind(event)
      }
    }
    this.#save()
  }

  /** Tries everything that waits for its next attempt now. */
  retrySoon(now: number): void {
    for (const { offset } of this.#firstRetries()) if (!this.#out.has(offset)) this.#bringForward(offset, now)
  }

  #bringForward(offset: number, now: number): void {
    const retry = this.#retries.get(offset)
    if (retry === undefined || retry.notBefore <= now) return
    const sooner = { ...retry, notBefore: now }
    this.#noteRetry(sooner)
    this.#store.retries.change(sooner)
  }

  #end(event: LogEvent, attempt: number, outcome: DeliveryOutcome, now: number): void {
    switch (outcome.kind) {
      case 'done':
        return this.#drop(event.offset)
      case 'released':
        return
      case 'dead':
        this.#drop(event.offset)
        return this.#die(event, attempt, outcome.reason, now)
      case 'retry': {
        if (attempt >= this.#rules.maxAttempts && outcome.isKept !== true) {
          this.#drop(event.offset)
          return this.#die(event, attempt, outcome.reason, now)
        }
        const delayMs = outcome.delayMs ?? backoffMs(attempt, 1000, retryCapMs, this.#random())
        return this.#retry(event, attempt, now + delayMs, outcome.reason)
      }
    }
  }

  #retry(event: LogEvent, attempts: number, notBefore: number, reason: string): void {
    const retry = { offset: event.offset, key: event.key, attempts, notBefore }
    if (this.#retries.has(event.offset)) {
      this.#noteRetry(retry)
      this.#store.retries.change(retry, reason)
      return
    }
    this.#putRetry(retry, event, reason)
    this.#forgetHeld(event.offset)
    this.#settle(event.offset)
    this.#parkBehind(event)
  }

  /** The events of the key of a retry wait as rows too: the window goes on without them, and they keep their order. */
  #parkBehind({ key }: LogEvent): void {
    if (key === null || this.#rules.ordered === false) return
    for (const other of this.#window.values()) {
      if (other.key !== key || this.#out.has(other.offset)) continue
      this.#forgetHeld(other.offset)
      this.#park(other)
    }
  }

  #park(event: LogEvent): void {
    this.#putRetry({ offset: event.offset, key: event.key, attempts: 0, notBefore: 0 }, event, '')
    this.#settle(event.offset)
  }

  #putRetry(retry: Retry, event: LogEvent, reason: string): void {
    this.#noteRetry(retry)
    this.#store.retries.put(retry, event, reason)
  }

  #die(event: LogEvent, attempts: number, reason: string, now: number): void {
    this.#store.dead.add(event, attempts, reason, now)
    this.#settle(event.offset)
  }

  #drop(offset: number): void {
    const retry = this.#retries.get(offset)
    if (retry !== undefined) this.#forgetRetry(retry)
    this.#forgetHeld(offset)
    this.#settle(offset)
  }

  #hold(event: LogEvent): void {
    this.#window.set(event.offset, event)
    this.#windowBytes += event.data?.length ?? 0
  }

  #forgetHeld(offset: number): void {
    const event = this.#window.get(offset)
    if (event === undefined) return
    this.#window.delete(offset)
    this.#windowBytes -= event.data?.length ?? 0
  }

  #settle(offset: number): void {
    this.#position = withSettled(this.#position, offset)
  }

  #save(): void {
    if (this.#store.position !== this.#position) this.#store.position = this.#position
  }

  #eventAt(offset: number): LogEvent | undefined {
    return this.#window.get(offset) ?? (this.#retries.has(offset) ? this.#store.retries.event(offset) : undefined)
  }

  #keyAt(offset: number): string {
    return this.#laneOf({ offset, key: (this.#window.get(offset) ?? this.#retries.get(offset))?.key ?? null })
  }

  #isBlocked(event: LogEvent): boolean {
    return event.key !== null && this.#rules.ordered !== false && this.#lanes.has(this.#laneOf(event))
  }

  #noteRetry(retry: Retry): void {
    if (!this.#retries.has(retry.offset)) {
      const lane = this.#lanes.get(this.#laneOf(retry)) ?? []
      // Nearly always behind all others; a dead letter that is handed out again may belong before them.
      const place = lane.findLastIndex((offset) => offset < retry.offset) + 1
      lane.splice(place, 0, retry.offset)
      this.#lanes.set(this.#laneOf(retry), lane)
    }
    this.#retries.set(retry.offset, retry)
    this.#first = undefined
  }

  #forgetRetry(retry: Retry): void {
    this.#retries.delete(retry.offset)
    this.#store.retries.remove(retry.offset)
    const lane = this.#lanes.get(this.#laneOf(retry)) ?? []
    const place = lane.indexOf(retry.offset)
    if (place >= 0) lane.splice(place, 1)
    if (lane.length === 0) this.#lanes.delete(this.#laneOf(retry))
    this.#first = undefined
  }

  /** The oldest retry of each key, and those without a key, in order of their offsets. */
  #firstRetries(): readonly Retry[] {
    this.#first ??= [...this.#lanes.values()]
      .map(([offset]) => (offset === undefined ? undefined : this.#retries.get(offset)))
      .filter((retry) => retry !== undefined)
      .toSorted((one, other) => one.offset - other.offset)
    return this.#first
  }

  #noteLease(lease: Lease): void {
    for (const offset of lease.offsets) {
      this.#leaseOf.set(offset, lease)
      this.#out.add(offset)
    }
  }

  #dropFromLease(lease: Lease, offset: number): void {
    const rest = { ...lease, offsets: lease.offsets.filter((other) => other !== offset) }
    this.#leaseOf.delete(offset)
    for (const other of rest.offsets) this.#leaseOf.set(other, rest)
    if (rest.offsets.length === 0) this.#store.leases.remove(lease.id)
    else this.#store.leases.put(rest)
  }

  /** What keeps its order: the events of a key; each event by itself without a key, or where no order is asked for. */
  #laneOf({ key, offset }: { readonly key: string | null; readonly offset: number }): string {
    return key === null || this.#rules.ordered === false ? `#${offset}` : `=${key}`
  }
}
