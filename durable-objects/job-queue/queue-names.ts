import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'
import { within } from '../../src/kernel/retry.ts'
import { Settings } from '../shared/settings.ts'

/** How long the first job of a new queue waits for the tenant's list of queues at most. */
const registrationMs = 2000

/** The names of a tenant's queues: kept by its queue `default`, with which every other queue registers when first used. */
export class QueueNames {
  readonly #sql: SqlStorage
  readonly #settings: Settings
  readonly #introduce: (() => Promise<void>) | undefined
  /** Whether this queue has still to register. A plain field: every change of the queue reads it. */
  isNew: boolean

  /** `introduce` registers this queue with `default`; undefined for `default` itself. */
  constructor(sql: SqlStorage, introduce: (() => Promise<void>) | undefined) {
    this.#sql = sql
    this.#settings = new Settings(sql, true)
    this.#introduce = introduce
    this.isNew = introduce !== undefined && this.#settings.get('introduced') === undefined
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

  /** Registers this queue; a failure is repeated with the next change. Never rejects. */
  async register(request?: RequestContext): Promise<void> {
    this.isNew = false
    try {
      await within(registrationMs, 'registering a queue', this.#introduce?.() ?? Promise.resolve())
      this.#settings.set('introduced', 1)
    } catch (thrown) {
      this.isNew = true
      log.warn('jobs.register-failed', { ...idsOf(request), reason: reasonOf(thrown) })
    }
  }
}
