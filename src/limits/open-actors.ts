import { BoundedMap } from '../kernel/bounded-map.ts'
import { spreadMs } from '../kernel/retry.ts'
import type { Taken } from './ports.ts'

/** workerd closes an actor, with its files, ten seconds after its last use. A use is noted up to `noteEveryMs` late. */
export const openForMs = 10_300
/** An actor that is used all the time is noted this often, in milliseconds. */
const noteEveryMs = 250
/** Actors that were opened before are remembered as the tenant's own. */
const maxRemembered = 40_000

/** An actor that is asked for by name. */
export interface ActorName {
  readonly kind:
    | 'activity'
    | 'actor-names'
    | 'breaker'
    | 'conversation'
    | 'event-catalog'
    | 'event-consumer'
    | 'event-log'
    | 'facade'
    | 'inbox'
    | 'inbox-notes'
    | 'limiter'
    | 'moderation'
    | 'notifications'
    | 'process'
    | 'queue'
    | 'recipients'
    | 'saga'
    | 'tenant'
    | 'topic'
  readonly tenant: string
  readonly name: string
  /** Whether the caller can do without it, as a process can without the limiters of the platform. */
  readonly isDispensable?: boolean
  /** Whether the actor is known to exist, or a connection is subscribed to it. One that was opened before is known, too. */
  readonly isKnown?: boolean
}

/** How the actors that one process may have open are divided. */
export interface OpenBudget {
  /** Open for callers: above it their requests wait or are refused. */
  readonly forCallers: number
  /** Tasks after an answer open further ones up to here. */
  readonly forTasks: number
  /** Alarms that open an actor ring at most this often. They are not refused, so they have places of their own. */
  readonly alarmsPerSecond: number
}

/** Divides `most` open actors. One that an alarm opens stays open for eleven seconds: 1/200 of `most` each second are 11/200 at once. */
export function budgetOf(most: number): OpenBudget {
  const alarmsPerSecond = Math.max(1, Math.floor(most / 200))
  const forTasks = most - alarmsPerSecond * Math.ceil((openForMs + noteEveryMs) / 1000)
  return { forCallers: forTasks - Math.ceil(most / 100), forTasks, alarmsPerSecond }
}

/**
 * What a tenant may hold for each place that is free. So the last places stay for others: alone a tenant gets 15/16 for
 * actors that it has, and 1/3 for those that a process can do without; several tenants get equal parts. New names, whose files have
 * to be made, are compared with those of the last ten seconds only: at most 1/2 of the places, however many others the
 * tenant uses.
 */
export const perFreePlace = { known: 15, new: 1, dispensable: 0.5 } as const

interface Place {
  readonly tenant: string
  at: number
}

/** A new name that was opened. */
interface NewName {
  readonly tenant: string
  readonly at: number
}

/**
 * Counts the actors of one process that are open: each costs three descriptors and some 250 KiB, whatever it does. Only on
 * plain workerd, where all actors of a process are in one isolate; on Cloudflare there is no budget, and nothing is counted.
 */
export class OpenActors {
  /** Actors opened since the isolate began. */
  openings = 0
  #most = Infinity
  /** Undefined while there is no bound. */
  #budget: OpenBudget | undefined
  /** When each was used last, the longest unused first. */
  readonly #places = new Map<string, Place>()
  readonly #ofTenant = new Map<string, number>()
  /** The new names of the last ten seconds, the oldest first. */
  readonly #newNames: NewName[] = []
  readonly #newOfTenant = new Map<string, number>()
  readonly #remembered = new BoundedMap<string, true>(maxRemembered)

