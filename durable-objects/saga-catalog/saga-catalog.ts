import { SigningSecrets } from '../../src/webhooks/endpoint-post.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import type { Definition } from '../../src/sagas/definition.ts'
import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName } from '../address.ts'
import type { SagaCatalogRpc, StoredDefinition } from '../contracts.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { parseStored } from '../shared/parse-stored.ts'

export const maxDefinitions = 200
/** Versions of one definition that are kept. Actors with runs have copies of what they need. */
export const maxVersions = 100

const schema = [
  `CREATE TABLE versions (
     name TEXT NOT NULL, version INTEGER NOT NULL, created_at INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (name, version)) WITHOUT ROWID;
   CREATE TABLE names (name TEXT PRIMARY KEY, newest INTEGER NOT NULL, is_deleted INTEGER NOT NULL) WITHOUT ROWID;`,
]

/** The definitions of one tenant's sagas, and the secrets that sign their calls. */
export class SagaCatalog extends TenantActor implements SagaCatalogRpc {
  readonly #clock = systemClock
  readonly #place = new OpenPlace(this.ctx, this.env, 'saga')
  readonly #secrets = new SigningSecrets(this.ctx.storage.kv)
  readonly #sql = this.ctx.storage.sql
  #exists = isUsed(this.#sql)

  /** Registers a definition as the next version of its name; the same again as the newest is that version. */
  define(name: string, definition: Omit<Definition, 'name' | 'version'>): StoredDefinition | Refusal {
    this.#create()
    this.#place.used()
    const now = this.#clock.now()
    const known = this.#newest(name)
    const newest = known === undefined ? undefined : this.#read(name, known)
    const text = JSON.stringify(definition)
    if (newest !== undefined && JSON.stringify(withoutName(newest.definition)) === text && !this.#isDeleted(name))
      return newest
    const count = this.#sql.exec<{ n: number }>('SELECT count(*) AS n FROM names WHERE is_deleted = 0').one().n
    if (known === undefined && count >= maxDefinitions)
      return refuse('limitExceeded', `at most ${maxDefinitions} sagas; delete one first`)
    const version = (known ?? 0) + 1
    const stored = { ...definition, name, version }
    this.#sql.exec('INSERT INTO versions VALUES (?, ?, ?, ?)', name, version, now, JSON.stringify(stored))
    this.#sql.exec('INSERT OR REPLACE INTO names VALUES (?, ?, 0)', name, version)
    this.#sql.exec('DELETE FROM versions WHERE name = ? AND version <= ?', name, version - maxVersions)
    return { kind: 'stored', definition: stored, createdAt: now }
  }

  /** A version, or the newest; undefined when there is none, or when the name is deleted and no version is asked for. */
  find(name: string, version?: number): StoredDefinition | undefined {
    if (!this.#exists) return undefined
    if (version !== undefined) return this.#read(name, version)
    const newest = this.#newest(name)
    return newest === undefined || this.#isDeleted(name) ? undefined : this.#read(name, newest)
  }

  list(): { readonly name: string; readonly version: number }[] {
    if (!this.#exists) return []
    const sql = 'SELECT name, newest AS version FROM names WHERE is_deleted = 0 ORDER BY name'
    return this.#sql.exec<{ name: string; version: number }>(sql).toArray()
  }

  /** No further run starts; runs under way go on, and a later definition of this name goes on counting. */
  remove(name: string): boolean {
    if (!this.#exists) return false
    const sql = 'UPDATE names SET is_deleted = 1 WHERE name = ? AND is_deleted = 0'
    return this.#sql.exec(sql, name).rowsWritten > 0
  }

  /** The secrets that sign calls of sagas, the newest first. */
  secrets(): string[] {
    return this.#secrets.current(this.#clock.now())
  }

  rotateSecret(): string[] {
    return this.#secrets.rotate(this.#clock.now())
  }

  #newest(name: string): number | undefined {
    return this.#sql.exec<{ newest: number }>('SELECT newest FROM names WHERE name = ?', name).toArray()[0]?.newest
  }

  #isDeleted(name: string): boolean {
    return this.#sql.exec('SELECT 1 FROM names WHERE name = ? AND is_deleted = 1', name).toArray().length > 0
  }

  #read(name: string, version: number): StoredDefinition | undefined {
    const sql = 'SELECT created_at, text FROM versions WHERE name = ? AND version = ?'
    const [row] = this.#sql.exec<{ created_at: number; text: string }>(sql, name, version)
    if (row === undefined) return undefined
    return { kind: 'stored', definition: parseStored<Definition>(row.text), createdAt: row.created_at }
  }

  #create(): void {
    if (this.#exists) return
    requireTenant(ownName(this.ctx.id.name).tenant)
    migrate(this.#sql, schema)
    this.#exists = true
  }
}

function withoutName(definition: Definition): Omit<Definition, 'name' | 'version'> {
  const { name: _name, version: _version, ...rest } = definition
  return rest
}
