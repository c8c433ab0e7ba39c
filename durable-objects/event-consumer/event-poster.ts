import { CallRefused } from '../../src/adapters/dependency.ts'
import { BadEndpoint, fetchEndpoint } from '../../src/adapters/endpoint.ts'
import type { Env } from '../../src/env.ts'
import type { Delivery } from '../../src/event-log/consumers/consumer.ts'
import { resultOfAnswer } from '../../src/event-log/consumers/post-answer.ts'
import type { PostResult } from '../../src/event-log/consumers/pusher.ts'
import { dropBody } from '../../src/kernel/drop-body.ts'
import { unreachableReason } from '../../src/webhooks/unreachable.ts'
import { signedHeaders } from '../../src/webhooks/endpoint-post.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { reasonOf } from '../../src/kernel/log.ts'

/** Where a delivery is posted, and what is posted. */
export interface EventPost {
  readonly tenant: string
  readonly url: string
  readonly timeoutSeconds: number
  readonly id: string
  readonly body: string
  readonly secrets: readonly string[]
}

/** Posts an event to a tenant's endpoint, signed by Standard Webhooks. Nothing of the answer's body is used. */
export async function postEvent(env: Env, { attempt, generation }: Delivery, post: EventPost): Promise<PostResult> {
  const { tenant, url, timeoutSeconds, id, body, secrets } = post
  const deadlineMs = timeoutSeconds * 1000
  try {
    const headers = {
      'content-type': 'application/cloudevents+json',
      'user-agent': 'Parley-Events/1',
      'parley-attempt': String(attempt),
      'parley-generation': String(generation),
      ...(await signedHeaders(secrets, id, body, systemClock.now())),
    }
    const answer = await fetchEndpoint(
      env,
      { tenant, url, deadlineMs, slowMs: Infinity },
      { method: 'POST', body, headers },
      ignoreBody,
    )
    return resultOfAnswer(answer.status, answer.retryAfter, systemClock.now())
  } catch (thrown) {
    if (thrown instanceof BadEndpoint) return { outcome: { kind: 'dead', reason: thrown.message } }
    if (thrown instanceof CallRefused)
      return { outcome: { kind: 'released' }, pauseMs: Math.max(1000, thrown.retryInMs) }
    return { outcome: { kind: 'retry', reason: `unreachable: ${unreachableReason(reasonOf(thrown))}`.slice(0, 500) } }
  }
}

async function ignoreBody(response: Response) {
  await dropBody(response)
  const { status, headers } = response
  return { status, retryAfter: headers.get('retry-after') }
}
