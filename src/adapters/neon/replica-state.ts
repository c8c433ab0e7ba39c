import { z } from 'zod'
import { laterPosition, readPosition } from '../../tenants/replicas.ts'
import type { StoredReplica } from '../../tenants/shards.ts'
import { selectPosition } from './log-position.ts'
import type { Database } from './connect.ts'

/**
 * The timeline that a replica follows: what its control file says, which may be late by some minutes after a failover and is
 * never early.
 */
const timeline = `(SELECT greatest(c.timeline_id, r.min_recovery_end_timeline) FROM pg_control_checkpoint() c, pg_control_recovery() r)`
const system = `(SELECT system_identifier::text FROM pg_control_system())`

/**
 * Whether a replica shows everything up to a position. It must be a statement of its own before the read, in a transaction of
 * READ COMMITTED: the snapshot of the read is then taken after the check. Within the read itself, or with REPEATABLE READ, it would
 * be older, and what is replayed between the two would be taken for visible.
 */
const readyStatement = `
SELECT CASE WHEN NOT pg_is_in_recovery() THEN 'no-replica'
  WHEN ${system} <> $1 THEN 'other-system'
  WHEN ${timeline} < $2::int THEN 'other-timeline'
  WHEN replayed >= $3::pg_lsn THEN 'ready' ELSE 'behind' END AS state, replayed::text AS replayed
FROM (SELECT pg_last_wal_replay_lsn() AS replayed) AS now`

const states = ['ready', 'behind', 'no-replica', 'other-system', 'other-timeline'] as const
export type ReadyState = (typeof states)[number]

const ready = z.tuple([z.object({ state: z.enum(states), replayed: z.string().nullable() })])

/** What a replica is asked first: it must be at `position`, and at the one of its registration. */
export function askReady(db: Database, { system: expected, from }: StoredReplica, position: string) {
  const wanted = laterPosition(position, from)
  const [at = '0', lsn = '0/0'] = wanted.split(' ')
  return db.query(readyStatement, [expected, at, lsn])
}

/** The answer to `askReady`: the state, and the byte of the log that is replayed. */
export function readyIn(found: unknown): { readonly state: ReadyState; readonly replayed: number } {
  const [{ state, replayed }] = ready.parse(found)
  return { state, replayed: readPosition(`0 ${replayed ?? ''}`)?.byte ?? 0 }
}

const oneOrZero = z.coerce.number().transform((value) => value === 1)

const primaryStatement = `SELECT ${system} AS system`
const aboutPrimary = z.tuple([z.object({ system: z.string() })])

/** What a replica is compared with: the system identifier of its primary, and where its log is. */
export async function describePrimary(db: Database): Promise<{ readonly system: string; readonly position: string }> {
  const [{ system: identifier }] = aboutPrimary.parse(await db.query(primaryStatement))
  return { system: identifier, position: await selectPosition(db) }
}

const replicaStatement = `
SELECT ${system} AS system, pg_is_in_recovery()::int AS "isReplica", pg_last_wal_replay_lsn()::text AS replayed,
  greatest(0, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::int8 AS "sinceMs"`
const aboutReplica = z.tuple([
  z.object({
    system: z.string(),
    isReplica: oneOrZero,
    replayed: z.string().nullable(),
    sinceMs: z.coerce.number().nullable(),
  }),
])

/** A database that may be a replica. */
export interface Described {
  readonly system: string
  readonly isReplica: boolean
  /** The byte of the log that it has replayed. */
  readonly replayed: number
  /** How long ago the last transaction that it replayed was committed; undefined before the first. */
  readonly sinceMs: number | undefined
}

export async function describeReplica(db: Database): Promise<Described> {
  const [{ replayed, sinceMs, ...rest }] = aboutReplica.parse(await db.query(replicaStatement))
  return { ...rest, replayed: readPosition(`0 ${replayed ?? ''}`)?.byte ?? 0, sinceMs: sinceMs ?? undefined }
}
