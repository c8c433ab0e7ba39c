import { createMiddleware } from 'hono/factory'
import { findKey, hashApiKey, tenantOfKey } from '../../auth/api-key.ts'
import type { Principal } from '../../auth/principal.ts'
import { keyNotFetched, notYetValid, tenantOfToken, verifyToken } from '../../auth/token.ts'
import { loadConfig } from '../../config.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'
import { systemClock } from '../../kernel/clock.ts'
import { tokenLength } from '../../protocol/limits.ts'
import type { App, AppContext } from '../http/context.ts'
import { admitAttempt, noteSuccess, noteFailure } from '../rate-limits/failed-credentials.ts'
import { fail, localTenantMissing, ProblemError } from '../http/problem.ts'
import type { TenantRecord } from '../../tenants/record.ts'
import { isRevoked } from '../identity/revocations.ts'
import { admissionFor, mayBePublished, cachedTenant, tenantRecordOf } from '../identity/tenants.ts'

/** Sets the caller: an API key, a user token, or none. A credential that is neither is refused, not ignored. */
export const authenticate = () =>
  createMiddleware<App>(async function authenticate(c, next) {
    c.set('principal', await principalOf(c))
    return await next()
  })

/** Refuses anonymous callers, before the request is read. */
export const onlyKnown = () =>
  createMiddleware<App>(async function onlyKnown(c, next) {
    known(c)
    return await next()
  })

/** Refuses all callers but a tenant's server, before the request is read. */
export const onlyServer = () =>
  createMiddleware<App>(async function onlyServer(c, next) {
    server(c)
    return await next()
  })

/** The operator's key opens the rest of the path, and nothing else does; without ADMIN_KEY it is closed. */
export const onlyOperator = () =>
  createMiddleware<App>(async function onlyOperator(c, next) {
    await requireOperator(c)
    return await next()
  })

/** Refuses callers without the operator's key. Digests are compared, so that the time of the comparison tells nothing. */
export async function requireOperator(c: AppContext): Promise<void> {
  const { adminKey } = loadConfig(c.env)
  const given = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  if (given !== undefined) admitAttempt(c, given)
  const allowed =
    adminKey !== undefined && given !== undefined && (await hashApiKey(given)) === (await hashApiKey(adminKey))
  if (!allowed) return await noteFailure(c, given ?? '', 'Authorization: give "Bearer <ADMIN_KEY>"')
  noteSuccess(given)
}

/** The caller of a request; its tenant's record is set beside it, so that it is looked up once. */
export async function principalOf(c: AppContext): Promise<Principal> {
  if (c.env.innerTenant !== undefined) return await innerServer(c, c.env.innerTenant)
  const header = c.req.header('authorization')
  if (header === undefined) return { kind: 'anonymous' }
  const credential = /^Bearer +(\S+)$/i.exec(header)?.[1]
  if (credential === undefined || credential.length > tokenLength)
    return fail('unauthorized', 'Authorization: must be "Bearer <API key or user token>"')
  // A signature cannot be guessed: a valid token enters also from an address that another caller spent.
  return credential.split('.').length === 3 ? await byToken(c, credential) : await byApiKey(c, credential)
}

/** The key id of requests that the Worker makes for a tenant: the steps of its sagas. */
const innerKeyId = 'sagas'

async function innerServer(c: AppContext, tenant: string): Promise<Principal> {
  const record = await tenantRecordOf(c.env, tenant, systemClock.now())
  if (record?.state !== 'active') return fail('not-allowed', 'this tenant is suspended')
  c.set('tenant', record)
  return { kind: 'server', tenant, keyId: innerKeyId }
}

/** The tenant whose API key it is, by whichever header it came; a wrong one is counted as a guess. */
export async function byApiKey(c: AppContext, key: string): Promise<Principal> {
  admitAttempt(c, key)
  const principal = await byKey(c, key)
  noteSuccess(key)
  return principal
}

async function byKey(c: AppContext, key: string): Promise<Principal> {
  const { localTenant, localApiKey, open } = loadConfig(c.env)
  const isOpen = open?.apiKey === key
  const tenant = isOpen ? open.tenant : (tenantOfKey(key) ?? (key === localApiKey ? localTenant : undefined))
  const now = systemClock.now()
  const record =
    tenant === undefined ? undefined : (cachedTenant(tenant, now) ?? (await tenantRecordOf(c.env, tenant, now)))
  if (record === undefined && (isOpen || key === localApiKey)) throw localTenantMissing()
  if (isOpen) return { kind: 'server', tenant: open.tenant, keyId: 'open' }
  const known = record === undefined ? undefined : findKey(record.keys, hashes.get(key) ?? (await hashOf(key)))
  if (record === undefined || known === undefined)
    return noteFailure(c, key, 'Authorization: this API key is not known')
  if (record.state !== 'active') return refuseState(record)
  c.set('tenant', record)
  return { kind: 'server', tenant: record.id, keyId: known.id }
}

const refuseState = ({ eraseAt }: TenantRecord): never =>
  fail('not-allowed', eraseAt === undefined ? 'this tenant is suspended' : 'this tenant is being deleted')

/** Hashes of the keys that were shown here, the oldest dropped first: a server sends the same key with every request. */
const hashes = new BoundedMap<string, string>(1000)

async function hashOf(key: string): Promise<string> {
  const hash = await hashApiKey(key)
  hashes.set(key, hash)
  return hash
}

async function byToken(c: AppContext, token: string): Promise<Principal> {
  const now = systemClock.now()
  const tenant = tenantOfToken(token)
  const admission = tenant === undefined ? undefined : await admissionFor(c.env, tenant, token, now)
  if (admission === undefined) return noteFailure(c, token, 'Authorization: this token is not valid')

  const verified = await verifyToken(token, admission.record.id, admission.secrets.tokenKeys, now)
  if (verified.kind === 'expired')
    return fail('unauthorized', 'Authorization: this token has expired; get a new one from POST /v1/tokens')
  if (verified.kind === 'notYetValid') return fail('unauthorized', `Authorization: ${notYetValid}`)
  if (verified.kind === 'invalid' && (await mayBePublished(c.env, admission, token)))
    throw new ProblemError({ name: 'unavailable', detail: keyNotFetched, retryAfterMs: 1000 })
  if (verified.kind === 'invalid') return noteFailure(c, token, 'Authorization: this token is not valid')
  if (verified.claims.user === '')
    return fail('unauthorized', 'Authorization: this token names no user; over HTTP a user is needed')
  if (admission.record.state !== 'active') return refuseState(admission.record)
  const revoked = await isRevoked(c.env, verified.claims, now)
  if (revoked === 'banned')
    return fail('user-banned', 'your tenant has banned this user; its server lists bans and their ends at GET /v1/bans')
  if (revoked) return fail('unauthorized', 'Authorization: this token was revoked; get a new one from POST /v1/tokens')
  c.set('tenant', admission.record)
  return { kind: 'user', tenant: admission.record.id, user: verified.claims.user }
}

/** The principal, when it is the tenant's server or one of its users. */
export function known(c: AppContext): Exclude<Principal, { kind: 'anonymous' }> {
  const principal = c.get('principal')
  if (principal.kind === 'anonymous')
    return fail('unauthorized', 'Authorization: give "Bearer <API key or user token>"')
  return principal
}

/** The principal, when it is the tenant's server. */
export function server(c: AppContext): Extract<Principal, { kind: 'server' }> {
  const principal = known(c)
  return principal.kind === 'server' ? principal : fail('not-allowed', 'this needs an API key, not a user token')
}
