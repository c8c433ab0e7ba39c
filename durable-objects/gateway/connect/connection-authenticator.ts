import type { Claims, SigningKey } from '../../../src/auth/claims.ts'
import { keyNotFetched, namesUnknownKey, notYetValid, tenantOfToken, verifyToken } from '../../../src/auth/token.ts'
import type { Config, OpenProfile } from '../../../src/config.ts'
import { personalTopic } from '../../../src/protocol/channels.ts'
import type { CloseName } from '../../../src/protocol/close-codes.ts'
import { refuse, refuseTooFast, type Refusal } from '../../../src/protocol/errors.ts'
import { connectWindow } from '../../../src/limits/built-in-policies.ts'
import { LocalLimits } from '../../../src/limits/local-limits.ts'
import { allowsOrigin } from '../../../src/protocol/origins.ts'
import { tenantId, type TenantLimits } from '../../../src/tenants/record.ts'
import type { Admission, TenantCache } from '../../../src/tenants/cache.ts'

/** The outcome of checking a connection token. A wrong one closes the connection, an expired one may be renewed. */
export type Authentication =
  | {
      readonly kind: 'admitted'
      readonly claims: Claims
      readonly limits: TenantLimits
      /** The token names no tenant (open profile): its connection has the channel `#<user>` in place of `user:#<user>`. */
      readonly isPlain: boolean
    }
  | { readonly kind: 'turnedAway'; readonly close: CloseName }
  | Refusal

/** A system of the open profile makes its tenant a moment after its Worker listens; clients try again by themselves. */
const starting = 'the system is starting and has not made its tenant yet'

/** Checks connection tokens against the keys of the tenant they name. Throws when the tenant's actor cannot be reached. */
export class ConnectionAuthenticator {
  readonly #tenants: TenantCache
  /** A user always connects to the same gateway of a region, so that this counts all connects in the region. */
  readonly #connects = new LocalLimits()

  readonly #open: OpenProfile | undefined
  readonly #mayBePublished: (admission: Admission, token: string) => Promise<boolean>

  /** `mayBePublished` says whether the key that a token names may be on its way from one of the tenant's addresses. */
  constructor(
    tenants: TenantCache,
    { open }: Config,
    mayBePublished: (admission: Admission, token: string) => Promise<boolean>,
  ) {
    this.#tenants = tenants
    this.#mayBePublished = mayBePublished
    this.#open = open
  }

  /** `origin` is that of the page that connects; "" passes any list. */
  async authenticate(token: string, now: number, origin = ''): Promise<Authentication> {
    if (token === '') return await this.#admitAnonymous(now, origin)
    const named = tenantOfToken(token)
    const tenant = tenantId.safeParse(named ?? this.#open?.tenant)
    const believed = tenant.success ? await this.#tenants.current(tenant.data, now) : undefined
    if (believed === undefined)
      return tenant.data !== undefined && tenant.data === this.#open?.tenant
        ? refuse('internal', starting)
        : { kind: 'turnedAway', close: 'invalidToken' }
    const admission = namesUnknownKey(token, this.#keysOf(believed)) ? await this.#askAgain(believed, now) : believed
    const isOpen = this.#open?.tenant === admission.record.id
    const keys = this.#keysOf(admission)
    const verified = await verifyToken(token, admission.record.id, keys, now, isOpen)
    if (verified.kind === 'invalid' && (await this.#mayBePublished(admission, token)))
      return refuse('tokenExpired', keyNotFetched)
    if (verified.kind === 'invalid') return { kind: 'turnedAway', close: 'invalidToken' }
    // Read again, since the state may have changed meanwhile. Only a valid token learns that its tenant is suspended.
    const newest = (await this.#tenants.get(admission.record.id, now))?.record
    if (newest?.state !== 'active')
      return { kind: 'turnedAway', close: newest?.eraseAt === undefined ? 'suspended' : 'tenantDeleted' }
    if (verified.kind === 'expired') return refuse('tokenExpired')
    if (verified.kind === 'notYetValid') return refuse('tokenExpired', notYetValid)
    const isPlain = named === undefined
    const claims = isPlain ? withPersonalTopic(verified.claims) : verified.claims
    const { limits, anonymous, origins } = admission.record
    if (!isAllowed(origins, origin)) return { kind: 'turnedAway', close: 'originNotAllowed' }
    // Connects of anonymous users are not counted: they share one user id, and one of them could lock out all others.
    if (claims.user === '')
      return anonymous || isOpen
        ? { kind: 'admitted', claims, limits, isPlain }
        : { kind: 'turnedAway', close: 'invalidToken' }
    const window = connectWindow(limits.connectsPerSecondUser)
    const taken = this.#connects.takeAll(`${claims.tenant}/${claims.user}`, [window], now)
    if (taken.kind === 'limited') return refuseTooFast('connects', taken.retryAfterMs)
    return { kind: 'admitted', claims, limits, isPlain }
  }

  #keysOf({ record, secrets }: Admission): SigningKey[] {
    return [...(this.#open?.tenant === record.id ? [this.#open.tokenKey] : []), ...secrets.tokenKeys]
  }

  async #askAgain(believed: Admission, now: number): Promise<Admission> {
    this.#tenants.forget(believed.record.id)
    return (await this.#tenants.get(believed.record.id, now)) ?? believed
  }

  /** A connect without a token names no tenant; only the open profile has one for it. */
  async #admitAnonymous(now: number, origin: string): Promise<Authentication> {
    if (this.#open === undefined) return { kind: 'turnedAway', close: 'badRequest' }
    const admission = await this.#tenants.get(this.#open.tenant, now)
    if (admission === undefined) return refuse('internal', starting)
    const { id, limits, origins } = admission.record
    if (!isAllowed(origins, origin)) return { kind: 'turnedAway', close: 'originNotAllowed' }
    const claims = { tenant: id, user: '', expiresAt: 0, issuedAt: now }
    return { kind: 'admitted', claims, limits, isPlain: true }
  }
}

/** Subscribes the user to `#<user>`, unless the user id cannot stand in a channel's name or the token names the channel. */
function withPersonalTopic(claims: Claims): Claims {
  const channel = personalTopic(claims.user)
  const { subscriptions = [] } = claims
  if (channel === undefined || subscriptions.some((one) => one.channel === channel)) return claims
  return { ...claims, subscriptions: [{ channel, overrides: {} }, ...subscriptions] }
}

const isAllowed = (origins: readonly string[] | undefined, origin: string): boolean =>
  origin === '' || allowsOrigin(origins, origin)
