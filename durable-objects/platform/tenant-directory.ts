import { systemClock } from '../../src/kernel/clock.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import type { TenantKnowledge } from '../../src/tenants/known.ts'

const page = 1000
/** How long after a failure the tenants of earlier versions are read from Postgres again. */
const againMs = 10_000
const readKey = 'directoryRead'

/**
 * The names of all tenants, so that an invented one wakes no actor. Tenants are noted before they are created; those of
 * earlier versions are read from Postgres once, and until that has succeeded an unknown name may be one of theirs.
 */
export class TenantDirectory {
  readonly #storage: Pick<DurableObjectStorage, 'sql' | 'kv'>
  readonly #select: (after: string, limit: number) => Promise<string[]>
  #hasTable = false
  #nextReadAt = 0

  constructor(
    storage: Pick<DurableObjectStorage, 'sql' | 'kv'>,
    select: (after: string, limit: number) => Promise<string[]>,
  ) {
    this.#storage = storage
    this.#select = select
  }

  /** A tenant exists. One that was deleted never does again. */
  note(id: string): void {
    this.#makeTable()
    if (!this.isDeleted(id)) this.#storage.sql.exec('INSERT OR IGNORE INTO tenants (id) VALUES (?)', id)
  }

  /** A tenant is being erased: its name is kept, so that it is not used again. */
  noteDeleted(id: string, now = systemClock.now()): void {
    this.#makeTable()
    this.#storage.sql.exec('INSERT OR IGNORE INTO deleted_tenants (id, at) VALUES (?, ?)', id, now)
    this.#storage.sql.exec('DELETE FROM tenants WHERE id = ?', id)
  }

  /** Whether there was a tenant of this name that was erased. */
  isDeleted(id: string): boolean {
    this.#makeTable()
    return this.#storage.sql.exec('SELECT 1 FROM deleted_tenants WHERE id = ?', id).toArray().length > 0
  }

  knowledgeOf(id: string): TenantKnowledge {
    this.#makeTable()
    if (this.isDeleted(id)) return 'unknown'
    if (this.#storage.sql.exec('SELECT 1 FROM tenants WHERE id = ?', id).toArray().length > 0) return 'known'
    return this.#storage.kv.get(readKey) === true ? 'unknown' : 'perhaps'
  }

  /** Reads the tenants of earlier versions, unless that was tried a moment ago. Never throws. */
  async readOnce(now = systemClock.now()): Promise<void> {
    if (now < this.#nextReadAt) return
    this.#nextReadAt = now + againMs
    try {
      let ids = await this.#select('', page)
      while (ids.length > 0) {
        for (const id of ids) this.note(id)
        ids = await this.#select(ids.at(-1) ?? '', page)
      }
      this.#storage.kv.put(readKey, true)
    } catch (thrown) {
      log.warn('tenants.directory-unread', { reason: reasonOf(thrown) })
    }
  }

  #makeTable(): void {
    if (this.#hasTable) return
    this.#storage.sql.exec(
      `CREATE TABLE IF NOT EXISTS tenants (id TEXT PRIMARY KEY) WITHOUT ROWID;
       CREATE TABLE IF NOT EXISTS deleted_tenants (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID`,
    )
    this.#hasTable = true
  }
}
