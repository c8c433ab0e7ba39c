import { retryAfterMs } from '../../kernel/retry-after.ts'
import type { PostResult } from './pusher.ts'

/** For how long an endpoint may ask not to be called, in seconds. */
const maxPauseSeconds = 3600

/** What an endpoint's answer means for the event: 2xx settles it, 410 makes it a dead letter, anything else is retried. */
export function resultOfAnswer(status: number, retryAfter: string | null, now: number): PostResult {
  if (status >= 200 && status < 300) return { outcome: { kind: 'done' } }
  const reason = `the endpoint answered ${status}`
  if (status === 410) return { outcome: { kind: 'dead', reason } }
  const pauseMs = status === 429 || status === 503 ? retryAfterMs(retryAfter, now, maxPauseSeconds) : undefined
  if (pauseMs !== undefined) return { outcome: { kind: 'released' }, pauseMs }
  return { outcome: { kind: 'retry', reason } }
}
