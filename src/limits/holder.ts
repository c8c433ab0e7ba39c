import { CountersByPolicy, type Counters } from './counters.ts'
import { HeldLease } from './held-lease.ts'
import type { Closing, LeaseAnswer } from './lease.ts'
import type { Source, Taken } from './ports.ts'

const taken: Taken = { kind: 'taken' }

/**
 * A refusal is repeated for this long without another question: the limit may be reset, refunded or changed meanwhile.
 */
const believedMs = 1000
const maxTogether = 256
/**
 * A clock that jumps back further than this says nothing about how long leases have lasted; a smaller jump lies within
 * the limiter's guard.
 */
const jitterMs = 250

/**
 * Decides for many keys from what their limiters lent: arithmetic while a lease lasts, else one call. A holder may die
 * at any moment; what it was lent is then lost until the lease ends, and never doubled.
 */
export class LeaseHolder {
  readonly #held = new Map<string, HeldLease>()
  /** Keys that may have units to return. */
  readonly #lent = new Set<string>()
  readonly #keys: number
  readonly #readings = new ClockReadings()
  #sweptAt = 0
  readonly counters = new CountersByPolicy()
  readonly #labelOf: (key: string) => string

  /**
   * `labelOf` names the label under which a key's figures are counted. `keys` bounds the memory: the oldest entries are
   * dropped first, and what they were lent is lost.
   */
  constructor(labelOf: (key: string) => string, keys = 10_000) {
    this.#labelOf = labelOf
    this.#keys = keys
  }

  /** Takes `cost` units of `key` without waiting; undefined when the limiter has to be asked first. */
  takeNow(key: string, now: number, cost = 1): Taken | undefined {
    const held = this.#held.get(key)
    if (held === undefined || held.busy) return undefined
    return this.#decide(key, held, cost, now)
  }

  /** Undoes a decision that lease `id` allowed, if that lease is still in hand; else the units stay spent. */
  putBack(key: string, cost: number, id: number): void {
    this.#held.get(key)?.putBack(cost, id)
  }

  /**
   * Takes `cost` units of `key`, asking the limiter when the lease does not suffice. Callers of a key share a question
   * and are answered in their order. Throws when the limiter cannot be reached.
   */
  take(key: string, source: Source, cost = 1): Promise<Taken> {
    const held = this.#hold(key)
    return new Promise((settle, fail) => {
      held.waiting.push({ cost, settle, fail })
      if (!held.busy) void this.#serve(key, held, source)
    })
  }

  /**
   * The same for a caller that must not wait for another's question: in a Worker no request may wait for another's I/O.
   */
  async takeAlone(key: string, source: Source, cost = 1): Promise<Taken> {
    const held = this.#hold(key)
    const now = source.clock()
    const known = this.takeNow(key, now, cost)
    if (known !== undefined) return known
    const answer = await this.#ask(key, held, [cost], source)
    return this.#verdict(key, held, answer, 0)
  }

