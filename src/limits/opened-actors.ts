import type { Taken } from './ports.ts'

/** workerd keeps an actor that is not used in memory, with its files open, for so long: ten seconds. */
const keptSeconds = 10
/** Actors that may be opened within that time in one process, at most: each holds three descriptors and about 200 KiB. */
export const maxOpened = 2600
/** The part of them that one tenant may open, so that there are always some for the others. */
export const maxOpenedByTenant = 2000

/** What each tenant may open in any case, so that others that fill the process do not stop it. */
export const maxOpenedWhenFull = 25

/** The actors opened in one second, by tenant. */
interface Second {
  readonly at: number
  readonly byTenant: Map<string, number>
}

/**
 * Counts the actors that were opened in this isolate lately, for all tenants and for each. On plain workerd every actor of the
 * process is in one isolate: what was opened lately is what holds descriptors and memory. On Cloudflare an isolate holds few actors.
 */
export class OpenedActors {
  /** Actors opened since the isolate began. */
  count = 0
  #seconds: Second[] = []
  #lately = 0

  /** An actor of this tenant was opened here: its files were made or opened in this thread. */
  note(tenant: string, now: number): void {
    this.count++
    this.#forget(now)
    const at = Math.floor(now / 1000)
    const newest = this.#seconds.at(-1)
    const second = newest?.at === at ? newest : { at, byTenant: new Map<string, number>() }
    if (second !== newest) this.#seconds.push(second)
    second.byTenant.set(tenant, (second.byTenant.get(tenant) ?? 0) + 1)
    this.#lately++
  }

  /** Whether the tenant may cause further actors to be opened; otherwise when some of its own will be closed. */
  mayOpen(tenant: string, now: number): Taken {
    if (this.#lately < maxOpenedByTenant) return taken
    this.#forget(now)
    const own = this.#seconds.reduce((sum, { byTenant }) => sum + (byTenant.get(tenant) ?? 0), 0)
    const isOver = own >= maxOpenedByTenant || (this.#lately >= maxOpened && own >= maxOpenedWhenFull)
    return isOver ? { kind: 'limited', retryAfterMs: this.#oldestEndsIn(tenant, now) } : taken
  }

  #oldestEndsIn(tenant: string, now: number): number {
    const oldest = this.#seconds.find(({ byTenant }) => byTenant.has(tenant))
    return Math.max(100, ((oldest?.at ?? 0) + keptSeconds) * 1000 - now)
  }

  /** A clock that was set back ends the window, too: what is noted for the future never would. */
  #forget(now: number): void {
    const at = Math.floor(now / 1000)
    const isKept = (second: Second) => second.at > at - keptSeconds && second.at <= at
    const [oldest, newest] = [this.#seconds[0], this.#seconds.at(-1)]
    if (oldest === undefined || newest === undefined || (isKept(oldest) && isKept(newest))) return
    this.#seconds = this.#seconds.filter(isKept)
    this.#lately = this.#seconds.reduce((sum, { byTenant }) => [...byTenant.values()].reduce((a, b) => a + b, sum), 0)
  }
}

const taken: Taken = { kind: 'taken' }

/** Those of this isolate: numbers, which requests may share. */
export const openedActors = new OpenedActors()
