import { within } from '../kernel/retry.ts'

/** What a caller does, and when it uses what another does. */
export interface Work<V> {
  readonly run: () => Promise<V>
  /** Whether this caller may use the result of another's work. */
  readonly accepts: (result: V) => boolean
  /**
   * How long it waits for another's work before it does its own: the other's request may have been cancelled, and its
   * promise then never settles.
   */
  readonly waitMs: number
}

/** A caller shares the work of at most so many others, one after the other, before it does its own. */
const maxShares = 2

/** Work that several callers want at the same time is done once for each key. */
export class SingleFlight<V> {
  readonly #flights = new Map<string, Promise<V>>()

  async do(key: string, { run, accepts, waitMs }: Work<V>): Promise<V> {
    for (let share = 0; share < maxShares; share++) {
      const flying = this.#flights.get(key)
      if (flying === undefined) break
      // What failed for another caller may succeed for this one.
      const result = await within(waitMs, key, flying).catch(() => undefined)
      if (result !== undefined && accepts(result)) return result
      if (this.#flights.get(key) === flying) this.#flights.delete(key)
    }
    return await this.#fly(key, run)
  }

  /** Callers from now on do not share work that is under way. */
  forget(key: string): void {
    this.#flights.delete(key)
  }

  #fly(key: string, run: () => Promise<V>): Promise<V> {
    const flight = run()
    this.#flights.set(key, flight)
    const end = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    flight.then(end, end)
    return flight
  }
}
