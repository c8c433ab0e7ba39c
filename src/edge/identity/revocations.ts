import { inboxOf } from '../../../durable-objects/address.ts'
import type { Env } from '../../env.ts'
import { BoundedMap } from '../../kernel/bounded-map.ts'

/** How long a user's tokens are believed without asking whether they were revoked. */
const freshMs = 10_000
const maxUsers = 10_000
/** Values only, never promises: a request must not wait for another's I/O. */
const known = new BoundedMap<string, { readonly until: number; readonly revokedAt: number }>(maxUsers)

const nameOf = (tenant: string, user: string) => `${tenant}/${user}`

/** Whether a token was issued before its user's sessions were last ended. True elsewhere within ten seconds. */
export async function isRevoked(
  env: Env,
  { tenant, user, issuedAt }: { readonly tenant: string; readonly user: string; readonly issuedAt: number },
  now: number,
): Promise<boolean> {
  const name = nameOf(tenant, user)
  const believed = known.get(name)
  if (believed !== undefined && believed.until > now) return issuedAt <= believed.revokedAt
  const revokedAt = await inboxOf(env, tenant, user).revokedAt()
  known.set(name, { until: now + freshMs, revokedAt })
  return issuedAt <= revokedAt
}

/** Ends all of a user's sessions and voids the user's tokens. Returns the moment, in milliseconds since the epoch. */
export async function revoke(env: Env, tenant: string, user: string): Promise<number> {
  const revokedAt = await inboxOf(env, tenant, user).revoke()
  known.delete(nameOf(tenant, user))
  return revokedAt
}
