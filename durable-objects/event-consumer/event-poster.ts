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
  /** Whether the beginning of the answer is wanted, for the log of deliveries. */
  readonly readsAnswer?: boolean
}

/** Characters of an answer that the log of deliveries shows. */
const shownChars = 200

/** Posts an event to a tenant's endpoint, signed by Standard Webhooks. Nothing of the answer's body decides anything. */
export async function postEvent(env: Env, { attempt, generation }: Delivery, post: EventPost): Promise<PostResult> {
  const { tenant, url, timeoutSeconds, id, body, secrets, readsAnswer = false } = post
  const startedAt = systemClock.now()
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
      readsAnswer ? readBeginning : ignoreBody,
    )
    const now = systemClock.now()
    const { status, retryAfter, beginning } = answer
    const durationMs = Math.max(0, now - startedAt)
    return { ...resultOfAnswer(status, retryAfter, now), answer: { status, beginning, durationMs } }
  } catch (thrown) {
    if (thrown instanceof BadEndpoint)
      return {
        outcome: { kind: 'dead', reason: thrown.message },
        answer: { status: null, beginning: '', durationMs: 0 },
      }
    if (thrown instanceof CallRefused)
      return { outcome: { kind: 'released' }, pauseMs: Math.max(1000, thrown.retryInMs) }
    const reason = `unreachable: ${unreachableReason(reasonOf(thrown))}`.slice(0, 500)
    const durationMs = Math.max(0, systemClock.now() - startedAt)
    return { outcome: { kind: 'retry', reason }, answer: { status: null, beginning: '', durationMs } }
  }
}

async function ignoreBody(response: Response) {
  await dropBody(response)
  const { status, headers } = response
  return { status, retryAfter: headers.get('retry-after'), beginning: '' }
}

/** The first part of the body as text, as far as it came in one piece; the rest is dropped. */
async function readBeginning(response: Response) {
  const { status, headers, body } = response
  const retryAfter = headers.get('retry-after')
  if (body === null) return { status, retryAfter, beginning: '' }
  const reader: ReadableStreamDefaultReader<Uint8Array> = body.getReader()
  let beginning = ''
  try {
    const { value } = await reader.read()
    const text = new TextDecoder().decode(value?.subarray(0, 4 * shownChars))
    // Half a character at the cut, and what is no text, is not shown.
    beginning = text
      .replaceAll(/[^\P{C}\n\t]|\uFFFD/gu, '')
      .slice(0, shownChars)
      .toWellFormed()
    await reader.cancel()
  } catch {
    // Its status counts, also when the rest does not come in time.
  }
  return { status, retryAfter, beginning }
}
