import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'
import { Settings } from '../shared/settings.ts'

/** The names of a tenant's queues: kept by its queue `default`, with which every other queue registers when first used. */
export class QueueNames {
  readonly #sql: SqlStorage
  readonly #settings: Settings
  #isRegistering = false

  constructor(sql: SqlStorage) {
    this.#sql = sql
    this.#settings = new Settings(sql, true)
  }

  add(name: string): void {
    this.#sql.exec('INSERT OR IGNORE INTO queues (name) VALUES (?)', name)
  }

  all(): string[] {
    const rows = this.#sql.exec<{ name: string }>('SELECT name FROM queues ORDER BY name').toArray()
    return ['default', ...rows.map(({ name }) => name)]
  }

  has(name: string): boolean {
    return this.#sql.exec('SELECT 1 FROM queues WHERE name = ?', name).toArray().length > 0
  }

  /** Whether this queue has still to register. */
  isNew(): boolean {
    return !this.#isRegistering && this.#settings.get('introduced') === undefined
  }

  /** Notes that this queue has registered once `registering` is done; a failure is repeated with the next change. */
  async register(registering: Promise<void>, request?: RequestContext): Promise<void> {
    this.#isRegistering = true
    try {
      await registering
      this.#settings.set('introduced', 1)
    } catch (thrown) {
      log.warn('jobs.register-failed', { ...idsOf(request), reason: reasonOf(thrown) })
    } finally {
      this.#isRegistering = false
    }
  }
}
