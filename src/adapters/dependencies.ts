import { BoundedMap } from '../kernel/bounded-map.ts'
import type { Dependency } from './dependency.ts'

const service = (label: string, name: string, maxUnderWay: number, attempts: number): Dependency => ({
  name,
  label,
  breaker: { tenant: undefined, key: name },
  maxUnderWay,
  attempts,
})

/** A miss costs less than a second attempt. */
export const redis = service('Redis', 'redis', 256, 1)

/** Messages have a deduplication id, and may be repeated. */
export const qstash = service('QStash', 'qstash', 32, 2)

/** The bucket of attachments where it is behind the S3 API. Its calls may be repeated. */
export const blobs = service('Blob storage', 'blobs', 64, 2)

const databases = new BoundedMap<string, Dependency>(1000)

/** The database of a connection string. Each statement may be repeated: those that write change nothing the second time. */
export function postgres(url: string): Dependency {
  const found = databases.get(url)
  if (found !== undefined) return found
  const { hostname, pathname } = new URL(url)
  const made = service('Postgres', `postgres/${hostname}${pathname}`, 64, 2)
  databases.set(url, made)
  return made
}

const replicas = new BoundedMap<string, Dependency>(1000)

/** A read replica, by the name of its shard and its own. A read is not repeated there: the primary answers it. */
export function replicaOf(label: string): Dependency {
  const found = replicas.get(label)
  if (found !== undefined) return found
  const made = service('Postgres replica', `replica/${label}`, 64, 1)
  replicas.set(label, made)
  return made
}

/** A host that a tenant named. What one tenant's calls to it say is not used for another's. The queue repeats jobs. */
export const endpointOf = (tenant: string, host: string): Dependency => ({
  name: `${tenant}/${host}`,
  label: host,
  breaker: { tenant, key: host },
  maxUnderWay: 128,
  attempts: 1,
})

/** A host that a tenant named as an upstream of its facade. Its breaker is apart from that of the tenant's jobs. */
export const upstreamOf = (tenant: string, host: string): Dependency => ({
  name: `${tenant}/upstream/${host}`,
  label: host,
  breaker: { tenant, key: `upstream/${host}` },
  maxUnderWay: 1024,
  attempts: 1,
})
