import { retryAfterMs } from '../../kernel/retry-after.ts'
import { byteLength } from '../../kernel/text.ts'
import type { Outcome } from '../model/job.ts'

/** How long an endpoint may postpone a job. */
const maxSnoozeSeconds = 86_400
/** By how much longer a job is put off, at most, so that jobs do not return together. */
const maxSpreadSeconds = 30
/** Bytes of a result in the header `parley-result`, at most. */
const resultBytes = 4096

/** What counts of an endpoint's answer; its body does not, see handlers/http.ts. */
export interface EndpointAnswer {
  readonly status: number
  readonly retryAfter: string | null
  /** Its header `parley-result`: JSON that becomes the job's result. */
  readonly result: string | null
}

/** What an endpoint's answer means for the job; `now` in milliseconds since the epoch. */
export function outcomeOf({ status, retryAfter, result }: EndpointAnswer, now: number): Outcome {
  if (status >= 200 && status < 300) return done(result)
  if (status === 409 || status === 410) return { kind: 'discard', reason: `the endpoint answered ${status}` }
  const askedMs = status === 429 || status === 503 ? retryAfterMs(retryAfter, now, maxSnoozeSeconds) : undefined
  if (askedMs !== undefined)
    return { kind: 'snooze', seconds: askedMs / 1000, reason: `the endpoint answered ${status}` }
  return { kind: 'retry', error: `http-${status}`, reason: `the endpoint answered ${status}` }
}

/**
 * A post that was not made, since the host did not answer lately: the job is put off until it is tried again, a little longer for
 * most, and its attempt does not count.
 */
export const outcomeOfRefusal = (retryInMs: number, random: number): Outcome => ({
  kind: 'snooze',
  seconds: Math.max(1, Math.ceil(retryInMs / 1000 + maxSpreadSeconds * random)),
  reason: 'the endpoint’s host did not answer lately',
})

const done = (result: string | null): Outcome =>
  result === null || byteLength(result) > resultBytes || !isJson(result) ? { kind: 'done' } : { kind: 'done', result }

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
