import { platformOf } from '../../../../durable-objects/address.ts'
import { checkReplicas, type CheckedReplica } from '../../../adapters/neon/check-replicas.ts'
import { readChoices } from '../../../adapters/neon/read-shard.ts'
import type { Config } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import type { MetricFamily, Sample } from '../../../kernel/exposition.ts'
import { inLanes } from '../../../kernel/in-lanes.ts'
import type { KnownShards } from '../../../tenants/shard-cache.ts'
import type { StoredReplica } from '../../../tenants/shards.ts'

/** A replica as it was just now. */
export interface SeenReplica {
  readonly shard: string
  readonly replica: StoredReplica
  readonly checked: CheckedReplica
}

/** At most so many shards with replicas are looked at for one answer; where there are more, the following ones for the next. */
const maxShards = 32
let first = 0

/** How the replicas are; of many shards a part. None of them delays the answer by more than `deadlineMs`. */
export async function lookAtReplicas(
  env: Env,
  config: Config,
  { replicas }: Pick<KnownShards, 'replicas'>,
  deadlineMs: number,
): Promise<SeenReplica[]> {
  const all = Object.entries(replicas)
  const from = all.length > maxShards ? first % all.length : 0
  first = from + maxShards
  const asked = [...all.slice(from), ...all.slice(0, from)].slice(0, maxShards)
  const seen: SeenReplica[] = []
  await inLanes(maxShards, asked, async ([shard, ofShard]) => {
    const checked = await checkReplicas(config, platformOf(env), shard, ofShard, deadlineMs / 2)
    seen.push(...checked.map((each) => ({ shard, ...each })))
  })
  return seen
}

/** How the replicas are, and where this process read from shards. */
export function replicaFamilies(seen: readonly SeenReplica[]): MetricFamily[] {
  const labels = ({ shard, replica }: SeenReplica) => ({ shard, replica: replica.name })
  const lag = (value: (checked: Extract<CheckedReplica, { health: 'following' }>) => number | undefined): Sample[] =>
    seen.flatMap((each) => {
      const found = each.checked.health === 'following' ? value(each.checked) : undefined
      return found === undefined ? [] : [{ labels: labels(each), value: found }]
    })
  return [
    {
      name: 'parley_replica_up',
      type: 'gauge',
      help: 'Whether a read replica follows its shard (1), or does not answer or is none of it (0).',
      samples: seen.map((each) => ({ labels: labels(each), value: each.checked.health === 'following' ? 1 : 0 })),
    },
    {
      name: 'parley_replica_lag_bytes',
      type: 'gauge',
      help: 'Bytes of the log of its shard that a replica has not replayed.',
      samples: lag(({ lagBytes }) => lagBytes),
    },
    {
      name: 'parley_replica_lag_seconds',
      type: 'gauge',
      help: 'How long ago what a replica replayed last was committed; 0 when it lacks nothing.',
      samples: lag(({ lagMs }) => (lagMs === undefined ? undefined : lagMs / 1000)),
    },
    {
      name: 'parley_shard_reads_total',
      type: 'counter',
      help: 'Reads of shards of this process that a replica answered, or the primary and why.',
      samples: [...readChoices()].flatMap(([shard, { replica, ...reasons }]) => [
        { labels: { shard, from: 'replica', reason: '' }, value: replica },
        ...Object.entries(reasons).map(([reason, value]) => ({ labels: { shard, from: 'primary', reason }, value })),
      ]),
    },
  ]
}
