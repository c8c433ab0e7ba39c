import { WorkerEntrypoint } from 'cloudflare:workers'
import { eventLogOf, sagaActorName, sagaCatalogOf } from '../../durable-objects/address.ts'
import { CallRefused } from '../adapters/dependency.ts'
import { BadEndpoint, fetchEndpoint } from '../adapters/endpoint.ts'
import { asServerOf } from '../edge/http/inner-request.ts'
import type { Env } from '../env.ts'
import type { EventWait } from '../events/log-event.ts'
import { unreachableReason } from '../jobs/webhooks/endpoint-answer.ts'
import { signedHeaders } from '../jobs/webhooks/endpoint-post.ts'
import { BoundedMap } from '../kernel/bounded-map.ts'
import { systemClock } from '../kernel/clock.ts'
import { evaluate } from '../kernel/expression.ts'
import { reasonOf } from '../kernel/log.ts'
import type { Outcome } from '../sagas/advance.ts'
import { outcomeOfAnswer, type Answer } from '../sagas/answer.ts'
import { eventResult } from '../sagas/event-result.ts'
import type { AwaitedEvent, EndpointCall, OperationCall } from '../sagas/definition.ts'
import type { Effect } from '../sagas/run.ts'

/** Bytes of an answer that are read. */
const answerBytes = 32_768
/** For how long an isolate uses the secrets that it has, in milliseconds. */
const secretsForMs = 10_000

const secretsOfTenants = new BoundedMap<string, { readonly secrets: readonly string[]; readonly until: number }>(1000)

/** Makes the calls of sagas, one in each invocation, so that a run never waits for the calls of another. */
export class SagaWorker extends WorkerEntrypoint<Env> {
  async perform(tenant: string, effect: Effect): Promise<Outcome> {
    const { action } = effect
    try {
      if ('url' in action) return await callEndpoint(this.env, tenant, action, effect)
      if ('event' in action) return await awaitEvent(this.env, tenant, action, effect)
      return await callOperation(this.env, this.ctx, tenant, action, effect)
    } catch (thrown) {
      if (thrown instanceof BadExpression) return { kind: 'not-started', isFinal: true, reason: thrown.message }
      throw thrown
    }
  }
}

/** Posts to the tenant's endpoint. Unlike the answers to jobs the body is read: it is the step's result. */
async function callEndpoint(env: Env, tenant: string, { url, body }: EndpointCall, effect: Effect): Promise<Outcome> {
  const text = JSON.stringify(body === undefined ? effect.document : valueOf(body, effect))
  const now = systemClock.now()
  const secrets = await secretsOf(env, tenant, now)
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

/** Calls an operation of this API as the tenant's own server. */
async function callOperation(
  env: Env,
  context: ExecutionContext,
  tenant: string,
  { operation, input }: OperationCall,
  effect: Effect,
): Promise<Outcome> {
  const given = input === undefined ? {} : valueOf(input, effect)
  const response = await asServerOf(env, context, tenant, operation, given, effect.key)
  if (typeof response === 'string') return { kind: 'not-started', isFinal: true, reason: response }
  return outcomeOfAnswer(await readAnswer(response), systemClock.now())
}

/** Has the log of a topic notify the run of an event; one that was published before counts as well. */
async function awaitEvent(
  env: Env,
  tenant: string,
  { topic, event: type, correlation }: AwaitedEvent,
  effect: Effect,
): Promise<Outcome> {
  const value = valueOf(correlation, effect)
  if (typeof value !== 'string' && typeof value !== 'number')
    return { kind: 'not-started', isFinal: true, reason: 'wait.correlation: gives neither a text nor a number' }
  const wait: EventWait = {
    id: effect.key,
    waiter: { kind: 'saga', name: sagaActorName(tenant, effect.run) },
    type,
    correlation: String(value),
    after: 0,
    until: effect.until ?? 0,
  }
  const answer = await eventLogOf(env, tenant, topic).awaitEvent(wait)
  if (answer.kind === 'refused') return { kind: 'not-started', reason: answer.detail ?? answer.error }
  return answer.kind === 'found' ? { kind: 'done', result: eventResult(answer.event) } : { kind: 'waiting' }
}

/** An expression that cannot be evaluated. */
class BadExpression extends Error {}

function valueOf(expression: string, { document }: Effect): unknown {
  try {
    return evaluate(expression, document)
  } catch (thrown) {
    throw new BadExpression(`body: ${reasonOf(thrown)}`)
  }
}

async function readAnswer(response: Response): Promise<Answer> {
  const { status, headers } = response
  const isJson = /^application\/(?:[\w.-]+\+)?json\b/i.test(headers.get('content-type') ?? '')
  const retryAfter = headers.get('retry-after')
  if (!isJson) {
    await response.body?.cancel()
    return { status, retryAfter, body: null }
  }
  const text = await textUpTo(response, answerBytes)
  return { status, retryAfter, body: text === undefined ? tooLong : parsed(text) }
}

const tooLong = { error: `the answer is longer than ${answerBytes} bytes` }

/** The text of a body; undefined when it is longer than `bytes`, whatever its length is said to be. */
async function textUpTo({ body }: Response, bytes: number): Promise<string | undefined> {
  if (body === null) return ''
  const decoder = new TextDecoder()
  let text = ''
  let read = 0
  for await (const chunk of body) {
    read += chunk.byteLength
    if (read > bytes) return undefined
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

async function secretsOf(env: Env, tenant: string, now: number): Promise<readonly string[]> {
  const known = secretsOfTenants.get(tenant)
  if (known !== undefined && now < known.until) return known.secrets
  const secrets = await sagaCatalogOf(env, tenant).secrets()
  secretsOfTenants.set(tenant, { secrets, until: now + secretsForMs })
  return secrets
}
