import type { Config } from '../config.ts'
import type { Env } from '../env.ts'
import { log, reasonOf } from '../kernel/log.ts'
import { badEndpoint } from '../kernel/outside-url.ts'
import { Deadline } from './deadline.ts'
import { readKeySet, type FetchedKeys } from '../tenants/key-sets.ts'

const deadlineMs = 5000
const maxBytes = 65_536

/**
 * Fetches a key set from an address that a tenant named: https on a public name through the network that reaches public addresses
 * only, no redirects, 64 KiB and five seconds at most. Never throws.
 */
export async function fetchKeySet(env: Env, config: Config, url: string): Promise<FetchedKeys> {
  const bad = badEndpoint(url, config.endpoints)
  if (bad !== undefined) return { kind: 'failed', reason: bad }
  const deadline = new Deadline(deadlineMs)
  try {
    const request = {
      headers: { accept: 'application/jwk-set+json, application/json', 'user-agent': 'Parley-Keys/1' },
      redirect: 'manual',
      signal: deadline.signal,
    } as const
    const response = await (env.ENDPOINTS ?? globalThis).fetch(url, request)
    if (response.status !== 200) {
      await response.body?.cancel()
      return { kind: 'failed', reason: `url: answered ${response.status}, not 200` }
    }
    const text = await textUpTo(response, maxBytes)
    return text === undefined
      ? { kind: 'failed', reason: `url: answered with more than ${maxBytes} bytes` }
      : readKeySet(text)
  } catch (thrown) {
    log.info('key-set.unreachable', { reason: reasonOf(thrown) })
    return { kind: 'failed', reason: 'url: did not answer within five seconds, or could not be reached' }
  } finally {
    deadline.end()
  }
}

/** The body of a response, or undefined when it is longer. */
async function textUpTo({ body }: Response, most: number): Promise<string | undefined> {
  const decoder = new TextDecoder()
  let [text, size] = ['', 0]
  // Leaving the loop cancels the body.
  for await (const part of body ?? []) {
    size += part.byteLength
    if (size > most) return undefined
    text += decoder.decode(part, { stream: true })
  }
  return text + decoder.decode()
}
