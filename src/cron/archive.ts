import { platformOf, tenantOf } from '../../durable-objects/address.ts'
import { archiveMessages } from '../adapters/neon/archive-messages.ts'
import type { Database } from '../adapters/neon/connect.ts'
import { dropEmptyPartitions } from '../adapters/neon/drop-partitions.ts'
import type { Env } from '../env.ts'
import type { ArchivableTenant } from '../events/due.ts'
import { inLanes } from '../kernel/in-lanes.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { withPlatformLimits, type PlatformSettings } from '../tenants/platform-settings.ts'
import type { StoredTenant } from '../tenants/record.ts'
import { monthsFrom } from './months.ts'
import { placedOn } from './placed.ts'
import { databaseOf, forEachShard } from './shards.ts'

/** Pages in one transaction, and at most in a night for one tenant; the rest waits for the next night. */
const pagesTogether = 100
const maxPages = 10_000
/** Tenants that are asked for their record at one time. */
const tenantsTogether = 16
const dayMs = 86_400_000
/** Messages may reach Postgres this much after their tenant was last noted. */
const lateMs = 8 * dayMs

/**
 * Moves messages older than their tenant's `archiveAfterDays` into the archive of its shard, and frees the space of
 * months that are empty then. Each step is a transaction, so the work may be interrupted anywhere and continues the
 * next time.
 */
export async function archive(env: Env, now: number): Promise<void> {
  const platform = await platformOf(env).settings()
  await forEachShard(env, (shard) => archiveShard(env, shard, platform, now))
}

/** The same for the tenants whose messages may be old enough. A shard without any is not asked. */
export async function archiveDue(env: Env, now: number): Promise<void> {
  const due = await platformOf(env).tenantsToArchive(now)
  if (due.length === 0) return
  const platform = await platformOf(env).settings()
  const byShard = Map.groupBy(await recordsOf(env, due), ({ record }) => record.placement.shard)
  await forEachShard(env, (shard) => archiveDueTenants(env, shard, byShard.get(shard) ?? [], platform, now))
}

/** A tenant that may have messages to archive, and its record. */
interface DueTenant {
  readonly due: ArchivableTenant
  readonly record: StoredTenant
}

/** The records of tenants. A tenant that is gone has nothing to archive and is forgotten. */
async function recordsOf(env: Env, tenants: readonly ArchivableTenant[]): Promise<DueTenant[]> {
  const found: DueTenant[] = []
  await inLanes(tenantsTogether, tenants, async (due) => {
    try {
      const record = await tenantOf(env, due.tenant).record()
      if (record === undefined) await platformOf(env).tenantArchived(due.tenant, null)
      else found.push({ due, record })
    } catch (thrown) {
      log.error('cron.archive-failed', { tenant: due.tenant, reason: reasonOf(thrown) })
    }
  })
  return found
}

async function archiveDueTenants(
  env: Env,
  shard: string,
  tenants: readonly DueTenant[],
  platform: PlatformSettings,
  now: number,
): Promise<void> {
  let moved = 0
  for (const tenant of tenants) moved += await archiveDueTenant(env, tenant, platform, now)
  if (moved > 0) await dropPartitions(env, shard, moved, now)
}

/** Archives a tenant, and notes when to look at it again. Returns the pages moved. */
async function archiveDueTenant(
  env: Env,
  { due: { tenant, first, last }, record }: DueTenant,
  platform: PlatformSettings,
  now: number,
): Promise<number> {
  try {
    const afterMs = withPlatformLimits(record, platform).limits.archiveAfterDays * dayMs
    const isOldEnough = first + afterMs < now
    const shard = isOldEnough ? await databaseOf(env, record.placement.shard) : undefined
    const pages = shard === undefined ? 0 : await archiveTenant(env, shard, { tenant, platform, now })
    const isComplete = isOldEnough && pages < maxPages && last + afterMs + lateMs < now
    await platformOf(env).tenantArchived(tenant, isComplete ? null : Math.max(now + dayMs / 2, first + afterMs))
    return pages
  } catch (thrown) {
    log.error('cron.archive-failed', { tenant, reason: reasonOf(thrown) })
    return 0
  }
}

async function dropPartitions(env: Env, name: string, moved: number, now: number): Promise<void> {
  try {
    const dropped = await dropEmptyPartitions(await databaseOf(env, name), monthsFrom(now, 1)[0] ?? '')
    log.info('cron.archived', { shard: name, pages: moved, partitions: dropped })
  } catch (thrown) {
    log.error('cron.archive-failed', { shard: name, pages: moved, reason: reasonOf(thrown) })
  }
}

/** A failure of one shard does not stop the others: it may be down, or not release its lock in time. */
async function archiveShard(env: Env, name: string, platform: PlatformSettings, now: number): Promise<void> {
  let moved = 0
  try {
    const shard = await databaseOf(env, name)
    for await (const tenants of placedOn(shard))
      for (const tenant of tenants) moved += await archiveTenant(env, shard, { tenant, platform, now })
    const dropped = await dropEmptyPartitions(shard, monthsFrom(now, 1)[0] ?? '')
    if (moved + dropped > 0) log.info('cron.archived', { shard: name, pages: moved, partitions: dropped })
  } catch (thrown) {
    log.error('cron.archive-failed', { shard: name, pages: moved, reason: reasonOf(thrown) })
  }
}

/**
 * A failure of one tenant does not stop the others: it is logged and left for the next night. Returns the pages moved.
 */
async function archiveTenant(
  env: Env,
  shard: Database,
  { tenant, platform, now }: { readonly tenant: string; readonly platform: PlatformSettings; readonly now: number },
): Promise<number> {
  let pages = 0
  try {
    const record = await tenantOf(env, tenant).record()
    if (record === undefined) return 0
    const before = now - withPlatformLimits(record, platform).limits.archiveAfterDays * dayMs
    for (let moved = pagesTogether; moved === pagesTogether && pages < maxPages; pages += moved)
      moved = await archiveMessages(shard, tenant, before, pagesTogether)
  } catch (thrown) {
    log.error('cron.archive-failed', { tenant, reason: reasonOf(thrown) })
  }
  return pages
}
