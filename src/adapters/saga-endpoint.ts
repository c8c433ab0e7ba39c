import { CallRefused } from './dependency.ts'
import { BadEndpoint, fetchEndpoint } from './endpoint.ts'
import type { Env } from '../env.ts'
import { dropBody } from '../kernel/drop-body.ts'
import { systemClock } from '../kernel/clock.ts'
import { evaluate } from '../kernel/expression.ts'
import { reasonOf } from '../kernel/log.ts'
import { textUpTo } from '../kernel/text-up-to.ts'
import type { Outcome } from '../sagas/advance.ts'
import { outcomeOfAnswer, type Answer } from '../sagas/answer.ts'
import type { EndpointCall } from '../sagas/definition.ts'
import type { Effect, SagaDocument } from '../sagas/run.ts'
import { signedHeaders } from '../webhooks/endpoint-post.ts'
import { unreachableReason } from '../webhooks/unreachable.ts'

/** A call with the document of its run, as it is when the call leaves. */
export interface PreparedCall extends Effect {
  readonly document: SagaDocument
}

/** Bytes of an answer that are read. */
const answerBytes = 32_768

/**
 * Posts to the tenant's endpoint. Unlike the answers to jobs the body is read: it is the step's result. A body that cannot be
 * evaluated is an outcome, too.
 */
export async function callSagaEndpoint(
  env: Env,
  tenant: string,
  action: EndpointCall,
  effect: PreparedCall,
  secrets: readonly string[],
): Promise<Outcome> {
  try {
    const { url, body } = action
    const text = JSON.stringify(body === undefined ? effect.document : valueOf(body, effect))
    return await post(env, { tenant, url }, text, effect, secrets)
  } catch (thrown) {
    if (thrown instanceof BadExpression) return { kind: 'not-started', isFinal: true, reason: thrown.message }
    throw thrown
  }
}

async function post(
  env: Env,
  { tenant, url }: { readonly tenant: string; readonly url: string },
  text: string,
  effect: PreparedCall,
  secrets: readonly string[],
): Promise<Outcome> {
  const now = systemClock.now()
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json',
    'user-agent': 'Parley-Sagas/1',
    'idempotency-key': effect.key,
    'parley-attempt': String(effect.attempt),
    'parley-call': String(effect.call),
    ...(await signedHeaders(secrets, effect.purpose === 'ask' ? `${effect.key}/status` : effect.key, text, now)),
  }
  const times = { deadlineMs: effect.timeoutMs, slowMs: Infinity }
  try {
    const request = { method: 'POST', body: text, headers }
    const answer = await whenNotFull(
      () => fetchEndpoint(env, { tenant, url, ...times }, request, readAnswer),
      now + effect.timeoutMs,
    )
    return outcomeOfAnswer(answer, systemClock.now())
  } catch (thrown) {
    if (thrown instanceof BadEndpoint) return { kind: 'not-started', isFinal: true, reason: thrown.message }
    if (thrown instanceof CallRefused)
      return {
        kind: 'not-started',
        isUncounted: true,
        reason: 'the endpoint’s host did not answer lately',
        retryInMs: thrown.retryInMs + Math.random() * 1000,
      }
    return { kind: 'unknown', reason: unreachableReason(reasonOf(thrown)) }
  }
}

/** Repeats a call that was not made because too many others to the same host are under way in this isolate. */
async function whenNotFull<T>(call: () => Promise<T>, until: number): Promise<T> {
  for (let pauseMs = 20; ; pauseMs = Math.min(500, pauseMs * 2))
    try {
      return await call()
    } catch (thrown) {
      const isFull = thrown instanceof CallRefused && thrown.isFull
      if (!isFull || systemClock.now() >= until) throw thrown
      await scheduler.wait(pauseMs * (0.5 + Math.random()))
    }
}

/** An expression that cannot be evaluated. */
export class BadExpression extends Error {}

export function valueOf(expression: string, { document }: PreparedCall): unknown {
  try {
    return evaluate(expression, document)
  } catch (thrown) {
    throw new BadExpression(`body: ${reasonOf(thrown)}`)
  }
}

/** What a run is told of an answer: its status, and its JSON. */
export async function readAnswer(response: Response): Promise<Answer> {
  const { status, headers } = response
  const isJson = /^application\/(?:[\w.-]+\+)?json\b/i.test(headers.get('content-type') ?? '')
  const retryAfter = headers.get('retry-after')
  if (!isJson) {
    await dropBody(response)
    return { status, retryAfter, body: null }
  }
  // The length of a compressed body is not that of its text.
  const length = headers.has('content-encoding') ? Infinity : Number(headers.get('content-length') ?? Infinity)
  const text = length <= answerBytes ? await response.text() : await textUpTo(response, answerBytes)
  return { status, retryAfter, body: text === undefined ? tooLong : parsed(text) }
}

const tooLong = { error: `the answer is longer than ${answerBytes} bytes` }

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
