import { cacheEpochsOf } from '../../../durable-objects/address.ts'
import { callInbox } from '../../../durable-objects/open-actors.ts'
import { cachePorts } from '../../adapters/cache-ports.ts'
import { processEpochs } from '../../adapters/process-epochs.ts'
import { Cache } from '../../cache/cache.ts'
import { usual } from '../../cache/options.ts'
import type { Env } from '../../env.ts'
import { bannedMark } from '../../inbox/user-ban.ts'
import { invalidate } from './tenants.ts'

const tagsOf = (name: string): readonly string[] => [`user:${name}`]
const nameOf = (tenant: string, user: string) => `${tenant}/${user}`

/** When the tokens of users were last revoked, in milliseconds since the epoch. */
export const revocations = new Cache<number>({
  ...usual,
  name: 'revocation',
  tags: tagsOf,
  ttlMs: 10_000,
  staleMs: 0,
  sizeOf: () => 8,
})

/**
 * Whether a token was issued before its user's sessions were last ended, or its user is banned now. Known elsewhere within a second; the
 * end of a ban within ten.
 */
export async function isRevoked(
  env: Env,
  { tenant, user, issuedAt }: { readonly tenant: string; readonly user: string; readonly issuedAt: number },
  now: number,
): Promise<boolean | 'banned'> {
  const name = nameOf(tenant, user)
  const known = revocations.peek(name, processEpochs.view, now)
  if (known !== undefined) return judge(issuedAt, known)
  const ports = cachePorts(env, (epochs, read) => cacheEpochsOf(env).since(epochs, read), now)
  const revokedAt = await revocations.read(
    name,
    () => callInbox(env, tenant, user, (inbox) => inbox.revokedAt()),
    ports,
  )
  return judge(issuedAt, revokedAt ?? 0)
}

const judge = (issuedAt: number, revokedAt: number): boolean | 'banned' =>
  revokedAt === bannedMark ? 'banned' : issuedAt <= revokedAt

/** Ends all of a user's sessions and voids the user's tokens. Returns the moment, in milliseconds since the epoch. */
export async function revoke(env: Env, tenant: string, user: string): Promise<number> {
  const revokedAt = await callInbox(env, tenant, user, (inbox) => inbox.revoke())
  await forgetRevocation(env, tenant, user)
  return revokedAt
}

/** The tokens of a user were revoked: what is in memory is used no more, elsewhere within a second. */
export async function forgetRevocation(env: Env, tenant: string, user: string): Promise<void> {
  revocations.drop(nameOf(tenant, user))
  await invalidate(env, tagsOf(nameOf(tenant, user)))
}
