import { log, reasonOf } from '../../../src/kernel/log.ts'
import { platformOf } from '../../address.ts'
import type { GatewayContext } from '../gateway-context.ts'

/** Whether the platform's list of gateways in use holds this one. */
const listedKey = 'listed'

/** Has the platform list this gateway while it has connections, so that sweeps count them. */
export class GatewayListing {
  readonly #context: GatewayContext

  constructor(context: GatewayContext) {
    this.#context = context
  }

  /** Called with each heartbeat; calls the platform once while there are connections. Never throws. */
  async note(): Promise<void> {
    const { env, name, sockets, storage } = this.#context
    if (sockets.count === 0 || storage.kv.get(listedKey) === true) return
    storage.kv.put(listedKey, true)
    try {
      await platformOf(env).noteGateway(name)
    } catch (thrown) {
      storage.kv.delete(listedKey)
      log.warn('gateway.unlisted', { reason: reasonOf(thrown) })
    }
  }

  /** A sweep found no connections. */
  end(): void {
    if (this.#context.storage.kv.get(listedKey) !== undefined) this.#context.storage.kv.delete(listedKey)
  }
}
