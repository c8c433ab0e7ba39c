import { BoundedMap } from '../kernel/bounded-map.ts'
import { ageOf, expiryOf, readStored, storedForm, type Entry } from './entry.ts'
import { epochsFreshMs, type EpochView } from './epochs.ts'
import { Memory } from './memory.ts'
import type { CacheOptions } from './options.ts'
import { SingleFlight } from './single-flight.ts'

/** The tier that processes share. It may be absent, slow or wrong at any time: a read then finds nothing and a write is lost. */
export interface SharedTier {
  get(key: string): Promise<string | undefined>
  set(key: string, text: string, seconds: number): Promise<void>
}

/** What a cache works with, for one request. */
export interface CachePorts {
  readonly now: () => number
  /** In [0, 1). */
  readonly random: () => number
  /** What the process knows of invalidations. */
  readonly epochs: EpochView
  /** Asks for what is new of them; settles in time, whether or not there was an answer. */
  readonly askEpochs: () => Promise<void>
  readonly shared?: SharedTier | undefined
  /** False: nothing is kept in the memory of this process. */
  readonly isRemembered?: boolean
  /** Work that goes on after the request is answered. */
  readonly background: (work: Promise<unknown>) => void
}

/** How often which tier answered, since the process started. */
export interface CacheFigures {
  memoryHits: number
  sharedHits: number
  /** Reads that were answered with another reader's load. */
  shared: number
  /** Values that were used after their expiry. */
  stale: number
  /** Loads that no reader waited for. */
  refreshes: number
  /** Loads by the owner; a read that was answered by neither tier is a miss. */
  loads: number
  failures: number
  /** Entries that were found and not used, since one of their tags was invalidated. */
  invalidated: number
}

/** Loads from the owner; undefined when it has no such value. */
type Load<V> = () => Promise<V | undefined>

/** How long it counts that a refresh is under way: its request may have been cancelled. */
const refreshMs = 10_000
/** Refreshes that are known to be under way. */
const maxRefreshes = 1000

/**
 * Values of one kind, by a key, in the memory of this process and in a tier that processes share. Used by many requests:
 * it holds values, and of promises only those that readers may stop waiting for.
 */
export class Cache<V> {
  readonly options: CacheOptions<V>
  readonly figures: CacheFigures = {
    memoryHits: 0,
    sharedHits: 0,
    shared: 0,
    stale: 0,
    refreshes: 0,
    loads: 0,
    failures: 0,
    invalidated: 0,
  }
  readonly #memory: Memory<Entry<V>>
  readonly #flights = new SingleFlight<Entry<V>>()
  readonly #refreshing = new BoundedMap<string, number>(maxRefreshes)
  #drops = 0

  constructor(options: CacheOptions<V>) {
    this.options = options
    this.#memory = new Memory(options.maxBytes)
  }

  /** What the memory of this process holds. */
  get held(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#memory.size, bytes: this.#memory.bytes }
  }

  /**
   * The value from memory, without a promise; undefined where `read` has something to do: load, refresh, or ask for epochs.
   */
  peek(key: string, epochs: EpochView, now: number): V | undefined {
    const entry = this.#memory.get(key)
    if (entry === undefined || now >= entry.expiresAt - farthestEarly * entry.tookMs) return undefined
    if (entry.tags.length > 0 && !this.#isCurrent(entry, epochs, now)) return undefined
    this.figures.memoryHits++
    return entry.value
  }

  /** Whether the epochs say that the entry was not invalidated, and will still say so when they are asked again in time. */
  #isCurrent({ stamp, tags }: Entry<V>, epochs: EpochView, now: number): boolean {
    return stamp !== undefined && !epochs.isDue(now) && !epochs.isInvalidated(stamp, tags)
  }

  /** The value, from the nearest tier that has one; undefined when its owner has none. Throws what `load` throws. */
  async read(key: string, load: Load<V>, ports: CachePorts): Promise<V | undefined> {
    const tags = this.options.tags(key)
    const hasTags = tags.length > 0
    if (hasTags && !ports.epochs.isFresh(ports.now())) await ports.askEpochs()
    const found = this.#held(key, ports)
    if (found === undefined) return await this.#fetch(key, tags, load, ports)
    if (hasTags && ports.epochs.isDue(ports.now())) ports.background(ports.askEpochs())
    this.figures.memoryHits++
    this.#use(found, key, load, ports)
    return found.value
  }

  /** Loads the value anew and puts it into both tiers, when it has changed or is warmed. */
  async refresh(key: string, load: Load<V>, ports: CachePorts): Promise<V | undefined> {
    const tags = this.options.tags(key)
    // A value without a stamp would be of no use in the shared tier.
    if (tags.length > 0 && !ports.epochs.isFresh(ports.now())) await ports.askEpochs()
    const { value } = await this.#load(key, tags, load, ports)
    return value
  }

  /** Forgets the value in this process, also the one that is being loaded. */
  drop(key: string): void {
    this.#drops++
    this.#memory.delete(key)
    this.#flights.forget(key)
  }

