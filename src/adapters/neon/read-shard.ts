import type { Config } from '../../config.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { systemClock } from '../../kernel/clock.ts'
import { decrypt } from '../../kernel/encryption.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import {
  chooseReplica,
  maxReplicas,
  readPosition,
  replicaContext,
  replicaLabel,
  type PrimaryReason,
  type SeenReplica,
} from '../../tenants/replicas.ts'
import type { ShardRegistry } from '../../tenants/shard-cache.ts'
import type { StoredReplica } from '../../tenants/shards.ts'
import { replicaOf } from '../dependencies.ts'
import { breakerStateHere, CallRefused } from '../dependency.ts'
import { connect, type Database, type Statement } from './connect.ts'
import { askReady, readyIn } from './replica-state.ts'
import { openShard, shardsOf } from './shards.ts'

/** Where a question to a shard is read. */
export interface Reader {
  readonly from: 'primary' | 'replica'
  /** Runs the statements in one transaction, or one alone. Throws `NotYet` on a replica that cannot answer. */
  read(statements: (db: Database) => readonly Statement[]): Promise<readonly unknown[]>
}

/** A replica does not show what the reader must see: the primary is asked instead. */
export class NotYet extends Error {}

/** What a reader needs. */
export interface ReadNeeds {
  /** A position of the shard's log behind the reader's last write and last answer; undefined where it is not known. */
  readonly position: string | undefined
  /** Where the reader is. */
  readonly region?: string | undefined
  readonly deadlineMs: number
  /** No reader waits: the shard is not asked unless its breaker is closed. */
  readonly isOptional?: boolean
}

/** How long a replica may take: then the primary still has most of the time of a request. */
const replicaDeadlineMs = 1000
/** How long a replica that failed is left alone by this process, and how long at most when it fails again and again. */
const leftForMs = 1000
const maxLeftForMs = 30_000

interface Seen extends SeenReplica {
  readonly failures: number
}

/** What this process has seen of replicas, by shard and name. */
const seen = new BoundedMap<string, Seen>(maxReplicas)
const decrypted = new BoundedMap<string, string>(2 * maxReplicas)

/** How many reads were answered by a replica, and why the others were not, since this process started. */
export type ReadChoices = Record<'replica' | PrimaryReason, number>
const choices = new Map<string, ReadChoices>()

export const readChoices = (): ReadonlyMap<string, Readonly<ReadChoices>> => choices

function count(shard: string, choice: keyof ReadChoices): void {
  const counted = choices.get(shard) ?? { replica: 0, none: 0, unknown: 0, behind: 0, 'not-yet': 0, failed: 0 }
  counted[choice]++
  choices.set(shard, counted)
}

/**
 * Asks a shard a question: a replica that shows everything up to the needed position, else the primary. The question may be asked
 * twice. Throws what the primary throws.
 */
export async function readShard<T>(
  config: Config,
  registry: ShardRegistry,
  shard: string,
  { position, region, deadlineMs, isOptional = false }: ReadNeeds,
  ask: (reader: Reader) => Promise<T>,
): Promise<T> {
  const endsAt = systemClock.now() + deadlineMs
  const { replicas } = await shardsOf(config, registry)
  const chosen = choose(shard, replicas[shard] ?? [], position, region)
  const isLeft =
    isOptional &&
    typeof chosen !== 'string' &&
    breakerStateHere(replicaOf(replicaLabel(shard, chosen.name))) !== 'closed'
  if (typeof chosen !== 'string' && position !== undefined && !isLeft) {
    const answer = await askReplica(config, shard, chosen, { position, deadlineMs }, ask)
    if (answer !== undefined) return answer.value
  } else if (typeof chosen === 'string') count(shard, chosen)
  const leftMs = Math.max(1, endsAt - systemClock.now())
  return await ask(primaryReader(await openShard(config, registry, shard, 'read', leftMs, isOptional)))
}

