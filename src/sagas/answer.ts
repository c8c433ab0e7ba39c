import { retryAfterMs } from '../kernel/retry-after.ts'
import type { Outcome } from './advance.ts'

/** What an endpoint, or an operation of this API, answered; `body` is its JSON, null where it has none. */
export interface Answer {
  readonly status: number
  readonly retryAfter: string | null
  readonly body: unknown
}

/** How long an endpoint may ask to wait, in seconds. */
const maxPauseSeconds = 86_400

/**
 * What an answer says about the effect. 429 and 503 with `Retry-After` mean that the request was not taken (RFC 9110 §15.6.4,
 * RFC 6585 §4); other errors of the server, and of what lies between, say nothing about it.
 */
export function outcomeOfAnswer({ status, retryAfter, body }: Answer, now: number): Outcome {
  const reason = `it answered ${status}${detailOf(body)}`
  if (status >= 200 && status < 300) return { kind: 'done', result: body }
  const askedMs = status === 429 || status === 503 ? retryAfterMs(retryAfter, now, maxPauseSeconds) : undefined
  if (askedMs !== undefined) return { kind: 'not-started', reason, retryInMs: askedMs }
  if (status === 408 || status === 425 || status === 429 || status >= 500) return { kind: 'unknown', reason }
  return { kind: 'not-started', isFinal: true, isConflict: status === 409, reason }
}

/** The `detail` or `title` of a problem (RFC 9457), or the `error` of other APIs. */
function detailOf(body: unknown): string {
  if (typeof body !== 'object' || body === null) return ''
  const fields: Readonly<Record<string, unknown>> = { ...body }
  const text = [fields['detail'], fields['title'], fields['error'], fields['message']].find(
    (each) => typeof each === 'string',
  )
  return typeof text === 'string' ? `: ${text.slice(0, 300)}` : ''
}
