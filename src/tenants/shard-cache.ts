import { log, reasonOf } from '../kernel/log.ts'
import type { InvalidationMark, KnownInvalidations } from './cache.ts'
import { withConfigured, type ReplicasByShard, type Shard, type ShardList, type StoredShard } from './shards.ts'

/** The platform's actor, which keeps the list of shards. One of a version before knows of no replicas. */
export interface ShardRegistry {
  shards(): Promise<Omit<ShardList, 'replicas'> & { readonly replicas?: ReplicasByShard }>
  noteShardSchema(shard: string, number: number): Promise<void>
}

/** How long the list is used while no change of it is known. */
export const shardsFreshMs = 10_000
/** The tag of the list. A list of which it is not known whether it was invalidated is used for a second. */
export const shardsTag = 'shards'
const unknownMs = 1000
/** A name that is not in the list has it read again, at most once in this time. */
const unknownEveryMs = 1000
/** How far the clocks of two requests may be apart. What is further ahead is of before the clock was set back. */
const aheadMs = 1000
/** A request that finds the list too old while another reads it uses the old one, for so long. */
const readingMs = 2000

/** What one isolate knows of the shards. `isWhole`: the platform's actor said so; otherwise the configured shards only. */
export interface KnownShards {
  /** Grows with every change of the list. */
  readonly version: number
  readonly shards: readonly StoredShard[]
  readonly schemas: Readonly<Record<string, number>>
  readonly replicas: Readonly<ReplicasByShard>
  readonly isWhole: boolean
}

/**
 * The shards as one isolate knows them: read in one call, kept for ten seconds. It holds values and no promises, since a
 * request must not wait for the call of another.
 */
export class ShardCache {
  #known: KnownShards | undefined
  #freshUntil = -Infinity
  #readAt = -Infinity
  #mark: InvalidationMark | undefined
  /** An answer of a lower version was made before a change that was made here. */
  #minVersion = 0
  readonly #invalidations: KnownInvalidations | undefined

  constructor(invalidations?: KnownInvalidations) {
    this.#invalidations = invalidations
  }

  /** All shards. Never throws: while the registry does not answer, the last list, or else the configured shards. */
  async all(registry: ShardRegistry, configured: readonly Shard[], now: number): Promise<KnownShards> {
    if (this.#readAt > now + aheadMs) this.#forget()
    const isUsed = now < this.#freshUntil ? await this.#isCurrent(now) : now < this.#readAt + readingMs
    if (this.#known !== undefined && isUsed) return this.#known
    return await this.read(registry, configured, now)
  }

  /** Whether no change of the list is known that was made after it was read. */
  async #isCurrent(now: number): Promise<boolean> {
    if (this.#invalidations === undefined) return true
    const isKnown = await this.#invalidations.refresh(now)
    return isKnown ? !this.#invalidations.isInvalidated(this.#mark, shardsTag) : now < this.#readAt + unknownMs
  }

  /** One shard; a name that is not known is looked up, since it may have been registered a moment ago. */
  async find(
    name: string,
    registry: ShardRegistry,
    configured: readonly Shard[],
    now: number,
  ): Promise<{ readonly shard: StoredShard | undefined; readonly known: KnownShards }> {
    const known = await this.all(registry, configured, now)
    const shard = shardOf(known, name)
    if (shard !== undefined || now < this.#readAt + unknownEveryMs) return { shard, known }
    const again = await this.read(registry, configured, now)
    return { shard: shardOf(again, name), known: again }
  }

  /** The list was changed from here, which made it this version: an older one is not used from now on. */
  changed(version: number): void {
    this.#minVersion = Math.max(this.#minVersion, version)
    this.#forget()
  }

  /** The list is read again before it is used. */
  #forget(): void {
    this.#freshUntil = -Infinity
    this.#readAt = -Infinity
  }

  /** Reads the list now. Never throws, as `all`. */
  async read(registry: ShardRegistry, configured: readonly Shard[], now: number): Promise<KnownShards> {
    this.#readAt = now
    const mark = this.#invalidations?.mark()
    try {
      const { version, shards, schemas, replicas = {} } = await registry.shards()
      const read = { version, shards: withConfigured(shards, configured), schemas, replicas, isWhole: true }
      // Answers may arrive in another order than they were made in.
      if (this.#known === undefined || version >= this.#known.version) this.#known = read
      if (version >= this.#minVersion) {
        this.#freshUntil = now + shardsFreshMs
        this.#mark = mark
      }
      return this.#known
    } catch (thrown) {
      log.warn('shards.unreachable', { reason: reasonOf(thrown) })
      // Not kept: the next caller asks again, unless there is an older list to use meanwhile.
      return (
        this.#known ?? { version: 0, shards: withConfigured([], configured), schemas: {}, replicas: {}, isWhole: false }
      )
    }
  }
}

const shardOf = ({ shards }: KnownShards, name: string) => shards.find((shard) => shard.name === name)
