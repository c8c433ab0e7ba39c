import { openActors } from './open-actors.ts'

/** Actor calls of one tenant that start at once before anything is known of how long they take. */
const firstWindow = 8
const fewest = 4
/** Where the called actors are opened in this very thread, as on plain workerd, more than one at once only holds it up longer. */
const fewestHere = 1
export const maxOfTenant = 64
/** Calls of all tenants together, in one isolate. */
export const maxOfAll = 128
/** A call that takes longer than this shows that the process is busy, for example with creating files of new actors. */
const targetMs = 25
/** The same where the called actors are opened in this very thread: it serves no other call meanwhile. */
const targetHereMs = 8
/** A place stays taken after a slow call for as long as the call took, at most this: half of the time is left to others. */
const longestRestMs = 100
/** A call that never ended belongs to a request that was cut off. */
const lostMs = 30_000
/** Tenants without a call for this long are forgotten. */
const quietMs = 60_000

interface Tenant {
  window: number
  usedAt: number
  readonly underWay: Set<Touch>
}

interface Touch {
  readonly begunAt: number
  /** Actors that had been opened in this isolate when the call began. */
  readonly opened: number
  /** The call has ended; its place stays taken until then. */
  restsUntil?: number
}

interface Place {
  readonly tenant: Tenant
  readonly touch: Touch
}

/** Time and waiting, as the platform or a test provides them. */
export interface Pause {
  readonly now: () => number
  readonly wait: (ms: number) => Promise<void>
}

/**
 * Bounds how many actor calls of one tenant are under way at once in this isolate, so that one request with a thousand
 * items leaves room for the requests of others. The bound follows the duration of calls: it shrinks while they are slow
 * and grows while they are fast. Only numbers are shared between requests, never promises, since a request must not
 * wait for another's I/O.
 */
export class Touches {
  readonly #tenants = new Map<string, Tenant>()
  readonly #pause: Pause

  constructor(pause: Pause) {
    this.#pause = pause
  }

  /**
   * Calls `touch` for each item, in order, as many at once as the tenant may. Returns the results in their order;
   * throws the first error.
   */
  async each<T, R>(tenant: string, items: readonly T[], touch: (item: T) => Promise<R>): Promise<R[]> {
    const started: Promise<R>[] = []
    for (const item of items) {
      const place = await this.#place(tenant)
      const touching = this.#touch(place, () => touch(item))
      // Awaited below; until then a failure must not count as unhandled.
      touching.catch(() => undefined)
      started.push(touching)
    }
    return await Promise.all(started)
  }

  /** One call, counted among the tenant's. */
  async one<R>(tenant: string, touch: () => Promise<R>): Promise<R> {
    const [result] = await this.each(tenant, [touch], (each) => each())
    // oxlint-disable-next-line typescript/no-non-null-assertion, typescript/no-unsafe-type-assertion -- one item has one result
    return result as R
  }

  /** Calls of a tenant under way, and how many there may be. */
  stateOf(tenant: string): { readonly underWay: number; readonly window: number } {
    const known = this.#tenants.get(tenant)
    const underWay = [...(known?.underWay ?? [])].filter(({ restsUntil }) => restsUntil === undefined).length
    return { underWay, window: Math.floor(known?.window ?? firstWindow) }
  }

  /** Waits for a place and takes it. */
  async #place(name: string): Promise<Place> {
    for (;;) {
      const tenant = this.#of(name)
      const touch: Touch = { begunAt: this.#pause.now(), opened: openActors.openings }
      // Checked and taken without a pause: another request checks as well.
      if (this.#isBelowMax(tenant)) {
        tenant.underWay.add(touch)
        return { tenant, touch }
      }
      await this.#pause.wait(1 + Math.floor(Math.random() * 3))
    }
  }

  #isBelowMax(tenant: Tenant): boolean {
    const now = this.#pause.now()
    tenant.usedAt = now
    for (const touch of tenant.underWay)
      if (now - touch.begunAt > lostMs || (touch.restsUntil ?? Infinity) <= now) tenant.underWay.delete(touch)
    if (tenant.underWay.size >= Math.floor(tenant.window)) return false
    let all = 0
    for (const { underWay } of this.#tenants.values()) all += underWay.size
    return all < maxOfAll
  }

  async #touch<R>({ tenant, touch }: Place, call: () => Promise<R>): Promise<R> {
    try {
      return await call()
    } finally {
      const now = this.#pause.now()
      const tookMs = now - touch.begunAt
      const isHere = openActors.openings > touch.opened
      const target = isHere ? targetHereMs : targetMs
      if (tookMs > target) touch.restsUntil = now + Math.min(tookMs, longestRestMs)
      else tenant.underWay.delete(touch)
      const floor = isHere ? fewestHere : fewest
      tenant.window =
        tookMs > target
          ? Math.max(floor, tenant.window * 0.8)
          : Math.min(maxOfTenant, tenant.window + 1 / tenant.window)
    }
  }

  #of(name: string): Tenant {
    const known = this.#tenants.get(name)
    if (known !== undefined) return known
    const now = this.#pause.now()
    for (const [other, { underWay, usedAt }] of this.#tenants)
      if (underWay.size === 0 && now - usedAt > quietMs) this.#tenants.delete(other)
    const tenant: Tenant = { window: firstWindow, usedAt: now, underWay: new Set() }
    this.#tenants.set(name, tenant)
    return tenant
  }
}
