import { z } from 'zod'
import { jurisdiction, regionHint } from '../protocol/places.ts'
import { replicaState, shardState } from '../protocol/shards-api.ts'

/** A Postgres shard and its share of new tenants. */
export interface Shard {
  readonly name: string
  readonly weight: number
}

/** Where the connection string of a shard or a replica is: here, encrypted, or in a secret of the Worker. */
const connection = z.union([
  z.object({ kind: z.literal('encrypted'), text: z.string() }),
  z.object({ kind: z.literal('secret'), variable: z.string().regex(/^DATABASE_URL_\w+$/) }),
])
export type ShardConnection = z.output<typeof connection>

/** A shard as the platform's actor stores it. */
export const storedShard = z.object({
  name: z.string(),
  connection,
  weight: z.number().positive(),
  region: regionHint.optional(),
  jurisdiction: jurisdiction.optional(),
  state: shardState,
})
export type StoredShard = z.output<typeof storedShard>

/** A read replica as the platform's actor stores it, under its shard. */
export const storedReplica = z.object({
  name: z.string(),
  connection,
  weight: z.number().positive(),
  region: regionHint.optional(),
  state: replicaState,
  /** The system identifier of its database, which is that of its shard. */
  system: z.string(),
  /** Where its shard was when it was registered, and it had replayed all: what it lacks, was written later. */
  from: z.string(),
})
export type StoredReplica = z.output<typeof storedReplica>

/** The read replicas by the names of their shards. */
export const replicasByShard = z.record(z.string(), z.array(storedReplica))
export type ReplicasByShard = z.output<typeof replicasByShard>

/** The registered shards, and the newest migration that each shard was found to have. `version` grows with every change. */
export const shardList = z.object({
  version: z.int(),
  shards: z.array(storedShard),
  schemas: z.record(z.string(), z.int()),
  replicas: replicasByShard.default({}),
})
export type ShardList = z.output<typeof shardList>

/** The list before any shard is registered. */
export const noShards: ShardList = { version: 0, shards: [], schemas: {}, replicas: {} }

/** The number of shards a platform may have. */
export const maxShards = 256

/** The variable that holds the connection string of a configured shard. */
export const variableOf = (shard: string) => `DATABASE_URL_${shard.toUpperCase()}` as const

/** A shard that the configuration names, as if it had been registered. */
export const configuredShard = ({ name, weight }: Shard): StoredShard => ({
  name,
  connection: { kind: 'secret', variable: variableOf(name) },
  weight,
  state: 'active',
})

/** The registered shards and those of the configuration; a registered one replaces a configured one of its name. */
export function withConfigured(registered: readonly StoredShard[], configured: readonly Shard[]): StoredShard[] {
  const names = new Set(registered.map(({ name }) => name))
  return [...configured.filter(({ name }) => !names.has(name)).map(configuredShard), ...registered]
}

/** Tells one connection from another, without what it says. */
export const connectionKey = ({ connection: at }: Pick<StoredShard, 'connection'>): string =>
  at.kind === 'secret' ? at.variable : at.text

/** What a connection string is encrypted for; see `encrypt`. */
export const connectionContext = (shard: string): string => `connection of shard ${shard}`

/** Whether two connection strings lead to one database, be it as other users or through the pooler of Neon. */
export function isSameDatabase(one: string, other: string): boolean {
  return databaseIn(one) === databaseIn(other)
}

function databaseIn(text: string): string {
  const { hostname, port, pathname } = new URL(text)
  return `${hostname.replace(/-pooler(?=\.|$)/, '')}:${port === '' ? '5432' : port}${pathname}`
}

/** A shard does not take this work: it is unknown, read-only, or its schema is too old for this Worker. */
export class ShardRefused extends Error {
  readonly shard: string
  /** No shard of this name is registered. */
  readonly isUnknown: boolean

  constructor(shard: string, reason: string, isUnknown = false) {
    super(`${shard}: ${reason}`)
    this.shard = shard
    this.isUnknown = isUnknown
  }
}