  /** Bounds the process to `most` open actors; `Infinity` ends the count. */
  bound(most: number): void {
    if (most === this.#most) return
    this.#most = most
    this.#budget = most === Infinity ? undefined : budgetOf(most)
  }

  get budget(): OpenBudget | undefined {
    return this.#budget
  }

  /** Whether the actor may be called: it is open, or there is a place, which it then has. */
  admit(actor: ActorName, now: number): Taken {
    if (this.#budget === undefined) return taken
    const key = keyOf(actor)
    if (this.#renew(key, now)) return taken
    this.#forget(now)
    const free = this.#budget.forCallers - this.count
    const claim = this.claimOf(actor)
    const held = this.of(actor.tenant)
    if (claim === 'new' && (this.#newOfTenant.get(actor.tenant) ?? 0) >= perFreePlace.new * free)
      return { kind: 'limited', retryAfterMs: this.#waitMs(this.#newNames[0]?.at, now) }
    if (held >= perFreePlace[claim === 'dispensable' ? claim : 'known'] * free)
      return { kind: 'limited', retryAfterMs: this.#waitMs(this.#oldest(), now) }
    if (claim === 'new') this.#noteNewName(actor.tenant, now)
    this.#open(key, actor.tenant, now)
    return taken
  }

  /** The actor is in use, whether or not there is a place: it was opened here, or its alarm rang. */
  use(actor: ActorName, now: number): void {
    if (this.#budget === undefined) return
    const key = keyOf(actor)
    if (this.#renew(key, now)) return
    this.#forget(now)
    this.#open(key, actor.tenant, now)
  }

  /** Whether tasks may open further actors now. */
  hasFreePlace(now: number): boolean {
    if (this.#budget === undefined) return true
    this.#forget(now)
    return this.count < this.#budget.forTasks
  }

  get count(): number {
    return this.#places.size
  }

  /** Open actors of one tenant. */
  of(tenant: string): number {
    return this.#ofTenant.get(tenant) ?? 0
  }

  claimOf(actor: ActorName): keyof typeof perFreePlace {
    if (actor.isDispensable === true) return 'dispensable'
    return actor.isKnown === true || this.#remembered.has(keyOf(actor)) ? 'known' : 'new'
  }

  #renew(key: string, now: number): boolean {
    const place = this.#places.get(key)
    if (place === undefined) return false
    if (Math.abs(now - place.at) < noteEveryMs) return true
    place.at = now
    this.#places.delete(key)
    this.#places.set(key, place)
    return true
  }

  #open(key: string, tenant: string, now: number): void {
    this.#places.set(key, { tenant, at: now })
    this.#ofTenant.set(tenant, this.of(tenant) + 1)
    this.#remembered.set(key, true)
  }

  #noteNewName(tenant: string, at: number): void {
    this.#newNames.push({ tenant, at })
    this.#newOfTenant.set(tenant, (this.#newOfTenant.get(tenant) ?? 0) + 1)
  }

  #forget(now: number): void {
    const firstNew = this.#newNames.findIndex(({ at }) => isHeld(at, now))
    const ended = this.#newNames.splice(0, firstNew < 0 ? this.#newNames.length : firstNew)
    for (const { tenant } of ended) countDown(this.#newOfTenant, tenant)
    for (const [key, { tenant, at }] of this.#places) {
      if (isHeld(at, now)) return
      this.#places.delete(key)
      countDown(this.#ofTenant, tenant)
    }
  }

  #oldest(): number | undefined {
    for (const { at } of this.#places.values()) return at
    return undefined
  }

  /** Until the place of this time is free; callers that wait for the same one are told different moments. */
  #waitMs(at: number | undefined, now: number): number {
    return at === undefined ? 1000 : spreadMs(Math.max(1000, at + openForMs - now), Math.random())
  }
}

/** A place that was noted in the future, by a clock that was set back since, ends at once. */
const isHeld = (at: number, now: number): boolean => now - at < openForMs && at <= now + openForMs

function countDown(counts: Map<string, number>, tenant: string): void {
  const left = (counts.get(tenant) ?? 0) - 1
  if (left > 0) counts.set(tenant, left)
  else counts.delete(tenant)
}

const taken: Taken = { kind: 'taken' }

const keyOf = ({ kind, tenant, name }: ActorName): string => `${kind} ${tenant}/${name}`

/** Those of this isolate: numbers, which requests may share. */
export const openActors = new OpenActors()

/** There is no place for another open actor now. */
export class TooManyActors extends Error {
  readonly retryAfterMs: number

  constructor(retryAfterMs: number) {
    super(`actors: too many conversations, topics, users, queues and keys in use at once; wait ${retryAfterMs} ms`)
    this.retryAfterMs = retryAfterMs
  }
}
