import { CallRefused } from '../adapters/dependency.ts'
import { BadEndpoint, fetchEndpoint } from '../adapters/endpoint.ts'
import type { Env } from '../env.ts'
import { dropBody } from '../kernel/drop-body.ts'
import { reasonOf } from '../kernel/log.ts'
import type { Answer, HttpCall } from '../notifications/channels/provider.ts'
import type { DeliveryOutcome } from '../notifications/model.ts'
import { unreachableReason } from '../webhooks/unreachable.ts'

/** Bytes of an answer that are read. */
const answerBytes = 16_384
/** How long a pause is after a call that was not made, at least. */
const refusedPauseMs = 1000

/**
 * Calls a provider of a tenant through its breaker and the network for hosts that tenants name. What became of a call without an
 * answer is not known, unless it was not made. `host` is the one that is called for all messages of the provider, if there is one: a
 * call that its breaker refused says for how long.
 */
export async function callProvider(
  env: Env,
  tenant: string,
  { url, ...request }: HttpCall,
  deadlineMs: number,
  host?: string,
): Promise<Answer | { readonly outcome: DeliveryOutcome }> {
  try {
    return await fetchEndpoint(env, { tenant, url, deadlineMs }, request, readAnswer)
  } catch (thrown) {
    return { outcome: outcomeOf(thrown, new URL(url).host === host) }
  }
}

/** Calls the address that a provider wants called before it reports bounces. Resolves with the status, or why there is none. */
export async function confirmReports(
  env: Env,
  tenant: string,
  url: string,
  deadlineMs: number,
): Promise<number | string> {
  try {
    return await fetchEndpoint(env, { tenant, url, deadlineMs }, { headers: {} }, async (response) => {
      await dropBody(response)
      return response.status
    })
  } catch (thrown) {
    return reasonOf(thrown)
  }
}

/** What became of a call that threw. */
export function outcomeOf(thrown: unknown, isOwnHost: boolean): DeliveryOutcome {
  if (thrown instanceof BadEndpoint) return { kind: 'refused', answer: thrown.message }
  if (thrown instanceof CallRefused) {
    const retryInMs = thrown.retryInMs + Math.random() * refusedPauseMs
    if (thrown.isFull) return { kind: 'later', answer: 'too many calls to its host are under way', retryInMs }
    const answer = 'not asked: the breaker of its host is open'
    return { kind: 'later', answer, retryInMs, ...(isOwnHost ? { openForMs: thrown.retryInMs } : {}) }
  }
  const reason = reasonOf(thrown)
  // The runtime could not connect: no request has left.
  if (/^internal error\b/.test(reason)) return { kind: 'later', answer: unreachableReason(reason) }
  return { kind: 'unknown', answer: unreachableReason(reason) }
}

async function readAnswer(response: Response): Promise<Answer> {
  return { status: response.status, headers: response.headers, text: await beginningOf(response) }
}

/** The first bytes of a body. The rest is not read, however long it is. */
async function beginningOf({ body }: Response): Promise<string> {
  if (body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let read = 0
  for await (const chunk of body) {
    const left = chunk.subarray(0, answerBytes - read)
    text += decoder.decode(left, { stream: true })
    read += left.byteLength
    if (read >= answerBytes) break
  }
  return text + decoder.decode()
}
