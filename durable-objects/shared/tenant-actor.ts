import { DurableObject } from 'cloudflare:workers'
import type { Env } from '../../src/env.ts'
import { noteErased } from '../../src/tenants/erased.ts'
import type { ErasableRpc } from '../contracts.ts'

/** The answer to the call that erased an actor has left by then, in milliseconds. */
const answeredMs = 50
const ownTables = String.raw`
  SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\_cf\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`

/** An actor that belongs to one tenant and is erased with it. */
export abstract class TenantActor extends DurableObject<Env> implements ErasableRpc {
  /** Deletes the storage and the alarm, and ends the instance with its connections and all that it has in memory. Repeats do no harm. */
  async erase(): Promise<void> {
    await eraseActor(this.ctx)
  }

  /** The size of the database of this actor. */
  storedBytes(): number {
    return this.ctx.storage.sql.databaseSize
  }

  /** How much is stored: rows, values and the alarm. Tables without a row are no content, and are given up. */
  async remains(): Promise<number> {
    const { sql, kv } = this.ctx.storage
    const tables = tablesOf(sql)
    let stored = [...kv.list({ limit: 1000 })].length + ((await this.ctx.storage.getAlarm()) === null ? 0 : 1)
    for (const name of tables)
      if (name !== 'schema_steps') stored += Number(sql.exec(`SELECT count(*) AS rows FROM "${name}"`).one()['rows'])
    if (stored === 0 && tables.length > 0) await this.erase()
    return stored
  }
}

/** See `TenantActor.erase`; also called by an actor that learns by itself that its tenant is being erased. */
export async function eraseActor(ctx: DurableObjectState): Promise<void> {
  if (ctx.id.name !== undefined) noteErased(tenantIn(ctx.id.name))
  await emptyActor(ctx, 'the tenant was deleted')
}

/** Deletes what one actor stores, and ends the instance. Its tenant stays. */
export async function emptyActor(ctx: DurableObjectState, reason: string): Promise<void> {
  const { storage } = ctx
  const isEmpty = tablesOf(storage.sql).length === 0 && [...storage.kv.list({ limit: 1 })].length === 0
  await storage.deleteAlarm()
  if (isEmpty) return
  await storage.deleteAll()
  await storage.sync()
  // What the instance has in memory belongs to tables that are gone.
  setTimeout(() => ctx.abort(reason), answeredMs)
}

const tablesOf = (sql: SqlStorage): string[] =>
  sql
    .exec<{ name: string }>(ownTables)
    .toArray()
    .map(({ name }) => name)

/** The tenant in the name of an actor: all before the slash. */
const tenantIn = (name: string): string => name.split('/', 1)[0] ?? ''
