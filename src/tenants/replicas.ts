import type { StoredReplica, StoredShard } from './shards.ts'

/**
 * The timeline and the byte of a position in the log of a Postgres, which is written `<timeline> <lsn>`, as in `1 0/16B3748`.
 * Everything that was committed before it was taken is at or below it. A failover begins another timeline. Undefined when the text
 * is none.
 */
export function readPosition(text: string): { readonly timeline: number; readonly byte: number } | undefined {
  const [, timeline, high, low] = /^(\d+) ([0-9A-F]{1,8})\/([0-9A-F]{1,8})$/.exec(text) ?? []
  if (timeline === undefined || high === undefined || low === undefined) return undefined
  return { timeline: Number(timeline), byte: Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16) }
}

/** A position so many bytes further. */
export function movePosition(text: string, bytes: number): string | undefined {
  const at = readPosition(text)
  if (at === undefined) return undefined
  const byte = at.byte + bytes
  const hex = (value: number) => value.toString(16).toUpperCase()
  return `${at.timeline} ${hex(Math.floor(byte / 2 ** 32))}/${hex(byte % 2 ** 32)}`
}

/** The later of two positions of one database. */
export function laterPosition(one: string, other: string): string {
  const [a, b] = [readPosition(one), readPosition(other)]
  if (a === undefined || b === undefined) return a === undefined ? other : one
  return a.timeline > b.timeline || (a.timeline === b.timeline && a.byte >= b.byte) ? one : other
}

/** The number of replicas a platform may have, over all shards: every process reads the whole list. */
export const maxReplicas = 1000

/** What a connection string of a replica is encrypted for; see `encrypt`. */
export const replicaContext = (shard: string, replica: string): string =>
  `connection of replica ${replica} of shard ${shard}`

/** A replica's name where breakers, metrics and logs need one that is unique. */
export const replicaLabel = (shard: StoredShard['name'], replica: StoredReplica['name']): string =>
  `${shard}/${replica}`

/** Why a read did not go to a replica, or did not come back from it. */
export const primaryReasons = [
  /** The shard has no replica that may be read. */
  'none',
  /** Which position the reader needs is not known. */
  'unknown',
  /** No replica was seen to have replayed it. */
  'behind',
  /** The replica had not replayed it, is no replica of this shard, or lacks an entry that must be there. */
  'not-yet',
  /** The replica failed, was too slow, or its breaker is open. */
  'failed',
] as const
export type PrimaryReason = (typeof primaryReasons)[number]

/** What a process saw of a replica last. */
export interface SeenReplica {
  /** Byte of the log that it had replayed, and when it said so. */
  readonly replayed: number
  readonly at: number
  /** Its breaker is open, or it was found to be no replica of the shard: not asked until then. */
  readonly leftUntil: number
}

/** What is wanted of a replica. */
export interface ReplicaNeed {
  /** The byte of the log that it must have replayed. */
  readonly byte: number
  /** Where the reader is. */
  readonly region: string | undefined
}

/** How long it counts that a replica was behind: it may have caught up since. */
const behindForMs = 20

/**
 * The replica to ask: by weight among those of the reader's region, or among all where that has none. Left out are those that
 * are left alone for now, and those that were behind the wanted position a moment ago.
 */
export function chooseReplica(
  replicas: readonly StoredReplica[],
  seenOf: (replica: StoredReplica) => SeenReplica | undefined,
  { byte, region }: ReplicaNeed,
  { now, random }: { readonly now: number; readonly random: number },
): StoredReplica | Extract<PrimaryReason, 'none' | 'behind' | 'failed'> {
  const active = replicas.filter(({ state }) => state === 'active')
  if (active.length === 0) return 'none'
  const reachable = active.filter((each) => now >= (seenOf(each)?.leftUntil ?? 0))
  if (reachable.length === 0) return 'failed'
  const ready = reachable.filter((each) => {
    const seen = seenOf(each)
    return seen === undefined || seen.replayed >= byte || now >= seen.at + behindForMs
  })
  if (ready.length === 0) return 'behind'
  const near = ready.filter((each) => region !== undefined && each.region === region)
  return byWeight(near.length > 0 ? near : ready, random)
}

function byWeight(replicas: readonly StoredReplica[], random: number): StoredReplica | 'none' {
  const total = replicas.reduce((sum, { weight }) => sum + weight, 0)
  let left = random * total
  for (const replica of replicas) {
    left -= replica.weight
    if (left < 0) return replica
  }
  return replicas.at(-1) ?? 'none'
}
