import { log, reasonOf } from '../../src/kernel/log.ts'
import { Settings } from '../shared/settings.ts'

/** Whether the platform's list of queues to sweep holds this queue, as far as the queue knows. */
export class DueListing {
  readonly #settings: Settings
  #isAsking = false

  constructor(sql: SqlStorage) {
    this.#settings = new Settings(sql, true)
  }

  get isListed(): boolean {
    return this.#isAsking || this.#settings.get('listed') === '1'
  }

  /** The list holds this queue, or does so no longer. */
  listed(is: boolean): void {
    if (is || this.#settings.get('listed') === '1') this.#settings.set('listed', is ? '1' : '')
  }

  /** Has the queue put on the list; a failure is repeated with the next change. */
  async list(ask: () => Promise<void>): Promise<void> {
    this.#isAsking = true
    try {
      await ask()
      this.listed(true)
    } catch (thrown) {
      log.warn('jobs.listing-failed', { reason: reasonOf(thrown) })
    } finally {
      this.#isAsking = false
    }
  }
}
