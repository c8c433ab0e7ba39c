import { log, reasonOf } from '../../src/kernel/log.ts'
import { idsOf, type RequestContext } from '../../src/kernel/request-context.ts'

const listedKey = 'listed'

/** Whether the platform's list of queues to sweep holds this queue, as far as the queue knows. */
export class DueListing {
  readonly #kv: SyncKvStorage
  readonly #ask: () => Promise<void>
  /** Whether the queue is on the list, or asks to be. A plain field: every change of the queue reads it. */
  isListed: boolean

  /** `ask` asks the platform to list the queue. */
  constructor(kv: SyncKvStorage, ask: () => Promise<void>) {
    this.#kv = kv
    this.#ask = ask
    this.isListed = kv.get(listedKey) === true
  }

  /** A sweep is over, and the queue is on the list for the next one, or not. */
  swept(isListed: boolean): void {
    if (this.isListed && !isListed) this.#kv.delete(listedKey)
    this.isListed = isListed
  }

  /** Has the queue put on the list; a failure is repeated with the next change. */
  async list(request?: RequestContext): Promise<void> {
    this.isListed = true
    try {
      await this.#ask()
      this.#kv.put(listedKey, true)
    } catch (thrown) {
      this.isListed = false
      log.warn('jobs.listing-failed', { ...idsOf(request), reason: reasonOf(thrown) })
    }
  }
}
