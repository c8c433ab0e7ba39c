import {
  noteEveryMs,
  type ArchivableTenant,
  type DueQueue,
  type SweptQueue,
  type UsedGateway,
} from '../../src/events/due.ts'

const dayMs = 86_400_000
/** Messages may reach Postgres this much later than they were written, and are counted nevertheless. */
const lateMs = 8 * dayMs
const maxFigures = 1000

const tables = `
  CREATE TABLE IF NOT EXISTS due_queues (
    tenant TEXT NOT NULL, queue TEXT NOT NULL, at INTEGER, turn INTEGER NOT NULL, has_dead INTEGER NOT NULL, figures TEXT,
    PRIMARY KEY (tenant, queue)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS due_queues_at ON due_queues (at);
  CREATE TABLE IF NOT EXISTS used_tenants (
    tenant TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, counted INTEGER NOT NULL,
    archive_at INTEGER) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS used_gateways (gateway TEXT PRIMARY KEY, turn INTEGER NOT NULL) WITHOUT ROWID;`

/**
 * What the scheduled tasks have to visit: queues, tenants and gateways that were in use. They note themselves when they
 * begin to be used and are forgotten when nothing is left to do, so that one that is not used costs nothing.
 */
export class DueList {
  readonly #sql: SqlStorage
  #hasTables = false

  constructor(sql: SqlStorage) {
    this.#sql = sql
  }

