import { callSagaEndpoint } from '../../src/adapters/saga-endpoint.ts'
import type { Env } from '../../src/env.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { KnownFor } from '../../src/kernel/known-for.ts'
import type { Outcome } from '../../src/sagas/advance.ts'
import type { EndpointCall } from '../../src/sagas/definition.ts'
import type { Effect, SagaDocument } from '../../src/sagas/run.ts'
import { sagaCatalogOf } from '../address.ts'

/**
 * Posts that one actor makes itself at once. The platform has six connections for one actor, where further ones wait while their
 * deadline runs; one is left for calls to other actors.
 */
const maxAtOnce = 5
/** For how long the secrets that sign are used, in milliseconds. */
const secretsForMs = 10_000

/** Posts to endpoints that an actor of runs makes itself: an invocation of the Worker for each costs more than the post. */
export class EndpointPosts {
  readonly #env: Env
  readonly #tenant: string
  readonly #secrets = new KnownFor<readonly string[]>(secretsForMs, 1)
  #underWay = 0

  constructor(env: Env, tenant: string) {
    this.#env = env
    this.#tenant = tenant
  }

  get isFull(): boolean {
    return this.#underWay >= maxAtOnce
  }

  async make(action: EndpointCall, effect: Effect, document: SagaDocument): Promise<Outcome> {
    this.#underWay++
    try {
      return await callSagaEndpoint(this.#env, this.#tenant, action, { ...effect, document }, await this.#secretsNow())
    } finally {
      this.#underWay--
    }
  }

  async #secretsNow(): Promise<readonly string[]> {
    const now = systemClock.now()
    const known = this.#secrets.get('', now)
    if (known !== undefined) return known
    const secrets = await sagaCatalogOf(this.#env, this.#tenant).secrets()
    this.#secrets.set('', secrets, now)
    return secrets
  }
}
