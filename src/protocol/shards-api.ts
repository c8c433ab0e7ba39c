import { z } from 'zod'
import { jurisdiction, regionHint } from './places.ts'
import { day } from './usage-api.ts'

/** `active`: takes new tenants; `draining`: takes none; `read-only`: takes none, and no writes. */
export const shardState = z.enum(['active', 'draining', 'read-only'])
export type ShardState = z.output<typeof shardState>

/** `active`: may be read; `paused`: is not read. */
export const replicaState = z.enum(['active', 'paused'])

/** Names of other dependencies in `/readyz`. */
const taken = ['actors', 'directory', 'qstash', 'redis', 'tenant']

/** The name of a shard that is registered. */
export const shardName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,31}$/, 'a lower-case letter, then lower-case letters, digits or "_", at most 32')
  .refine((name) => !taken.includes(name), `not one of ${taken.join(', ')}, which name other dependencies`)

const anyWeight = z.number().positive().max(1e6)
const weight = anyWeight.describe('Share of new tenants, relative to the other shards')
const connection = z
  .string()
  .max(2000)
  .refine(isPostgresUrl, 'postgresql://user:password@host/database')
  .describe('Connection string of the role parley_app; stored encrypted and never shown')
const secret = z
  .string()
  .regex(/^DATABASE_URL_[A-Z0-9_]{1,64}$/, 'DATABASE_URL_ and upper-case letters, digits or "_"')
  .describe('The secret of the Worker that holds the connection string')

/** `PUT /admin/v1/shards/{name}`. */
export const newShard = z
  .strictObject({
    connection: connection.optional(),
    secret: secret.optional(),
    weight: weight.default(1),
    region: regionHint.optional(),
    jurisdiction: jurisdiction.optional(),
    state: shardState.default('active'),
  })
  .refine(({ connection: text, secret: name }) => (text === undefined) !== (name === undefined), {
    message: 'connection, secret: exactly one of them',
  })
  .meta({ oneOf: [{ required: ['connection'] }, { required: ['secret'] }] })

/** `PATCH /admin/v1/shards/{name}`. */
export const shardChange = z
  .strictObject({ weight: weight.optional(), region: regionHint.nullable().optional(), state: shardState.optional() })
  .refine((change) => Object.keys(change).length > 0, { message: 'weight, region or state: at least one of them' })
export type ShardChange = z.output<typeof shardChange>

/** The name of a replica, unique in its shard. */
export const replicaName = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,31}$/, 'a lower-case letter, then lower-case letters, digits or "_", at most 32')

const replicaWeight = anyWeight.describe('Share of the reads, relative to the other replicas of the region')

/** `PUT /admin/v1/shards/{name}/replicas/{replica}`. */
export const newReplica = z
  .strictObject({
    connection: connection.optional(),
    secret: secret.optional(),
    weight: replicaWeight.default(1),
    region: regionHint.optional(),
    state: replicaState.default('active'),
  })
  .refine(({ connection: text, secret: name }) => (text === undefined) !== (name === undefined), {
    message: 'connection, secret: exactly one of them',
  })
  .meta({ oneOf: [{ required: ['connection'] }, { required: ['secret'] }] })

