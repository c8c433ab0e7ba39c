import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { ShardChange } from '../../src/protocol/shards-api.ts'
import {
  configuredShard,
  maxShards,
  noShards,
  shardList,
  type Shard,
  type ShardConnection,
  type ShardList,
  type StoredShard,
} from '../../src/tenants/shards.ts'

const key = 'shards'

/** The registered shards. Those that only the configuration names have no entry until they are changed. */
export class RegisteredShards {
  readonly #kv: SyncKvStorage
  readonly #configured: () => readonly Shard[]

  constructor(kv: SyncKvStorage, configured: () => readonly Shard[]) {
    this.#kv = kv
    this.#configured = configured
  }

  list(): ShardList {
    const stored = this.#kv.get(key)
    return stored === undefined ? noShards : shardList.parse(stored)
  }

  /** Adds or replaces a shard, which was found to have this migration. Returns the version of the list. */
  put(shard: StoredShard, schema: number): { readonly kind: 'set'; readonly version: number } | Refusal {
    const { shards, schemas } = this.list()
    const others = shards.filter(({ name }) => name !== shard.name)
    if (others.length >= maxShards) return refuse('limitExceeded', `at most ${maxShards} shards; remove one first`)
    return { kind: 'set', version: this.#write([...others, shard], { ...schemas, [shard.name]: schema }) }
  }

  /** Changes the given properties of a shard; undefined when there is none of that name. */
  change(name: string, { weight, region, state }: ShardChange): number | undefined {
    const known = this.#find(name)
    if (known === undefined) return undefined
    const { region: before, ...rest } = known
    const near = region === undefined ? before : (region ?? undefined)
    return this.#replace({
      ...rest,
      weight: weight ?? known.weight,
      state: state ?? known.state,
      ...(near === undefined ? {} : { region: near }),
    })
  }

  /** Stores a connection that was encrypted anew, unless it was changed meanwhile. */
  reEncrypt(name: string, before: string, connection: ShardConnection): number | undefined {
    const known = this.list().shards.find((shard) => shard.name === name)
    if (known?.connection.kind !== 'encrypted' || known.connection.text !== before) return undefined
    return this.#replace({ ...known, connection })
  }

  /** Removes an entry. A shard that the configuration names is then as the configuration says. */
  remove(name: string): number | undefined {
    const { shards, schemas } = this.list()
    const { [name]: _, ...others } = schemas
    const left = shards.filter((shard) => shard.name !== name)
    return left.length === shards.length ? undefined : this.#write(left, others)
  }

  /** A shard was found to have this migration. */
  noteSchema(name: string, number: number): void {
    const { shards, schemas } = this.list()
    if (schemas[name] === number || this.#find(name) === undefined) return
    this.#write(shards, { ...schemas, [name]: number })
  }

  #find(name: string): StoredShard | undefined {
    const registered = this.list().shards.find((shard) => shard.name === name)
    if (registered !== undefined) return registered
    const configured = this.#configured().find((shard) => shard.name === name)
    return configured === undefined ? undefined : configuredShard(configured)
  }

  #replace(shard: StoredShard): number {
    const { shards, schemas } = this.list()
    return this.#write([...shards.filter(({ name }) => name !== shard.name), shard], schemas)
  }

  #write(shards: readonly StoredShard[], schemas: ShardList['schemas']): number {
    const version = this.list().version + 1
    const ordered = shards.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    this.#kv.put(key, { version, shards: ordered, schemas } satisfies ShardList)
    return version
  }
}
