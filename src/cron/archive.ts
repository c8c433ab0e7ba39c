import { platformOf, tenantOf } from '../../durable-objects/address.ts'
import { archiveMessages } from '../adapters/neon/archive-messages.ts'
import { connect, type Database } from '../adapters/neon/connect.ts'
import { dropEmptyPartitions } from '../adapters/neon/drop-partitions.ts'
import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import type { ArchivableTenant } from '../events/due.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { withPlatformLimits, type PlatformSettings } from '../tenants/platform-settings.ts'
import { monthsFrom } from './months.ts'
import { placedOn } from './placed.ts'

/** Pages in one transaction, and at most in a night for one tenant; the rest waits for the next night. */
const pagesTogether = 100
const maxPages = 10_000
const dayMs = 86_400_000
/** Messages may reach Postgres this much after their tenant was last noted. */
const lateMs = 8 * dayMs

/**
 * Moves messages older than their tenant's `archiveAfterDays` into the archive of its shard, and frees the space of
 * months that are empty then. Each step is a transaction, so the work may be interrupted anywhere and continues the
 * next time.
 */
export async function archive(env: Env, now: number): Promise<void> {
  const config = loadConfig(env)
  const platform = await platformOf(env).settings()
  for (const { name } of config.shards)
    await archiveShard(env, name, connect(config, config.shardUrl(name)), platform, now)
}

/** The same for the tenants whose messages may be old enough. A shard without any is not asked. */
export async function archiveDue(env: Env, now: number): Promise<void> {
  const config = loadConfig(env)
  const due = await platformOf(env).tenantsToArchive(now)
  if (due.length === 0) return
  const platform = await platformOf(env).settings()
  for (const { name } of config.shards) {
    const shard = connect(config, config.shardUrl(name))
    let moved = 0
    for (const tenant of due) moved += await archiveDueTenant(env, { name, shard }, tenant, platform, now)
    if (moved > 0) await dropPartitions(name, shard, moved, now)
  }
}

/** Archives a tenant of this shard, and notes when to look at it again. Returns the pages moved. */
async function archiveDueTenant(
  env: Env,
  { name, shard }: { readonly name: string; readonly shard: Database },
  { tenant, first, last }: ArchivableTenant,
  platform: PlatformSettings,
  now: number,
): Promise<number> {
  try {
    const record = await tenantOf(env, tenant).record()
    if (record !== undefined && record.placement.shard !== name) return 0
    const afterMs = record === undefined ? 0 : withPlatformLimits(record, platform).limits.archiveAfterDays * dayMs
    const isOldEnough = record !== undefined && first + afterMs < now
    const pages = isOldEnough ? await archiveTenant(env, shard, { tenant, platform, now }) : 0
    const isComplete = record === undefined || (isOldEnough && pages < maxPages && last + afterMs + lateMs < now)
    await platformOf(env).tenantArchived(tenant, isComplete ? null : Math.max(now + dayMs / 2, first + afterMs))
    return pages
  } catch (thrown) {
    log.error('cron.archive-failed', { tenant, reason: reasonOf(thrown) })
    return 0
  }
}

async function dropPartitions(name: string, shard: Database, moved: number, now: number): Promise<void> {
  try {
    const dropped = await dropEmptyPartitions(shard, monthsFrom(now, 1)[0] ?? '')
    log.info('cron.archived', { shard: name, pages: moved, partitions: dropped })
  } catch (thrown) {
    log.error('cron.archive-failed', { shard: name, pages: moved, reason: reasonOf(thrown) })
  }
}

/** A failure of one shard does not stop the others: it may be down, or not release its lock in time. */
async function archiveShard(
  env: Env,
  name: string,
  shard: Database,
  platform: PlatformSettings,
  now: number,
): Promise<void> {
  let moved = 0
  try {
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