/** `PATCH /admin/v1/shards/{name}/replicas/{replica}`. */
export const replicaChange = z
  .strictObject({
    weight: replicaWeight.optional(),
    region: regionHint.nullable().optional(),
    state: replicaState.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, { message: 'weight, region or state: at least one of them' })
export type ReplicaChange = z.output<typeof replicaChange>

const shownConnection = z
  .object({
    kind: z.enum(['encrypted', 'secret']),
    key: z.string().optional().describe('Id of the key that it is encrypted with'),
    secret: z.string().optional(),
  })
  .describe('Where its connection string is')

/** A read replica as its operator sees it, without its connection string. */
export const replicaView = z
  .object({
    name: z.string(),
    weight: z.number(),
    region: regionHint.optional(),
    state: replicaState,
    connection: shownConnection,
  })
  .meta({ id: 'Replica' })
export type ReplicaView = z.output<typeof replicaView>

/**
 * `following`: it replays what its shard writes; `foreign`: it is no replica, or one of another database; `down`: it does not
 * answer.
 */
export const replicaHealth = z.enum(['following', 'foreign', 'down'])

/** `GET /admin/v1/shards/{name}/replicas`. */
export const replicasView = z.object({
  replicas: z.array(
    replicaView
      .extend({
        health: replicaHealth,
        detail: z.string().optional().describe('What is wrong with it'),
        lagBytes: z.int().optional().describe('Bytes of the log of its shard that it has not replayed'),
        lagMs: z.int().optional().describe('How long ago what it replayed last was committed; 0 when it lacks nothing'),
      })
      .meta({ id: 'CheckedReplica' }),
  ),
})
export type CheckedReplicaView = z.output<typeof replicasView>['replicas'][number]

/** A shard as its operator sees it, without its connection string. */
export const shardView = z
  .object({
    name: z.string(),
    weight: z.number(),
    region: regionHint.optional(),
    jurisdiction: jurisdiction.optional(),
    state: shardState,
    connection: shownConnection,
    replicas: z.array(replicaView).describe('Its read replicas'),
    schema: z.int().describe('Number of the newest migration that it was found to have; 0 when it was not looked at'),
    isConfigured: z.boolean().describe('Whether SHARDS names it'),
  })
  .meta({ id: 'Shard' })
export type ShardView = z.output<typeof shardView>

/** `GET /admin/v1/shards`. */
export const shardsView = z.object({ shards: z.array(shardView), neededSchema: z.int() })

/** `POST /admin/v1/shards/re-encrypt`. */
export const reEncrypted = z.object({
  key: z.string().describe('Id of the key that encrypts now'),
  changed: z.array(z.string()).describe('Shards, and replicas as shard/replica'),
  failed: z.array(z.object({ name: z.string(), reason: z.string() })),
})

function isPostgresUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, pathname } = new URL(text)
  return ['postgres:', 'postgresql:'].includes(protocol) && hostname !== '' && username !== '' && pathname.length > 1
}

const missing = z
  .array(z.object({ shard: z.string(), reason: z.string() }).meta({ id: 'MissingShard' }))
  .describe('Shards that did not answer')
const cursor = z.string().max(200).default('')
const limit = z.coerce.number().int().min(1).max(100).default(50)
const heldRows = {
  tenants: z.int(),
  bytes: z.int(),
  conversations: z.int().describe('An estimate'),
  messages: z.int().describe('An estimate, without archived messages'),
  archivedPages: z.int().describe('An estimate; a page is a hundred messages'),
}

const fresh = z
  .enum(['true', 'false'])
  .default('false')
  .describe('`true` asks the shards now; otherwise the answer may be up to an hour old')
const asOf = z.int().describe('When the shards were asked, in milliseconds since the epoch; `Age` says how long ago')

/** `GET /admin/v1/shards/counts`. */
export const countsQuery = z.strictObject({ fresh })
export const countsFound = z.object({
  total: z.object(heldRows).describe('Of the shards that answered'),
  shards: z.array(z.object({ shard: z.string(), ...heldRows }).meta({ id: 'ShardCounts' })),
  missing,
})
export const countsView = countsFound.extend({ asOf })

/** `GET /admin/v1/users/{user}`. */
export const membershipsQuery = z.strictObject({ cursor, limit })
export const membershipsView = z.object({
  user: z.string(),
  tenants: z.array(z.object({ tenant: z.string(), conversations: z.int() })),
  next: z.string().nullable().describe('Cursor of the next page'),
  missing,
})

/** `GET /admin/v1/top-tenants`. */
export const topQuery = z.strictObject({
  by: z.enum(['messages', 'jobs', 'connections']).default('messages'),
  from: day.optional(),
  to: day.optional(),
  cursor,
  limit,
  fresh,
})
export const topFound = z.object({
  by: z.string(),
  from: z.string(),
  to: z.string(),
  tenants: z.array(z.object({ tenant: z.string(), total: z.int() })),
  next: z.string().nullable().describe('Cursor of the next page'),
  missing,
})
export const topView = topFound.extend({ asOf })
