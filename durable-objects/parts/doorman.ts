import { tenantOfToken, verifyToken, type Claims } from '../../src/auth/token.ts'
import type { CloseName } from '../../src/protocol/close-codes.ts'
import { refuse, type Refusal } from '../../src/protocol/errors.ts'
import { connectWindow } from '../../src/limits/house-rules.ts'
import { LocalLimits } from '../../src/limits/local.ts'
import type { TenantLimits } from '../../src/tenants/record.ts'
import type { TenantCache } from '../../src/tenants/cache.ts'

/** Whether a token opens the door. A wrong one ends the connection, an expired one may be renewed. */
export type Admitted =
  | { readonly kind: 'admitted'; readonly claims: Claims; readonly limits: TenantLimits }
  | { readonly kind: 'turnedAway'; readonly close: CloseName }
  | Refusal

/** Checks connection tokens against the keys of the tenant they name. Throws when the tenant's actor cannot be reached. */
export class Doorman {
  readonly #tenants: TenantCache
  /** A user comes to the same gateway again, so counting here is counting all her connects in this region. */
  readonly #connects = new LocalLimits()

  constructor(tenants: TenantCache) {
    this.#tenants = tenants
  }

  async admit(token: string, now: number): Promise<Admitted> {
    if (token === '') return { kind: 'turnedAway', close: 'badRequest' }
    const tenant = tenantOfToken(token)
    const admission = tenant === undefined ? undefined : await this.#tenants.get(tenant, now)
    if (admission === undefined) return { kind: 'turnedAway', close: 'invalidToken' }

    const verified = await verifyToken(token, admission.record.id, admission.secrets.tokenKeys, now)
    if (verified.kind === 'invalid') return { kind: 'turnedAway', close: 'invalidToken' }
    // Asked again, since it may have been told of meanwhile. Only those who belong to a tenant hear how it stands.
    if ((await this.#tenants.get(admission.record.id, now))?.record.state !== 'active')
      return { kind: 'turnedAway', close: 'suspended' }
    if (verified.kind === 'expired') return refuse('tokenExpired')
    const { claims } = verified
    const { limits } = admission.record
    const window = connectWindow(limits.connectsPerSecondUser)
    const waitMs = this.#connects.takeAll(`${claims.tenant}/${claims.user}`, [window], now)
    if (waitMs > 0) return refuse('tooManyRequests', `connects: wait ${waitMs} ms`, waitMs)
    return { kind: 'admitted', claims, limits }
  }
}
