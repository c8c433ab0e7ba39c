import { LeaseHolder } from '../../src/limits/holder.ts'
import type { Limiter, Source, Taken } from '../../src/limits/ports.ts'
import { LimiterStore } from '../../durable-objects/rate-limiter/limiter-store.ts'
import { KeyedAccounts } from '../../durable-objects/rate-limiter/keyed-accounts.ts'
import type { KeyValues } from '../../src/kernel/key-value.ts'
import type { Closing, LeaseAnswer, LeaseAsk } from '../../src/limits/lease.ts'
import type { LeaseAccount } from '../../src/limits/lease-account.ts'
import type { Rules } from '../../src/limits/rules.ts'

/** One caller: its holder is another after each death, its clock differs from all others. */
interface Asker {
  holder: LeaseHolder
  /** What its clock shows while it stands still, within one long event. */
  stillAt: number | undefined
  readonly clock: () => number
}

/** A limiter and many holders on a virtual clock, with a network between them that takes its time. */
export class World {
  /** True time in milliseconds; nothing here reads another. */
  now: number
  ledger: LeaseAccount
  writes = 0
  /** The true moments of the decisions that allowed something. */
  readonly spent: number[] = []
  calls = 0
  refused = 0
  readonly #rules: Rules
  readonly #askers: readonly Asker[]
  readonly #delayMs: () => number
  readonly #stored = new Map<string, unknown>()
  readonly #isKeyed: boolean
  #memory = this.#openMemory()
  #keyed = this.#openKeyed()
  #due: { readonly at: number; readonly run: () => void }[] = []

  /** `isKeyed`: the limiter is one of those that an actor of many keys keeps. */
  constructor(rules: Rules, holders: number, delayMs: () => number = () => 0, isKeyed = false) {
    const start = 1_000_000_000
    this.now = start
    this.#isKeyed = isKeyed
    this.#rules = rules
    this.#delayMs = delayMs
    this.ledger = this.#memory.wake(rules, start)
    this.#askers = Array.from({ length: holders }, (_, index) => {
      const skew = (index % 2 === 0 ? 1 : -1) * index * 100_003
      const asker: Asker = {
        holder: newHolder(),
        stillAt: undefined,
        clock: () => asker.stillAt ?? this.now + skew,
      }
      return asker
    })
  }

  /** One demand at a holder, decided as a gateway does it. */
  demand(index: number): void {
    const asker = this.#asker(index)
    const { holder, clock } = asker
    const known = holder.takeNow('key', clock())
    if (known !== undefined) return this.#record(known)
    void holder.take('key', this.#source(clock)).then((taken) => {
      // The answer to a holder that died meanwhile is lost.
      if (asker.holder === holder) this.#record(taken)
    })
  }

  /** One long event at a holder: time passes, then it decides, and its clock still shows when the event began. */
  longEvent(index: number, decisions: number, lateMs: number): void {
    const asker = this.#asker(index)
    asker.stillAt = asker.clock()
    this.now += lateMs
    for (let i = 0; i < decisions; i++) this.demand(index)
    asker.stillAt = undefined
  }

  /** The holder is gone with all it had, and another takes its place. */
  die(index: number): void {
    this.#asker(index).holder = newHolder()
  }

  /** The limiter loses its memory, at any moment after an answer left, and wakes with what it wrote. */
  crash(): void {
    this.#memory = this.#openMemory()
    this.#keyed = this.#openKeyed()
    this.ledger = this.#memory.wake(this.#rules, this.now)
  }

  /** Holders give back what they do not use, as gateways and edges do now and then. */
  returnIdle(): void {
    for (const { holder, clock } of this.#askers) for (const { closing } of holder.idle(clock())) this.#settle(closing)
  }

  /** Lets time pass up to `at`, delivering what is on its way. */
  async advance(at: number): Promise<void> {
    await settled()
    for (;;) {
      const [next] = this.#due.filter((each) => each.at <= at).toSorted((a, b) => a.at - b.at)
      if (next === undefined) break
      this.#due = this.#due.filter((each) => each !== next)
      this.now = Math.max(this.now, next.at)
      next.run()
      await settled()
    }
    this.now = at
  }

  /** As the RateLimiter does it. */
  #decide(ask: LeaseAsk): LeaseAnswer {
    if (this.#isKeyed) return this.#decideKeyed(ask)
    const answer = this.ledger.ask(ask, this.now)
    this.#memory.granting(this.ledger, answer.allowed + (answer.lease?.units ?? 0), this.now)
    return answer
  }

  /** Another key is asked for now and then, so that the common row is renewed for it, too. */
  #decideKeyed(ask: LeaseAsk): LeaseAnswer {
    const other = { ...ask, key: `other-${this.calls % 3}`, costs: [1], want: 0, closing: [] }
    const [, answer] = this.#keyed.leaseEach([other, { ...ask, key: 'key' }], this.now)
    if (answer === undefined) throw new Error('no answer')
    return answer
  }

  #settle(closing: readonly Closing[]): void {
    if (this.#isKeyed) this.#decideKeyed({ rules: this.#rules, costs: [], want: 0, closing })
    else this.ledger.settle(closing, this.now)
  }

  #openMemory(): LimiterStore {
    return new LimiterStore(this.#storage())
  }

  #openKeyed(): KeyedAccounts {
    return new KeyedAccounts(this.#storage())
  }

  #storage(): KeyValues {
    return {
      get: (key) => structuredClone(this.#stored.get(key)),
      put: (key, value) => {
        this.writes++
        this.#stored.set(key, structuredClone(value))
      },
      delete: (key) => this.#stored.delete(key),
      list: ({ prefix, limit }) => [...this.#stored].filter(([key]) => key.startsWith(prefix)).slice(0, limit),
    }
  }

  #asker(index: number): Asker {
    const asker = this.#askers[index]
    if (asker === undefined) throw new Error(`there is no holder ${index}`)
    return asker
  }

  #record(taken: Taken): void {
    if (taken.kind === 'taken') this.spent.push(taken.at ?? this.now)
    else this.refused++
  }

  #source(clock: () => number): Source {
    const limiter: Limiter = {
      lease: async (ask) => {
        this.calls++
        await this.#pass()
        const answer = this.#decide(ask)
        await this.#pass()
        return answer
      },
      settle: async (closing) => this.#settle(closing),
      refund: async (units, at) =>
        this.#isKeyed ? this.#keyed.refund('key', units, at, this.now) : this.ledger.refund(units, at, this.now),
    }
    return { clock, limiter, rules: () => this.#rules }
  }

  async #pass(): Promise<void> {
    const delay = this.#delayMs()
    if (delay > 0) await new Promise<void>((run) => this.#due.push({ at: this.now + delay, run }))
  }
}

const newHolder = () => new LeaseHolder(() => 'test')

/** Every promise that can go on has. */
const settled = () => new Promise<void>((done) => setImmediate(done))
