import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { CallRefused } from './dependency.ts'
import { BadEndpoint, fetchEndpoint } from './endpoint.ts'
import { readKeySet, type FetchedKeys } from '../tenants/key-sets.ts'
import { textUpTo } from '../kernel/text-up-to.ts'

const deadlineMs = 5000
const maxBytes = 65_536

/**
 * Fetches a key set from an address that a tenant named: https on a public name through the network that reaches public addresses
 * only, no redirects, 64 KiB and five seconds at most. Never throws.
 */
export async function fetchKeySet(env: Env, tenant: string, url: string): Promise<FetchedKeys> {
  const headers = { accept: 'application/jwk-set+json, application/json', 'user-agent': 'Parley-Keys/1' }
  try {
    return await fetchEndpoint(env, { tenant, url, deadlineMs }, { headers }, readResponse)
  } catch (thrown) {
    if (thrown instanceof BadEndpoint) return failed(thrown.message)
    log.info('key-set.unreachable', { tenant, reason: reasonOf(thrown) })
    return failed(
      thrown instanceof CallRefused
        ? 'url: its host did not answer lately and is not asked for a moment'
        : 'url: did not answer within five seconds, or could not be reached',
    )
  }
}

const failed = (reason: string): FetchedKeys => ({ kind: 'failed', reason })

async function readResponse(response: Response): Promise<FetchedKeys> {
  if (response.status !== 200) {
    await response.body?.cancel()
    return failed(`url: answered ${response.status}, not 200`)
  }
  const text = await textUpTo(response, maxBytes)
  return text === undefined ? failed(`url: answered with more than ${maxBytes} bytes`) : readKeySet(text)
}
