import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { ReplicaChange, ShardChange } from '../../src/protocol/shards-api.ts'
import {
  configuredShard,
  maxShards,
  noShards,
  replicasByShard,
  shardList,
  type Shard,
  type ShardConnection,
  type ReplicasByShard,
  type ShardList,
  type StoredReplica,
  type StoredShard,
} from '../../src/tenants/shards.ts'
import { maxReplicas } from '../../src/tenants/replicas.ts'

const key = 'shards'
/** Replicas have an entry of their own, which a version that does not know them leaves as it is. */
const replicasKey = 'replicas'

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
    const list = stored === undefined ? noShards : shardList.parse(stored)
    return { ...list, replicas: this.#replicas() }
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

  /** Adds or replaces a replica of a shard. Returns the version of the list; undefined when there is no shard of that name. */
  putReplica(
    shard: string,
    replica: StoredReplica,
  ): { readonly kind: 'set'; readonly version: number } | Refusal | undefined {
    if (this.#find(shard) === undefined) return undefined
    const all = this.#replicas()
    const others = (all[shard] ?? []).filter(({ name }) => name !== replica.name)
    const isNew = others.length === (all[shard]?.length ?? 0)
    if (isNew && Object.values(all).flat().length >= maxReplicas)
      return refuse('limitExceeded', `at most ${maxReplicas} replicas; remove one first`)
    return { kind: 'set', version: this.#writeReplicas({ ...all, [shard]: [...others, replica] }) }
  }

  /** Changes the given properties of a replica; undefined when there is none of that name. */
  changeReplica(shard: string, name: string, { weight, region, state }: ReplicaChange): number | undefined {
    return this.#replaceReplica(shard, name, ({ region: before, ...known }) => {
      const near = region === undefined ? before : (region ?? undefined)
      return {
        ...known,
        weight: weight ?? known.weight,
        state: state ?? known.state,
        ...(near === undefined ? {} : { region: near }),
      }
    })
  }

  /** Stores a connection of a replica that was encrypted anew, unless it was changed meanwhile. */
  reEncryptReplica(shard: string, name: string, before: string, connection: ShardConnection): number | undefined {
    return this.#replaceReplica(shard, name, (known) =>
      known.connection.kind === 'encrypted' && known.connection.text === before ? { ...known, connection } : undefined,
    )
  }

  removeReplica(shard: string, name: string): number | undefined {
    const all = this.#replicas()
    const left = (all[shard] ?? []).filter((replica) => replica.name !== name)
    return left.length === (all[shard]?.length ?? 0) ? undefined : this.#writeReplicas({ ...all, [shard]: left })
  }

  /** Removes an entry. A shard that the configuration names is then as the configuration says. */
  remove(name: string): number | undefined {
    const { shards, schemas } = this.list()
    const { [name]: _, ...others } = schemas
    const left = shards.filter((shard) => shard.name !== name)
    if (left.length === shards.length) return undefined
    const { [name]: __, ...replicas } = this.#replicas()
    this.#kv.put(replicasKey, replicas satisfies ReplicasByShard)
    return this.#write(left, others)
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

  #replicas(): ReplicasByShard {
    return replicasByShard.parse(this.#kv.get(replicasKey) ?? {})
  }

  #replaceReplica(
    shard: string,
    name: string,
    change: (known: StoredReplica) => StoredReplica | undefined,
  ): number | undefined {
    const all = this.#replicas()
    const known = all[shard]?.find((replica) => replica.name === name)
    const changed = known === undefined ? undefined : change(known)
    if (changed === undefined) return undefined
    const others = (all[shard] ?? []).filter((replica) => replica !== known)
    return this.#writeReplicas({ ...all, [shard]: [...others, changed] })
  }

  /** Also writes the list, whose version says that something changed. */
  #writeReplicas(all: ReplicasByShard): number {
    const ordered = Object.entries(all)
      .filter(([, replicas]) => replicas.length > 0)
      .map(([shard, replicas]) => [shard, replicas.toSorted((a, b) => (a.name < b.name ? -1 : 1))] as const)
    this.#kv.put(replicasKey, Object.fromEntries(ordered) satisfies ReplicasByShard)
    const { shards, schemas } = this.list()
    return this.#write(shards, schemas)
  }

  #write(shards: readonly StoredShard[], schemas: ShardList['schemas']): number {
    const version = this.list().version + 1
    const ordered = shards.toSorted((a, b) => (a.name < b.name ? -1 : 1))
    this.#kv.put(key, { version, shards: ordered, schemas } satisfies Omit<ShardList, 'replicas'>)
    return version
  }
}