  /**
   * Closes and returns the leases from which nothing was spent for `idleMs`: their units should go back to their
   * limiters.
   */
  idle(now: number, idleMs = 1000): { readonly key: string; readonly closing: Closing[] }[] {
    if (now - this.#sweptAt < idleMs) return []
    this.#sweptAt = now
    this.#read(now)
    const found: { readonly key: string; readonly closing: Closing[] }[] = []
    for (const key of this.#lent) {
      const held = this.#held.get(key)
      if (held !== undefined && held.lease.spentAt + idleMs > now) continue
      this.#lent.delete(key)
      if (held === undefined || held.lease.expiresAt <= now) continue
      held.counters.returned += held.lease.units
      found.push({ key, closing: held.close(now, (at) => this.#readings.endOf(at)) })
    }
    return found
  }

  /**
   * Milliseconds for which this key is refused here without a question, 0 when it is not. Nothing is decided or
   * counted.
   */
  refusedFor(key: string, now: number): number {
    const held = this.#held.get(key)
    return held === undefined ? 0 : Math.max(0, held.emptyUntil - now)
  }

  /**
   * What is known of a key here: units in hand and, as of the last answer, still to be had; undefined when nothing is
   * known.
   */
  state(
    key: string,
    now: number,
  ): { readonly remaining: number; readonly limit: number; readonly resetMs: number } | undefined {
    return this.#held.get(key)?.state(now)
  }

  #decide(key: string, held: HeldLease, cost: number, now: number): Taken | undefined {
    const at = this.#read(now)
    const { lease } = held
    if (lease.units >= cost && lease.expiresAt > at) {
      lease.units -= cost
      lease.spent += cost
      lease.spentAt = at
      held.counters.decisions++
      return taken
    }
    if (held.emptyUntil <= at || cost < held.emptyCost || at - held.answeredAt >= believedMs) return undefined
    return this.#refuse(key, held, held.emptyUntil - at)
  }

  #refuse(key: string, { counters }: HeldLease, retryAfterMs: number): Taken {
    counters.decisions++
    counters.refusals++
    this.counters.top.add(key)
    return { kind: 'limited', retryAfterMs }
  }

  /** Forgets a key; a lease in hand is lost. */
  forget(key: string): void {
    this.#held.delete(key)
  }

  /** The lease in hand for `key`, 0 for none. */
  leaseOf(key: string): number {
    return this.#held.get(key)?.lease.id ?? 0
  }

  /** The figures that `key` is counted in. */
  countersOf(key: string): Counters {
    return this.counters.of(this.#labelOf(key))
  }

  /** Answers the waiting callers in order: from the last answer as far as it goes, then with another question. */
  async #serve(key: string, held: HeldLease, source: Source): Promise<void> {
    held.busy = true
    for (let first = held.waiting[0]; first !== undefined; first = held.waiting[0]) {
      const known = this.#decide(key, held, first.cost, source.clock())
      if (known !== undefined) {
        held.waiting.shift()
        first.settle(known)
        continue
      }
      const batch = held.waiting.splice(0, maxTogether)
      try {
        const answer = await this.#ask(
          key,
          held,
          batch.map(({ cost }) => cost),
          source,
        )
        batch.forEach(({ settle }, place) => settle(this.#verdict(key, held, answer, place)))
      } catch (thrown) {
        for (const { fail } of batch) fail(thrown)
      }
    }
    held.busy = false
  }

  async #ask(
    key: string,
    held: HeldLease,
    costs: readonly number[],
    { limiter, rules, clock }: Source,
  ): Promise<LeaseAnswer> {
    const known = await rules()
    const sentAt = clock()
    const want = held.asking > 0 ? 0 : (held.want = held.wanted(costs.length, sentAt))
    held.counters.asks++
    held.asking++
    try {
      this.#read(sentAt)
      const closing = held.close(sentAt, (at) => this.#readings.endOf(at))
      const answer = await limiter.lease({ rules: known, costs, want, closing })
      if (want > 0) held.want = Math.min(want, answer.lease?.units ?? 0)
      if (held.learn(answer, costs, sentAt, clock())) this.#lent.add(key)
      return answer
    } finally {
      held.asking--
    }
  }

  #verdict(key: string, held: HeldLease, { allowed, at, retryAfterMs }: LeaseAnswer, place: number): Taken {
    if (place >= allowed) return this.#refuse(key, held, retryAfterMs)
    held.counters.decisions++
    return { kind: 'taken', at }
  }

  #read(now: number): number {
    const { latest } = this.#readings
    if (now > latest) this.#readings.note(now)
    return now >= latest ? now : this.#afterJump(now)
  }

  #afterJump(now: number): number {
    const { latest } = this.#readings
    if (latest - now <= jitterMs) return latest
    for (const held of this.#held.values()) held.reset()
    this.#lent.clear()
    this.#readings.restart(now)
    return now
  }

  #hold(key: string): HeldLease {
    const known = this.#held.get(key)
    if (known !== undefined) return known
    const oldest = this.#held.size < this.#keys ? undefined : this.#held.keys().next().value
    if (oldest !== undefined) this.#held.delete(oldest)
    const held = new HeldLease(this.countersOf(key))
    this.#held.set(key, held)
    return held
  }
}

/** Readings kept apart. More than a busy holder has events within one lease would gain nothing. */
const readingsKept = 256

/**
 * The readings of a clock that stands still within an event. An event under one reading had ended when the next reading
 * was taken: the only certain bound on when it really happened, however long it lasted.
 */
class ClockReadings {
  readonly #shown = new Float64Array(readingsKept).fill(Number.POSITIVE_INFINITY)
  #count = 0
  #latest = Number.NEGATIVE_INFINITY

  get latest(): number {
    return this.#latest
  }

  /** The clock shows a later time than before. */
  note(now: number): void {
    this.#latest = now
    this.#shown[this.#count++ % readingsKept] = now
  }

  /** The clock was set back: earlier readings can no longer be compared. */
  restart(now: number): void {
    this.#shown.fill(Number.POSITIVE_INFINITY)
    this.#count = 0
    this.note(now)
  }

  /** The moment by which everything under the reading `at` had certainly ended, at the latest now. */
  endOf(at: number): number {
    let end = this.#latest
    for (let back = 1; back <= Math.min(readingsKept, this.#count); back++) {
      const shown = this.#shown[(this.#count - back) % readingsKept] ?? at
      if (shown <= at) return end
      end = shown
    }
    return end
  }
}
