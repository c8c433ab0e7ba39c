import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { admissionOf } from '../../identity/tenants.ts'

/**
 * What links to a tenant's files are signed with: a secret of the tenant, which this process has in memory. A tenant of an earlier version
 * has none; its links are signed with the key of the deployment. Undefined when there is neither, or no such tenant.
 */
export async function linkSecretOf(env: Env, tenant: string): Promise<string | undefined> {
  const admission = await admissionOf(env, tenant, systemClock.now())
  if (admission === undefined) return undefined
  const own = admission.secrets.conversationIdSecret
  const [key] = loadConfig(env).encryptionKeys
  return own ?? (key === undefined ? undefined : `${key.id}:${key.bytes.join(',')}`)
}
