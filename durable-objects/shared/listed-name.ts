import type { Env } from '../../src/env.ts'
import { log, reasonOf } from '../../src/kernel/log.ts'
import { actorNamesNumbered, ownName } from '../address.ts'
import { namesNumberOf, type ListedClass } from '../../src/tenants/actor-names.ts'
import { eraseActor } from './tenant-actor.ts'

/** The first rows of an actor are followed by others: one alarm is soon enough for its name. */
export const listAfterMs = 5000

/**
 * Has an actor's name noted in the list of its tenant once it stores something, by its alarm, so that no caller waits for it and
 * a crash between the two loses nothing.
 */
export class ListedName {
  readonly #ctx: DurableObjectState
  readonly #env: Env
  readonly #kind: ListedClass

  constructor(ctx: DurableObjectState, env: Env, kind: ListedClass) {
    this.#ctx = ctx
    this.#env = env
    this.#kind = kind
  }

  /**
   * Notes the name and returns the number of that entry; 0 when the tenant is being erased, and this actor is empty then. Throws
   * when the list cannot be reached.
   */
  async note(): Promise<number> {
    const { tenant, name } = ownName(this.#ctx.id.name)
    const serial = await actorNamesNumbered(this.#env, tenant, namesNumberOf(name)).note(this.#kind, name)
    if (serial === 0) await eraseActor(this.#ctx)
    return serial
  }

  /** The actor gave up what it stored: removes the entry, unless there is a newer one. An entry that stays does no harm. */
  async forget(serial: number): Promise<void> {
    const { tenant, name } = ownName(this.#ctx.id.name)
    try {
      await actorNamesNumbered(this.#env, tenant, namesNumberOf(name)).forget(this.#kind, name, serial)
    } catch (thrown) {
      log.warn('actor-names.not-forgotten', { actor: this.#ctx.id.name, reason: reasonOf(thrown) })
    }
  }
}
