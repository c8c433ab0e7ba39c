import { loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { badEndpoint } from '../kernel/outside-url.ts'
import { outcomeOf, unreachableReason } from '../jobs/webhooks/endpoint-answer.ts'
import type { Outcome } from '../jobs/model/job.ts'
import type { Collected } from '../jobs/queue/poll.ts'
import { readPost, signedHeaders } from '../jobs/webhooks/endpoint-post.ts'
import { systemClock } from '../kernel/clock.ts'
import { encodeWith } from '../kernel/json.ts'
import { reasonOf } from '../kernel/log.ts'
import type { Attempt } from './attempt.ts'

/**
 * Posts to a tenant's endpoint, signed by Standard Webhooks with the job's id as `webhook-id`: an endpoint accepts the same
 * id once. The body of the answer is neither read nor shown, so that a URL that passes the checks by mistake does not
 * reveal what is behind it.
 */
export async function http(env: Env, _tenant: string, stored: string, attempt: Attempt): Promise<Outcome> {
  const { url, payload } = readPost(stored)
  const bad = badEndpoint(url, loadConfig(env).endpoints)
  if (bad !== undefined) return { kind: 'discard', reason: bad }

  const { collected } = attempt.job
  const body = collected.length === 0 ? payload : encodeWith({}, { payload, after: encodeCollected(collected) })
  try {
    const { status, headers } = await post(env, url, body, attempt)
    const answer = { status, retryAfter: headers.get('retry-after'), result: headers.get('parley-result') }
    return outcomeOf(answer, systemClock.now())
  } catch (thrown) {
    const error = attempt.signal.aborted ? 'timeout' : 'unreachable'
    const reason = attempt.signal.aborted ? 'the endpoint did not answer in time' : unreachableReason(reasonOf(thrown))
    return { kind: 'retry', error, reason: `${error}: ${reason}` }
  }
}

async function post(env: Env, url: string, body: string, { job, secrets, signal }: Attempt): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Parley-Jobs/1',
    'parley-attempt': String(job.attempt),
    ...(job.traceparent === undefined ? {} : { traceparent: job.traceparent }),
    ...(await signedHeaders(secrets, job.id, body, systemClock.now())),
  }
  const request = { method: 'POST', body, headers, redirect: 'manual', signal } as const
  const response = await (env.ENDPOINTS ?? globalThis).fetch(url, request)
  await response.body?.cancel()
  return response
}

/** JSON text of how the jobs it waited for ended; each result is passed on byte for byte. */
const encodeCollected = (collected: readonly Collected[]): string =>
  `[${collected.map(({ id, state, result }) => encodeWith({ id, state }, { result: result ?? 'null' })).join(',')}]`