function choose(
  shard: string,
  replicas: readonly StoredReplica[],
  position: string | undefined,
  region: string | undefined,
): StoredReplica | Exclude<PrimaryReason, 'not-yet'> {
  if (replicas.length === 0) return 'none'
  const byte = position === undefined ? undefined : readPosition(position)?.byte
  if (byte === undefined) return 'unknown'
  const now = systemClock.now()
  const seenOf = ({ name }: StoredReplica) => seen.get(replicaLabel(shard, name))
  return chooseReplica(replicas, seenOf, { byte, region }, { now, random: Math.random() })
}

/** Undefined where the replica has no answer for this reader. */
async function askReplica<T>(
  config: Config,
  shard: string,
  replica: StoredReplica,
  { position, deadlineMs }: { readonly position: string; readonly deadlineMs: number },
  ask: (reader: Reader) => Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  const label = replicaLabel(shard, replica.name)
  try {
    const database = await openReplica(config, shard, replica, Math.min(replicaDeadlineMs, deadlineMs / 2))
    const value = await ask(replicaReader(database, label, replica, position))
    count(shard, 'replica')
    return { value }
  } catch (thrown) {
    count(shard, thrown instanceof NotYet ? 'not-yet' : 'failed')
    if (!(thrown instanceof NotYet)) leave(label, thrown)
    return undefined
  }
}

/** The database of a replica. Its calls go through a breaker of its own, and are not repeated: the primary answers instead. */
export async function openReplica(
  config: Config,
  shard: string,
  replica: StoredReplica,
  deadlineMs: number,
): Promise<Database> {
  return connect(
    config,
    await connectionOfReplica(config, shard, replica),
    deadlineMs,
    replicaOf(replicaLabel(shard, replica.name)),
  )
}

/** The connection string of a replica. Throws when it cannot be decrypted, or its variable is not set. */
export async function connectionOfReplica(
  config: Config,
  shard: string,
  { name, connection }: Pick<StoredReplica, 'name' | 'connection'>,
): Promise<string> {
  if (connection.kind === 'secret') return config.databaseUrl(connection.variable)
  const known = decrypted.get(connection.text)
  if (known !== undefined) return known
  const text = await decrypt(config.encryptionKeys, connection.text, replicaContext(shard, name))
  decrypted.set(connection.text, text)
  return text
}

/** Reads the database itself, without a check. */
export const primaryReader = (database: Database): Reader => ({
  from: 'primary',
  async read(statements) {
    const all = statements(database)
    const [only] = all
    if (all.length === 1 && only !== undefined) return [await only]
    return await database.transaction([...all], { readOnly: true })
  },
})

/** Every transaction is checked: behind one address there may be more than one server. */
const replicaReader = (database: Database, label: string, replica: StoredReplica, position: string): Reader => ({
  from: 'replica',
  async read(statements) {
    const [first, ...answers] = await database.transaction(
      [askReady(database, replica, position), ...statements(database)],
      { readOnly: true, isolationLevel: 'ReadCommitted' },
    )
    const { state, replayed } = readyIn(first)
    const now = systemClock.now()
    const isForeign = state !== 'ready' && state !== 'behind'
    if (isForeign) log.warn('replica.foreign', { replica: label, state })
    seen.set(label, { replayed, at: now, leftUntil: isForeign ? now + maxLeftForMs : 0, failures: 0 })
    if (state !== 'ready') throw new NotYet(`${label} is ${state}`)
    return answers
  },
})

/** A replica failed: it is not asked for a while. Its breaker is the opinion of all processes. */
function leave(label: string, thrown: unknown): void {
  const { failures = 0, replayed = 0, at = 0 } = seen.get(label) ?? {}
  const forMs =
    thrown instanceof CallRefused ? Math.max(1, thrown.retryInMs) : Math.min(maxLeftForMs, leftForMs * 2 ** failures)
  seen.set(label, { replayed, at, leftUntil: systemClock.now() + forMs, failures: Math.min(10, failures + 1) })
  log.warn('replica.failed', { replica: label, reason: reasonOf(thrown) })
}
