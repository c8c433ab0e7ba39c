import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { ownName, tenantOf } from '../address.ts'
import type { ListedClass, NamesPage } from '../../src/tenants/actor-names.ts'
import type { ActorNamesRpc } from '../contracts.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { TenantActor } from '../shared/tenant-actor.ts'

const namesPerPage = 500

const schema: readonly string[] = [
  `CREATE TABLE names (class TEXT NOT NULL, name TEXT NOT NULL, serial INTEGER NOT NULL, PRIMARY KEY (class, name)) WITHOUT ROWID;
   CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;`,
]

/**
 * Names of a tenant's actors that no other store lists: topics, limiters, and inboxes of users that are in no conversation. An actor
 * has its name noted once, by its alarm, after it stored its first row. A deletion finds them here.
 */
export class ActorNames extends TenantActor implements ActorNamesRpc {
  readonly #place = new OpenPlace(this.ctx, this.env, 'actor-names')
  #isOpen = isUsed(this.ctx.storage.sql)

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env)
    if (this.#isOpen) migrate(ctx.storage.sql, schema)
  }

  /** An actor stores something. Returns the number of the entry; 0 says that the tenant is being erased, and the actor with it. */
  async note(kind: ListedClass, name: string): Promise<number> {
    this.#place.used()
    if (!this.#isOpen && (await tenantOf(this.env, ownName(this.ctx.id.name).tenant).isErased())) return 0
    if (!this.#isOpen) migrate(this.ctx.storage.sql, schema)
    this.#isOpen = true
    if (this.#isClosed()) return 0
    const { serial } = this.ctx.storage.sql
      .exec<{ serial: number }>(
        `INSERT INTO names (class, name, serial) VALUES (?, ?, ?)
         ON CONFLICT (class, name) DO UPDATE SET serial = max(serial + 1, excluded.serial) RETURNING serial`,
        kind,
        name,
        systemClock.now(),
      )
      .one()
    return serial
  }

  /** An actor stores nothing any more, unless it was noted again since it got this number. */
  forget(kind: ListedClass, name: string, serial: number): void {
    if (!this.#isOpen) return
    this.ctx.storage.sql.exec('DELETE FROM names WHERE class = ? AND name = ? AND serial = ?', kind, name, serial)
  }

  /** Removes a name whatever its number: what it names was erased. Returns whether it was there. */
  remove(kind: ListedClass, name: string): boolean {
    if (!this.#isOpen) return false
    const found = 'SELECT 1 FROM names WHERE class = ? AND name = ?'
    const isThere = this.ctx.storage.sql.exec(found, kind, name).toArray().length > 0
    this.ctx.storage.sql.exec('DELETE FROM names WHERE class = ? AND name = ?', kind, name)
    return isThere
  }

  /** From now on no name is noted: the tenant is being erased. */
  close(): void {
    if (this.#isOpen) this.ctx.storage.sql.exec("INSERT OR REPLACE INTO facts (name, value) VALUES ('closed', '1')")
  }

  /** Names of a class after `after`, in their order; `next` is where the following page begins. */
  names(kind: ListedClass, after: string): NamesPage {
    if (!this.#isOpen) return { names: [], next: null }
    const names = this.ctx.storage.sql
      .exec<{ name: string }>(
        'SELECT name FROM names WHERE class = ? AND name > ? ORDER BY name LIMIT ?',
        kind,
        after,
        namesPerPage,
      )
      .toArray()
      .map(({ name }) => name)
    return { names, next: names.length < namesPerPage ? null : (names.at(-1) ?? null) }
  }

  #isClosed(): boolean {
    return this.ctx.storage.sql.exec("SELECT 1 FROM facts WHERE name = 'closed'").toArray().length > 0
  }
}
