import type { Config } from '../../config.ts'
import { reasonOf } from '../../kernel/log.ts'
import { readPosition } from '../../tenants/replicas.ts'
import type { ShardRegistry } from '../../tenants/shard-cache.ts'
import type { StoredReplica } from '../../tenants/shards.ts'
import { openReplica } from './read-shard.ts'
import { describePrimary, describeReplica, type Described } from './replica-state.ts'
import { openShard } from './shards.ts'

/** How a replica is, and how far behind its shard where that answered too. */
export type CheckedReplica =
  | { readonly health: 'following'; readonly lagBytes?: number; readonly lagMs?: number }
  | { readonly health: 'foreign' | 'down'; readonly detail: string }

interface Primary {
  readonly system: string
  readonly position: string
}

/**
 * Looks at the replicas of a shard, all at one time. The shard is asked first, so that what a replica lacks was written before it
 * was looked at.
 */
export async function checkReplicas(
  config: Config,
  registry: ShardRegistry,
  shard: string,
  replicas: readonly StoredReplica[],
  deadlineMs: number,
): Promise<{ readonly replica: StoredReplica; readonly checked: CheckedReplica }[]> {
  if (replicas.length === 0) return []
  const primary = await openShard(config, registry, shard, 'read', deadlineMs)
    .then(describePrimary)
    .catch(() => undefined)
  return await Promise.all(
    replicas.map(async (replica) => {
      try {
        const described = await describeReplica(await openReplica(config, shard, replica, deadlineMs))
        return { replica, checked: judge(replica, described, primary) }
      } catch (thrown) {
        return { replica, checked: { health: 'down', detail: reasonOf(thrown).slice(0, 200) } }
      }
    }),
  )
}

/** What is wrong with a database that should be a replica of a system; undefined when nothing is. */
export function foreignReason({ isReplica, system }: Described, expected: string): string | undefined {
  if (!isReplica) return 'it is no replica: it takes writes'
  return system === expected ? undefined : `it is a replica of another database: of system ${system}, not ${expected}`
}

function judge(replica: StoredReplica, described: Described, primary: Primary | undefined): CheckedReplica {
  const foreign = foreignReason(described, primary?.system ?? replica.system)
  if (foreign !== undefined) return { health: 'foreign', detail: foreign }
  const end = readPosition(primary?.position ?? '')?.byte
  if (end === undefined) return { health: 'following' }
  const lagBytes = Math.max(0, end - described.replayed)
  const lagMs = lagBytes === 0 ? 0 : described.sinceMs
  return { health: 'following', lagBytes, ...(lagMs === undefined ? {} : { lagMs: Math.round(lagMs) }) }
}
