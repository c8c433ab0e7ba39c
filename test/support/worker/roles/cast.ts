import { env } from 'cloudflare:workers'
import { signToken } from '../../../../src/auth/token.ts'
import { issuingKey } from '../../../../src/tenants/signing-keys.ts'
import type { Role as Standing } from '../../../../src/conversations/types.ts'
import { call } from '../http.ts'
import { tokenFor } from '../topics.ts'
import { newTenant, operatorKey, succeeded, type TestTenant } from '../tenant.ts'

/**
 * Every possible caller: each role in a conversation that the code knows, users without one, and each kind of
 * credential. A role that is added to the code has no user here and does not compile.
 */
export type Role =
  | Standing
  | 'narrowed'
  | 'removed'
  | 'stranger'
  | 'server'
  | 'anonymous'
  | 'nobody'
  | 'expired'
  | 'revoked'
  | 'forged'
  | 'operator'
  | 'foreign server'
  | 'foreign user'

/** Their role in a conversation. Callers with a worthless credential claim to be a member. */
export const userOf: Readonly<Record<Role, string>> = {
  owner: 'olga',
  admin: 'adam',
  moderator: 'mona',
  reader: 'rhea',
  member: 'mia',
  narrowed: 'mia',
  removed: 'rita',
  stranger: 'sam',
  server: '',
  anonymous: '',
  nobody: '',
  expired: 'olga',
  revoked: 'rex',
  forged: 'olga',
  operator: '',
  'foreign server': '',
  'foreign user': 'olga',
}

/** The clientIds of the message that every user of a scene has sent, and of one that they have begun, without text so far. */
export const complete = 'complete'
export const growing = 'growing'

export const isRole = (name: string): name is Role => Object.hasOwn(userOf, name)
export const roles: readonly Role[] = Object.keys(userOf).filter(isRole)

/** Whose credential says nothing about a tenant, or nothing any more. */
export const unknown: readonly Role[] = ['nobody', 'expired', 'revoked', 'forged', 'operator']

/** A tenant, a foreign one, and what each role shows. */
export interface Cast {
  readonly tenant: TestTenant
  readonly foreign: TestTenant
  readonly shows: Readonly<Record<Role, string | undefined>>
}

const unbounded = { commandsPerSecondConnection: 10_000, connectsPerSecondUser: 1000 }

/** What narrows a token: it says much about a topic and nothing about conversations. */
export const narrow = [{ channels: ['orders:*'], allow: ['sub'] }]

export async function newCast(given?: TestTenant): Promise<Cast> {
  const [tenant, foreign] = [given ?? (await openTenant()), await openTenant()]
  succeeded(await call('PATCH /v1/settings', { as: tenant.key, body: { anonymous: true } }))
  return { tenant, foreign, shows: await credentials(tenant, foreign) }
}

/** A tenant that lets the anonymous in. */
export async function openTenant(): Promise<TestTenant> {
  const tenant = await newTenant(unbounded)
  succeeded(await call('PATCH /v1/settings', { as: tenant.key, body: { anonymous: true } }))
  return tenant
}

async function credentials(tenant: TestTenant, foreign: TestTenant): Promise<Cast['shows']> {
  const revoked = await tenant.token(userOf.revoked)
  succeeded(await call(`POST /v1/users/${userOf.revoked}/revoke`, { as: tenant.key }))
  return {
    owner: await tenant.token(userOf.owner),
    admin: await tenant.token(userOf.admin),
    moderator: await tenant.token(userOf.moderator),
    reader: await tenant.token(userOf.reader),
    member: await tenant.token(userOf.member),
    narrowed: await tokenFor(tenant, userOf.narrowed, { capabilities: narrow }),
    removed: await tenant.token(userOf.removed),
    stranger: await tenant.token(userOf.stranger),
    server: tenant.key,
    anonymous: await tokenFor(tenant, '', {}),
    nobody: undefined,
    expired: await signed(tenant, userOf.expired, -60_000),
    revoked,
    forged: await signed(tenant, userOf.forged, 60_000, 'not the tenant’s secret, but as long as one'),
    operator: operatorKey,
    'foreign server': foreign.key,
    'foreign user': await foreign.token(userOf['foreign user']),
  }
}

/** A token that ends `inMs` from now, by the tenant's own key or by another secret. */
async function signed(tenant: TestTenant, user: string, inMs: number, secret?: string): Promise<string> {
  const key = issuingKey((await env.TENANT.getByName(tenant.id).admission())?.secrets.tokenKeys ?? [])
  if (key === undefined) throw new Error('the tenant has no token key')
  const now = Date.now()
  const claims = { tenant: tenant.id, user, expiresAt: now + inMs }
  return await signToken(secret === undefined ? key : { ...key, secret }, claims, now)
}
