import type { Closing, LeaseAnswer } from './lease.ts'
import type { Source, Taken } from './ports.ts'
import { ClockReadings } from './clock-readings.ts'
import { CountersByPolicy, type Counters } from './counters.ts'

interface Lent {
  readonly id: number
  units: number
  spent: number
  spentAt: number
  readonly expiresAt: number
}

interface Waiting {
  readonly cost: number
  readonly settle: (taken: Taken) => void
  readonly fail: (thrown: unknown) => void
}

interface Held {
  readonly tally: Counters
  lease: Lent
  /** Costs not below `emptyCost` are refused until then: the limiter said so, and it is not asked again meanwhile. */
  emptyUntil: number
  emptyCost: number
  want: number
  /** When the last answer arrived. */
  heardAt: number
  /** Leases that arrived while one was in hand: they are returned with the next question. */
  readonly surplus: number[]
  readonly waiting: Waiting[]
  busy: boolean
  /** Questions under way. Only the first asks for a lease: if each did, a few at once would be lent all there is. */
  asking: number
  seen: Pick<LeaseAnswer, 'remaining' | 'limit'> & { readonly resetAt: number }
}

const nothing: Lent = { id: 0, units: 0, spent: 0, spentAt: 0, expiresAt: 0 }
const taken: Taken = { kind: 'taken' }

/** A lease that lasted less than this was too small; one that outlived `calmMs` was not needed. */
const hurriedMs = 1000
const calmMs = 5000
const maxWanted = 65_536
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
  readonly #held = new Map<string, Held>()
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
    const held = this.#held.get(key)
    if (held === undefined || held.lease.id !== id || held.lease.spent < cost) return
    held.lease.units += cost
    held.lease.spent -= cost
    held.tally.decisions--
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
      held.tally.returned += held.lease.units
      found.push({ key, closing: close(held, this.#readings, now) })
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
    const held = this.#held.get(key)
    if (held === undefined || held.seen.limit === 0) return undefined
    const { remaining, limit, resetAt } = held.seen
    const units = held.lease.expiresAt > now ? held.lease.units : 0
    return { remaining: units + remaining, limit, resetMs: Math.max(0, resetAt - now) }
  }

  #decide(key: string, held: Held, cost: number, now: number): Taken | undefined {
    const at = this.#read(now)
    const { lease } = held
    if (lease.units >= cost && lease.expiresAt > at) {
      lease.units -= cost
      lease.spent += cost
      lease.spentAt = at
      held.tally.decisions++
      return taken
    }
    if (held.emptyUntil <= at || cost < held.emptyCost || at - held.heardAt >= believedMs) return undefined
    return this.#refuse(key, held, held.emptyUntil - at)
  }

  #refuse(key: string, { tally }: Held, retryAfterMs: number): Taken {
    tally.decisions++
    tally.refusals++
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
  tallyOf(key: string): Counters {
    return this.counters.of(this.#labelOf(key))
  }

  /** Answers the waiting callers in order: from the last answer as far as it goes, then with another question. */
  async #serve(key: string, held: Held, source: Source): Promise<void> {
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
    held: Held,
    costs: readonly number[],
    { limiter, rules, clock }: Source,
  ): Promise<LeaseAnswer> {
    const known = await rules()
    const sentAt = clock()
    const want = held.asking > 0 ? 0 : (held.want = wanted(held, costs.length, sentAt))
    held.tally.asks++
    held.asking++
    try {
      this.#read(sentAt)
      const closing = close(held, this.#readings, sentAt)
      const answer = await limiter.lease({ rules: known, costs, want, closing })
      if (want > 0) held.want = Math.min(want, answer.lease?.units ?? 0)
      this.#learn(key, held, answer, costs, sentAt, clock())
      return answer
    } finally {
      held.asking--
    }
  }

  #learn(key: string, held: Held, answer: LeaseAnswer, costs: readonly number[], sentAt: number, now: number): void {
    const { allowed, lease, retryAfterMs, remaining, limit, resetMs } = answer
    held.seen = { remaining, limit, resetAt: now + resetMs }
    held.emptyUntil = allowed < costs.length ? now + retryAfterMs : 0
    held.emptyCost = costs[allowed] ?? 0
    held.heardAt = now
    if (lease === undefined) return
    if (held.lease.id !== 0) return void held.surplus.push(lease.id)
    held.lease = { id: lease.id, units: lease.units, spent: 0, spentAt: now, expiresAt: sentAt + lease.forMs }
    this.#lent.add(key)
    held.tally.lent += lease.units
  }

  #verdict(key: string, held: Held, { allowed, at, retryAfterMs }: LeaseAnswer, place: number): Taken {
    if (place >= allowed) return this.#refuse(key, held, retryAfterMs)
    held.tally.decisions++
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
    for (const held of this.#held.values()) Object.assign(held, { lease: { ...nothing }, emptyUntil: 0 })
    this.#lent.clear()
    this.#readings.restart(now)
    return now
  }

  #hold(key: string): Held {
    const known = this.#held.get(key)
    if (known !== undefined) return known
    const oldest = this.#held.size < this.#keys ? undefined : this.#held.keys().next().value
    if (oldest !== undefined) this.#held.delete(oldest)
    const held: Held = {
      tally: this.tallyOf(key),
      lease: { ...nothing },
      emptyUntil: 0,
      emptyCost: 0,
      want: 0,
      heardAt: 0,
      surplus: [],
      waiting: [],
      busy: false,
      asking: 0,
      seen: { remaining: 0, limit: 0, resetAt: 0 },
    }
    this.#held.set(key, held)
    return held
  }
}

/** Ends the lease in hand and reports what became of it. */
function close(held: Held, readings: ClockReadings, now: number): Closing[] {
  const { id, spent, spentAt, expiresAt } = held.lease
  held.lease = { ...nothing }
  const unused = held.surplus.splice(0).map((lease) => ({ lease, spent: 0, idleMs: 0 }))
  if (id === 0 || expiresAt <= now) return unused
  return [...unused, { lease: id, spent, idleMs: spent === 0 ? 0 : now - readings.endOf(spentAt) }]
}

/** Four times as many as before while leases are used up fast, none for a quiet key. */
function wanted({ want, heardAt }: Held, together: number, now: number): number {
  if (now - heardAt >= calmMs) return 0
  return now - heardAt < hurriedMs ? Math.min(maxWanted, Math.max(together, 4 * want, 1)) : want
}
