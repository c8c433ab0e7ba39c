import { requireTenant } from '../../src/tenants/erased.ts'
import { ownName } from '../address.ts'
import type { CancelCall, RecipientsRpc, HandoverCall, Taken } from '../notification-contracts.ts'
import { isUsed, migrate } from '../shared/migrate.ts'
import { OpenPlace } from '../shared/open-place.ts'
import { TenantActor } from '../shared/tenant-actor.ts'
import { recipientsSchema } from './schema.ts'

/**
 * Users of a tenant with their notices: one of sixteen actors, each with the users whose ids hash to its number. Decides for many users in
 * one commit, and then lets Workers send; it never waits for one.
 */
export class Recipients extends TenantActor implements RecipientsRpc {
  readonly #place = new OpenPlace(this.ctx, this.env, 'recipients')
  readonly #tenant = ownName(this.ctx.id.name).tenant
  readonly #sql = this.ctx.storage.sql
  /** An actor that was only asked has no tables. */
  #isUsed = isUsed(this.#sql)

  constructor(...given: ConstructorParameters<typeof TenantActor>) {
    super(...given)
    if (this.#isUsed) migrate(this.#sql, recipientsSchema)
  }

  handOver(_call: HandoverCall): Promise<Taken> {
    this.#use()
    throw new Error('recipients: runs are not decided yet')
  }

  cancel(_call: CancelCall): void {
    this.#use()
  }

  /** Creates the tables, on the first write. */
  #use(): void {
    this.#place.used()
    if (this.#isUsed) return
    requireTenant(this.#tenant)
    migrate(this.#sql, recipientsSchema)
    this.#isUsed = true
  }
}