  /** The entry in memory, if it may be used now. */
  #held(key: string, ports: CachePorts): Entry<V> | undefined {
    const entry = this.#memory.get(key)
    if (entry === undefined || !this.#mayUse(entry, ports)) return undefined
    return ageOf(entry, ports.now(), 0, this.options) === 'expired' ? undefined : entry
  }

  /**
   * Whether no invalidation of an entry can have been over for more than a second: as the epochs of this second say, or
   * because its load began within this second.
   */
  #mayUse({ stamp, tags, loadedAt }: Entry<V>, { epochs, now }: CachePorts): boolean {
    if (tags.length === 0) return true
    if (epochs.isInvalidated(stamp, tags)) {
      this.figures.invalidated++
      return false
    }
    return (stamp !== undefined && epochs.isFresh(now())) || Math.abs(now() - loadedAt) < epochsFreshMs
  }

  /** The entry is used: loads it again in the background when it is old. */
  #use(entry: Entry<V>, key: string, load: Load<V>, ports: CachePorts): void {
    const now = ports.now()
    const age = ageOf(entry, now, ports.random(), this.options)
    if (age === 'fresh') return
    if (age === 'stale') this.figures.stale++
    if (now - (this.#refreshing.get(key) ?? -Infinity) < refreshMs) return
    this.#refreshing.set(key, now)
    this.figures.refreshes++
    const end = () => void this.#refreshing.delete(key)
    ports.background(this.#load(key, entry.tags, load, ports).then(end, end))
  }

  async #fetch(key: string, tags: readonly string[], load: Load<V>, ports: CachePorts): Promise<V | undefined> {
    const { value } = await this.#flights.do(key, {
      run: () => this.#fill(key, tags, load, ports),
      // A load that began before this read may have missed an invalidation that was over by then.
      accepts: (entry) => {
        const mayUse = this.#mayUse(entry, ports)
        if (mayUse) this.figures.shared++
        return mayUse
      },
      waitMs: this.options.waitMs,
    })
    return value
  }

  /** The entry from the shared tier, else from the owner. */
  async #fill(key: string, tags: readonly string[], load: Load<V>, ports: CachePorts): Promise<Entry<V>> {
    const drops = this.#drops
    const shared = this.options.shared === undefined ? undefined : ports.shared
    const stored = await shared?.get(sharedKey(this.options, key))
    const entry = stored === undefined ? undefined : readStored(stored, tags, ports.now(), this.options)
    if (entry === undefined || !this.#mayUse(entry, ports)) return await this.#load(key, tags, load, ports)
    this.figures.sharedHits++
    if (ports.isRemembered !== false) this.#keep(key, entry, drops)
    this.#use(entry, key, load, ports)
    return entry
  }

  /** The entry from the owner. Its stamp is taken before the load begins. */
  async #load(key: string, tags: readonly string[], load: Load<V>, ports: CachePorts): Promise<Entry<V>> {
    const drops = this.#drops
    const stamp = tags.length === 0 ? undefined : ports.epochs.stamp()
    const loadedAt = ports.now()
    this.figures.loads++
    const value = await load().catch((thrown: unknown) => {
      this.figures.failures++
      throw thrown
    })
    const expiresAt = expiryOf(value !== undefined, loadedAt, ports.random(), this.options)
    const entry: Entry<V> = { value, loadedAt, expiresAt, tookMs: Math.max(0, ports.now() - loadedAt), stamp, tags }
    if (ports.isRemembered !== false) this.#keep(key, entry, drops)
    this.#share(key, entry, ports)
    return entry
  }

  #keep(key: string, entry: Entry<V>, dropsBefore: number): void {
    // Dropped while it was loaded: what it was loaded for may have changed since.
    if (this.#drops !== dropsBefore) return
    if (!this.#isKept(entry.value)) return this.#memory.delete(key)
    this.#memory.set(key, entry, entry.value === undefined ? 0 : this.options.sizeOf(entry.value))
  }

  #share(key: string, entry: Entry<V>, { shared, background, now }: CachePorts): void {
    const { value, tags, stamp, expiresAt } = entry
    const form = this.options.shared
    if (form === undefined || shared === undefined || value === undefined || !this.#isKept(value)) return
    // No reader could tell whether it was invalidated.
    if (tags.length > 0 && stamp === undefined) return
    const seconds = Math.ceil((expiresAt + this.options.staleMs - now()) / 1000)
    if (seconds > 0)
      background(shared.set(sharedKey(this.options, key), storedForm(entry, form.encode(value)), seconds))
  }

  #isKept(value: V | undefined): boolean {
    return value === undefined ? this.options.negativeMs > 0 : (this.options.isKept?.(value) ?? true)
  }
}

/** The key of a value in the shared tier. */
export const sharedKey = ({ name, schema }: { readonly name: string; readonly schema: number }, key: string): string =>
  `${name}.${schema}:${key}`

/** Beyond so many times its load's duration before its expiry, an entry is not refreshed: e⁻²⁰ is nothing. */
const farthestEarly = 20
