import { hasCheck } from '../../../src/conversations/conversation-ids.ts'
import type { Env } from '../../../src/env.ts'
import { BoundedMap } from '../../../src/kernel/bounded-map.ts'
import type { Clock } from '../../../src/kernel/clock.ts'
import { log, reasonOf } from '../../../src/kernel/log.ts'
import type { Ready } from '../../../src/kernel/ready.ts'
import type { TenantCache } from '../../../src/tenants/cache.ts'
import { inboxNotesOf, jobQueueOf } from '../../address.ts'

/** Names that are remembered as known. */
const maxRemembered = 20_000

/**
 * Tells names of conversations and queues that exist, or may exist, from invented ones, so that no actor is woken for those:
 * an actor that was woken once leaves a file behind. Names that are known are answered at once.
 */
export class NameDirectory {
  readonly #env: Env
  readonly #tenants: TenantCache
  readonly #clock: Clock
  readonly #known = new BoundedMap<string, true>(maxRemembered)
  /** Tenants of earlier versions. */
  readonly #unchecked = new BoundedMap<string, true>(maxRemembered)

  constructor(env: Env, tenants: TenantCache, clock: Clock) {
    this.#env = env
    this.#tenants = tenants
    this.#clock = clock
  }

  /** Whether the tenant may have a conversation of that id. */
  hasConversation(tenant: string, id: string): Ready<boolean> {
    return this.#has(`${tenant}/${id}`, async () => {
      const secret = (await this.#tenants.get(tenant, this.#clock.now()))?.secrets.conversationIdSecret
      if (secret === undefined) this.#unchecked.set(tenant, true)
      if (secret === undefined || (await hasCheck(id, secret))) return true
      return await inboxNotesOf(this.#env, tenant, id).hasChosenId(id)
    })
  }

  /** Whether an id that `hasConversation` found was checked: for tenants of earlier versions, whose ids carry no check, any id is found. */
  areIdsChecked(tenant: string): boolean {
    return !this.#unchecked.has(tenant)
  }

  /** Whether the tenant has a queue of that name. */
  hasQueue(tenant: string, queue: string): Ready<boolean> {
    if (queue === 'default') return true
    return this.#has(`${tenant}/queue/${queue}`, () => jobQueueOf(this.#env, tenant, 'default').hasQueue(queue))
  }

  #has(name: string, ask: () => Promise<boolean>): Ready<boolean> {
    return this.#known.has(name) || this.#ask(name, ask)
  }

  /** While the directory cannot be reached any name is taken for known: its actor refuses what does not exist. */
  async #ask(name: string, ask: () => Promise<boolean>): Promise<boolean> {
    try {
      if (!(await ask())) return false
    } catch (thrown) {
      log.warn('gateway.name-unchecked', { reason: reasonOf(thrown) })
      return true
    }
    this.#known.set(name, true)
    return true
  }
}
