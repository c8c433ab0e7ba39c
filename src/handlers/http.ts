import { z } from 'zod'
import { endpointRules, loadConfig } from '../config.ts'
import type { Env } from '../env.ts'
import { badEndpoint } from '../jobs/endpoint.ts'
import type { Outcome } from '../jobs/job.ts'
import { signedHeaders } from '../jobs/signature.ts'
import { systemClock } from '../kernel/clock.ts'
import { reasonOf } from '../kernel/log.ts'
import { byteLength } from '../kernel/text.ts'
import type { Attempt } from './attempt.ts'

const payloadShape = z.strictObject({ url: z.string(), payload: z.unknown() })

/** Longest wait an endpoint may ask for. */
const longestSnoozeSeconds = 86_400
/** Bytes of the result an endpoint may give in its `parley-result` header. */
const resultBytes = 4096

/**
 * Posts to a tenant's endpoint, signed as Standard Webhooks has it with the job's id as `webhook-id`: the endpoint
 * takes the same id once. Its answer's body is never read and never shown: a guard that can be deceived must not
 * become a way to read what lies behind it.
 */
export async function http(env: Env, _tenant: string, given: unknown, attempt: Attempt): Promise<Outcome> {
  const { url, payload } = payloadShape.parse(given)
  const bad = badEndpoint(url, endpointRules(loadConfig(env)))
  if (bad !== undefined) return { kind: 'discard', why: bad }

  const body =
    JSON.stringify(attempt.collected.length === 0 ? payload : { payload, after: collected(attempt) }) ?? 'null'
  try {
    return outcomeOf(await post(url, body, attempt), systemClock.now())
  } catch (thrown) {
    const error = attempt.signal.aborted ? 'timeout' : 'unreachable'
    return { kind: 'retry', error, why: `${error}: ${reasonOf(thrown)}` }
  }
}

async function post(url: string, body: string, attempt: Attempt): Promise<Response> {
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'Parley-Jobs/1',
    'parley-attempt': String(attempt.number),
    ...(await signedHeaders(await attempt.secrets(), attempt.id, body, systemClock.now())),
  }
  const response = await fetch(url, { method: 'POST', body, headers, redirect: 'manual', signal: attempt.signal })
  await response.body?.cancel()
  return response
}

const collected = ({ collected }: Attempt) =>
  collected.map(({ id, state, result }) => ({ id, state, result: result === null ? null : parse(result) }))

/** What an endpoint's answer means; `now` in milliseconds. */
export function outcomeOf({ status, headers }: Pick<Response, 'status' | 'headers'>, now: number): Outcome {
  if (status >= 200 && status < 300) return done(headers.get('parley-result'))
  if (status === 409 || status === 410) return { kind: 'discard', why: `the endpoint answered ${status}` }
  const seconds = status === 429 || status === 503 ? retryAfter(headers.get('retry-after'), now) : undefined
  if (seconds !== undefined) return { kind: 'snooze', seconds, why: `the endpoint answered ${status}` }
  return { kind: 'retry', error: `http-${status}`, why: `the endpoint answered ${status}` }
}

function done(result: string | null): Outcome {
  if (result === null || byteLength(result) > resultBytes || parse(result) === undefined) return { kind: 'done' }
  return { kind: 'done', result }
}

/** Seconds of a Retry-After header (RFC 9110 §10.2.3): a number of them, or a date. */
function retryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - now) / 1000
  return Number.isNaN(seconds) ? undefined : Math.min(longestSnoozeSeconds, Math.max(1, Math.ceil(seconds)))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
