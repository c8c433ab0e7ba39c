import { log, reasonOf } from '../../src/kernel/log.ts'
import { backoffMs } from '../../src/kernel/retry.ts'
import type { AppendEvents, NewEvent } from '../../src/events/log-event.ts'

/** After the first change of a burst the others are waited for, in milliseconds. */
const gatherMs = 1000
const maxAgainMs = 60_000
/** A run that breaks off is begun again by the alarm after this time. */
const resumeMs = 30_000
/** Changes that wait, beyond which further ones are dropped: the topic has not answered for long. */
const maxWaiting = 20_000
/** Entries of one batch, and batches of one run; what is left goes with the next. */
const entriesPerBatch = 100
const batchesPerRun = 20

const prefix = 'own-event/'
const stateKey = 'own-events'
/** Keys are listed in the order of their texts. */
const keyOf = (n: number): string => prefix + String(n).padStart(15, '0')

/** An entry of an outbox, as it was noted. */
export interface OutboxEntry<C> {
  readonly n: number
  readonly change: C
}

/** What is stored beside the entries. */
interface OutboxState {
  readonly isOn: boolean
  /** The last entry that was ever put into a batch: those up to it that are still there have to be appended as they were. */
  readonly batchUpTo: number
}

const stateBefore: OutboxState = { isOn: false, batchUpTo: 0 }

/** The key–value storage of an actor, as far as an outbox needs it. */
export interface OutboxStorage {
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- as the platform declares it
  get<T>(key: string): T | undefined
  put(key: string, value: unknown): void
  delete(key: string): boolean
  list<T>(options: {
    readonly prefix: string
    readonly limit?: number
    readonly reverse?: boolean
  }): Iterable<[string, T]>
}

export interface OutboxPort<C> {
  readonly tenant: string
  readonly kv: OutboxStorage
  readonly append: AppendEvents
  /** The events of a batch. The same entries give the same events, with the same ids. */
  readonly eventsOf: (entries: readonly OutboxEntry<C>[]) => readonly NewEvent[]
  /** Asks for a call of `run` at this time. */
  readonly wakeAt: (at: number) => void
}

/**
 * Own events of an actor that the topic of its tenant does not have yet. Changes are noted in the commit that makes them, and appended
 * in batches by the alarm of the actor. While it is off nothing is noted, written or looked at. See docs/design/webhooks.md.
 */
export class EventOutbox<C> {
  readonly #port: OutboxPort<C>
  /** A field, so that it costs a change nothing to look at it. */
  isOn: boolean
  /** When `run` has to be called; Infinity while nothing waits. */
  dueAt = Infinity
  #last: number
  #batchUpTo: number
  #failures = 0
  #isRunning = false

  constructor(port: OutboxPort<C>, now: number) {
    this.#port = port
    const { isOn, batchUpTo } = port.kv.get<OutboxState>(stateKey) ?? stateBefore
    this.isOn = isOn
    this.#last = batchUpTo
    this.#batchUpTo = batchUpTo
    if (batchUpTo === 0 && !isOn) return
    for (const { n } of this.#entries({ limit: 1, reverse: true })) {
      this.#last = Math.max(n, batchUpTo)
      this.#wakeAt(now)
    }
  }

  /**
   * Changes entries that wait; undefined drops one. Returns how many changed. Throws when one of a batch under way would: it can be in the
   * topic already, where it is changed once the batch has ended.
   */
  rewrite(change: (entry: C) => C | undefined): number {
    if (this.dueAt === Infinity && !this.#isRunning) return 0
    let changed = 0
    for (const entry of this.#entries()) {
      const rewritten = change(entry.change)
      if (rewritten === entry.change) continue
      if (entry.n <= this.#batchUpTo) throw new Error('its events are being published')
      changed++
      if (rewritten === undefined) this.#port.kv.delete(keyOf(entry.n))
      else this.#port.kv.put(keyOf(entry.n), rewritten)
    }
    return changed
  }

  /** Changes are noted from now on, or no more; then those that wait are dropped, since no reader is left. */
  setOn(isOn: boolean): void {
    if (isOn === this.isOn) return
    this.isOn = isOn
    if (!isOn) for (const { n } of this.#entries()) this.#port.kv.delete(keyOf(n))
    this.#put(isOn ? this.#batchUpTo : this.#last)
  }

  /** Notes a change, in the commit that makes it. */
  note(change: C, now: number): void {
    if (!this.isOn) return
    if (this.#last - this.#batchUpTo >= maxWaiting) {
      log.error('events.dropped', { tenant: this.#port.tenant })
      return
    }
    this.#port.kv.put(keyOf(++this.#last), change)
    this.#wakeAt(now + gatherMs)
  }

  /** Asks for the call of `run` once more: the alarm that was set for it has rung. While a run is under way it does not ring at once. */
  wakeAgain(now: number): void {
    if (this.dueAt === Infinity) return
    this.#port.wakeAt(this.#isRunning ? Math.max(this.dueAt, now + gatherMs) : this.dueAt)
  }

  /** Appends what waits. Never rejects. */
  async run(now: () => number): Promise<void> {
    if (this.#isRunning || this.dueAt === Infinity) return
    this.#isRunning = true
    // In case the actor ends meanwhile.
    this.dueAt = now() + resumeMs
    this.#port.wakeAt(this.dueAt)
    try {
      let batches = 0
      while (batches < batchesPerRun && (await this.#appendBatch())) batches++
      this.dueAt = Infinity
      this.#failures = 0
      if (this.#entries({ limit: 1 }).length > 0) this.#wakeAt(now())
    } catch (thrown) {
      this.#failures++
      this.dueAt = Infinity
      this.#wakeAt(now() + backoffMs(this.#failures, gatherMs, maxAgainMs, Math.random()))
      log.warn('events.not-published', { tenant: this.#port.tenant, reason: reasonOf(thrown) })
    } finally {
      this.#isRunning = false
    }
  }

  /** Appends a batch, first the one that was interrupted. False when there was none. */
  async #appendBatch(): Promise<boolean> {
    const { tenant, kv, append, eventsOf } = this.#port
    const entries = this.#entries({ limit: entriesPerBatch })
    const last = entries.at(-1)?.n
    if (last === undefined) return false
    const interrupted = entries.filter(({ n }) => n <= this.#batchUpTo)
    const batch = interrupted.length > 0 ? interrupted : entries
    if (interrupted.length === 0) this.#put(last)
    await append(tenant, eventsOf(batch))
    for (const { n } of batch) kv.delete(keyOf(n))
    return true
  }

  #wakeAt(at: number): void {
    if (at >= this.dueAt) return
    this.dueAt = at
    this.#port.wakeAt(at)
  }

  /** The entries, the oldest first. */
  #entries(options: { readonly limit?: number; readonly reverse?: boolean } = {}): OutboxEntry<C>[] {
    const listed = this.#port.kv.list<C>({ prefix, ...options })
    return Array.from(listed, ([key, change]) => ({ n: Number(key.slice(prefix.length)), change }))
  }

  #put(batchUpTo: number): void {
    this.#batchUpTo = batchUpTo
    const state: OutboxState = { isOn: this.isOn, batchUpTo }
    this.#port.kv.put(stateKey, state)
  }
}
