import { log, reasonOf } from '../../src/kernel/log.ts'
import { Settings } from '../shared/settings.ts'

/** Which queues a tenant has: kept by its queue `default`, told by each other one when it is first used. */
export class QueueNames {
  readonly #sql: SqlStorage
  readonly #facts: Settings
  #telling = false

  constructor(sql: SqlStorage) {
    this.#sql = sql
    this.#facts = new Settings(sql, true)
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

  /** Whether this queue has still to make itself known. */
  isNew(): boolean {
    return !this.#telling && this.#facts.get('introduced') === undefined
  }

  /** Notes that it did, once it has; otherwise it tries again with the next change. */
  async introduced(introduction: Promise<void>): Promise<void> {
    this.#telling = true
    try {
      await introduction
      this.#facts.set('introduced', 1)
    } catch (thrown) {
      log.warn('jobs.register-failed', { reason: reasonOf(thrown) })
    } finally {
      this.#telling = false
    }
  }
}
