import { CallRefused } from '../adapters/dependency.ts'
import { BadEndpoint, fetchEndpoint } from '../adapters/endpoint.ts'
import type { Env } from '../env.ts'
import type { Outcome } from '../jobs/model/job.ts'
import type { Collected } from '../jobs/queue/poll.ts'
import { dropBody } from '../kernel/drop-body.ts'
import { outcomeOf, outcomeOfRefusal } from '../jobs/webhooks/endpoint-answer.ts'
import { systemClock } from '../kernel/clock.ts'
import { encodeWith } from '../kernel/json.ts'
import { reasonOf } from '../kernel/log.ts'
import { readPost, signedHeaders } from '../webhooks/endpoint-post.ts'
import { unreachableReason } from '../webhooks/unreachable.ts'
import type { Attempt } from './attempt.ts'

/** The longest attempt of a job. Its own signal ends it sooner, and how long a job works says nothing about its host. */
const times = { deadlineMs: 900_000, slowMs: Infinity }

/**
 * Posts to a tenant's endpoint, signed by Standard Webhooks with the job's id as `webhook-id`: an endpoint accepts the same
 * id once. Nothing of the answer's body is used or shown, so that a URL that passes the checks by mistake does not
 * reveal what is behind it.
 */
export async function http(env: Env, tenant: string, stored: string, attempt: Attempt): Promise<Outcome> {
  const { job, secrets, signal } = attempt
  const { url, payload } = readPost(stored)
  const body = job.collected.length === 0 ? payload : encodeWith({}, { payload, after: encodeCollected(job.collected) })
  try {
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'Parley-Jobs/1',
      'parley-attempt': String(job.attempt),
      ...(job.traceparent === undefined ? {} : { traceparent: job.traceparent }),
      ...(await signedHeaders(secrets, job.id, body, systemClock.now())),
    }
    const request = { method: 'POST', body, headers }
    const answer = await fetchEndpoint(env, { tenant, url, signal, ...times }, request, ignoreBody)
    return outcomeOf(answer, systemClock.now())
  } catch (thrown) {
    if (thrown instanceof BadEndpoint) return { kind: 'discard', reason: thrown.message }
    if (thrown instanceof CallRefused) return outcomeOfRefusal(thrown.retryInMs, Math.random())
    const error = signal.aborted ? 'timeout' : 'unreachable'
    const reason = signal.aborted ? 'the endpoint did not answer in time' : unreachableReason(reasonOf(thrown))
    return { kind: 'retry', error, reason: `${error}: ${reason}` }
  }
}

async function ignoreBody(response: Response) {
  await dropBody(response)
  const { status, headers } = response
  return { status, retryAfter: headers.get('retry-after'), result: headers.get('parley-result') }
}

/** JSON text of how the jobs it waited for ended; each result is passed on byte for byte. */
const encodeCollected = (collected: readonly Collected[]): string =>
  `[${collected.map(({ id, state, result }) => encodeWith({ id, state }, { result: result ?? 'null' })).join(',')}]`
