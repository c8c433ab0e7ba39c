import type { FetchCall } from '../../durable-objects/contracts.ts'
import { CallRefused } from '../adapters/dependency.ts'
import { BadEndpoint, fetchEndpoint } from '../adapters/endpoint.ts'
import type { Env } from '../env.ts'
import { dropBody } from '../kernel/drop-body.ts'
import { systemClock } from '../kernel/clock.ts'
import { reasonOf } from '../kernel/log.ts'
import { textUpTo } from '../kernel/text-up-to.ts'
import type { FetchOutcome } from '../notifications/runs/advance.ts'
import { keyUpTo } from '../notifications/short-key.ts'
import { signedHeaders } from '../webhooks/endpoint-post.ts'
import { unreachableReason } from '../webhooks/unreachable.ts'

/** Bytes of an answer that are read; the run keeps half of it. */
const answerBytes = 32_768

/** Posts to the endpoint of a fetch step, signed with the tenant's secrets. All attempts have the same idempotency key. */
export async function callStepEndpoint(
  env: Env,
  tenant: string,
  call: FetchCall,
  secrets: readonly string[],
): Promise<FetchOutcome> {
  const { url, body, idempotencyKey, timeoutMs } = call
  const text = JSON.stringify(body ?? null)
  const key = await keyUpTo(idempotencyKey)
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    'user-agent': 'Parley-Notifications/1',
    'idempotency-key': key,
    ...(await signedHeaders(secrets, key, text, systemClock.now())),
  }
  try {
    const request = { method: 'POST', body: text, headers }
    return await fetchEndpoint(env, { tenant, url, deadlineMs: timeoutMs, slowMs: Infinity }, request, readOutcome)
  } catch (thrown) {
    if (thrown instanceof BadEndpoint) return { kind: 'refused', reason: thrown.message }
    if (thrown instanceof CallRefused)
      return { kind: 'failed', reason: 'the endpoint’s host did not answer lately, so that it was not called' }
    return { kind: 'failed', reason: unreachableReason(reasonOf(thrown)) }
  }
}

/** What an answer means for its step. */
export async function readOutcome(response: Response): Promise<FetchOutcome> {
  const { status, headers } = response
  const length = Number(headers.get('content-length') ?? 0)
  const isJson = /^application\/(?:[\w.-]+\+)?json\b/i.test(headers.get('content-type') ?? '')
  if (!response.ok || !isJson || length > answerBytes) {
    await dropBody(response)
    if (response.ok) return isJson ? tooLong : { kind: 'done', result: null }
    const isFinal = status >= 400 && status < 500 && status !== 408 && status !== 429
    return { kind: isFinal ? 'refused' : 'failed', reason: `answered ${status}` }
  }
  const text = await textUpTo(response, answerBytes)
  if (text === undefined) return tooLong
  try {
    return { kind: 'done', result: JSON.parse(text) }
  } catch {
    return { kind: 'refused', reason: 'its answer is not JSON' }
  }
}

const tooLong = { kind: 'refused', reason: `its answer is longer than ${answerBytes} bytes` } as const