  /** A queue has something to sweep. */
  noteQueue(tenant: string, queue: string): void {
    this.#makeTables()
    this.#sql.exec(
      `INSERT INTO due_queues (tenant, queue, at, turn, has_dead) VALUES (?, ?, 0, 1, 0)
       ON CONFLICT (tenant, queue) DO UPDATE SET at = 0, turn = turn + 1`,
      tenant,
      queue,
    )
  }

  /** Up to `limit` queues that are due and come after `after`. */
  queues(now: number, after: Pick<DueQueue, 'tenant' | 'queue'>, limit: number): DueQueue[] {
    this.#makeTables()
    return this.#sql
      .exec<{ tenant: string; queue: string; turn: number }>(
        `SELECT tenant, queue, turn FROM due_queues WHERE at <= ? AND (tenant, queue) > (?, ?)
         ORDER BY tenant, queue LIMIT ?`,
        now,
        after.tenant,
        after.queue,
        limit,
      )
      .toArray()
  }

  hasQueues(now: number): boolean {
    this.#makeTables()
    return this.#sql.exec('SELECT 1 FROM due_queues WHERE at <= ? LIMIT 1', now).toArray().length > 0
  }

  /** Notes what a sweep found. A queue that asked for another sweep meanwhile stays due. What did not change is not written. */
  swept(queues: readonly SweptQueue[]): void {
    this.#makeTables()
    for (const { tenant, queue, turn, at, figures, hasDead } of queues)
      this.#sql.exec(
        `INSERT INTO due_queues (tenant, queue, at, turn, has_dead, figures) VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (tenant, queue) DO UPDATE SET
           at = iif(turn = excluded.turn, excluded.at, 0), has_dead = excluded.has_dead, figures = excluded.figures
         WHERE figures IS NOT excluded.figures OR at IS NOT excluded.at`,
        tenant,
        queue,
        at,
        turn,
        hasDead ? 1 : 0,
        figures,
      )
  }

  /** The figures of queues, those in use first. */
  figures(): string[] {
    this.#makeTables()
    return this.#sql
      .exec<{ figures: string }>(
        `SELECT figures FROM due_queues WHERE figures IS NOT NULL ORDER BY has_dead DESC, at IS NULL, at LIMIT ?`,
        maxFigures,
      )
      .toArray()
      .map(({ figures }) => figures)
  }

  /** Queues that held dead jobs at their last sweep. */
  queuesWithDead(): { tenant: string; queue: string }[] {
    this.#makeTables()
    return this.#sql
      .exec<{ tenant: string; queue: string }>('SELECT tenant, queue FROM due_queues WHERE has_dead = 1')
      .toArray()
  }

  /** Tenants are in use: messages, connections or jobs. Called again and again while they are. */
  noteUse(tenants: readonly string[], now: number): void {
    this.#makeTables()
    for (const tenant of tenants)
      this.#sql.exec(
        `INSERT INTO used_tenants (tenant, first, last, counted, archive_at) VALUES (?, ?, ?, 0, ?)
         ON CONFLICT (tenant) DO UPDATE SET
           first = iif(archive_at IS NULL, excluded.first, first), last = excluded.last,
           archive_at = coalesce(archive_at, excluded.archive_at)
         WHERE last < excluded.last - ${noteEveryMs / 2} OR archive_at IS NULL`,
        tenant,
        now,
        now,
        now + dayMs,
      )
  }

  /** Tenants whose use is to be counted: those used since it was last counted, or, with `all`, in the last week. */
  toCount(now: number, all: boolean): string[] {
    this.#makeTables()
    const sql = 'SELECT tenant FROM used_tenants WHERE last >= iif(?, ?, counted - ?) ORDER BY tenant'
    return this.#tenants(sql, all ? 1 : 0, now - lateMs, 2 * noteEveryMs)
  }

  /** The use of these tenants was counted at `now`. Those with nothing left to count or archive are forgotten. */
  counted(tenants: readonly string[], now: number): void {
    this.#makeTables()
    for (const tenant of tenants) this.#sql.exec('UPDATE used_tenants SET counted = ? WHERE tenant = ?', now, tenant)
    this.#sql.exec('DELETE FROM used_tenants WHERE archive_at IS NULL AND last < ?', now - lateMs)
  }

  /** Tenants used since `since`. */
  usedSince(since: number): string[] {
    this.#makeTables()
    return this.#tenants('SELECT tenant FROM used_tenants WHERE last >= ? ORDER BY tenant', since)
  }

  toArchive(now: number): ArchivableTenant[] {
    this.#makeTables()
    return this.#sql
      .exec<{ tenant: string; first: number; last: number }>(
        'SELECT tenant, first, last FROM used_tenants WHERE archive_at <= ? ORDER BY tenant',
        now,
      )
      .toArray()
  }

  /** When to look at a tenant's archive again; null once all its messages are there. */
  archived(tenant: string, nextAt: number | null): void {
    this.#makeTables()
    this.#sql.exec('UPDATE used_tenants SET archive_at = ? WHERE tenant = ?', nextAt, tenant)
  }

  /** Limits have changed, and with them perhaps when messages are archived: the next night looks again; all tenants without one named. */
  archiveSooner(now: number, tenant?: string): void {
    this.#makeTables()
    this.#sql.exec(
      'UPDATE used_tenants SET archive_at = ?1 WHERE archive_at > ?1 AND tenant = coalesce(?2, tenant)',
      now,
      tenant ?? null,
    )
  }

  /** A gateway has connections. */
  noteGateway(gateway: string): void {
    this.#makeTables()
    this.#sql.exec(
      `INSERT INTO used_gateways (gateway, turn) VALUES (?, 1) ON CONFLICT (gateway) DO UPDATE SET turn = turn + 1`,
      gateway,
    )
  }

  gateways(): UsedGateway[] {
    this.#makeTables()
    return this.#sql
      .exec<{ gateway: string; turn: number }>('SELECT gateway, turn FROM used_gateways ORDER BY gateway')
      .toArray()
  }

  /** A gateway was found without connections, unless it has noted itself since. */
  gatewayUnused({ gateway, turn }: UsedGateway): void {
    this.#makeTables()
    this.#sql.exec('DELETE FROM used_gateways WHERE gateway = ? AND turn = ?', gateway, turn)
  }

  /** Deletes what is listed of a tenant; returns how many rows. */
  eraseTenant(tenant: string): number {
    const rows = this.rowsOfTenant(tenant)
    this.#sql.exec('DELETE FROM due_queues WHERE tenant = ?', tenant)
    this.#sql.exec('DELETE FROM used_tenants WHERE tenant = ?', tenant)
    return rows
  }

  queuesOfTenant(tenant: string): string[] {
    this.#makeTables()
    return this.#sql
      .exec<{ queue: string }>('SELECT queue FROM due_queues WHERE tenant = ?', tenant)
      .toArray()
      .map(({ queue }) => queue)
  }

  rowsOfTenant(tenant: string): number {
    this.#makeTables()
    const counted = `SELECT (SELECT count(*) FROM due_queues WHERE tenant = ?1) + (SELECT count(*) FROM used_tenants WHERE tenant = ?1) AS rows`
    return Number(this.#sql.exec(counted, tenant).one()['rows'])
  }

  #tenants(sql: string, ...bindings: number[]): string[] {
    return this.#sql
      .exec<{ tenant: string }>(sql, ...bindings)
      .toArray()
      .map(({ tenant }) => tenant)
  }

  #makeTables(): void {
    if (this.#hasTables) return
    this.#sql.exec(tables)
    this.#hasTables = true
  }
}
