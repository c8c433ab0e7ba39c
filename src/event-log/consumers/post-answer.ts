import type { PostResult } from './pusher.ts'

/** For how long an endpoint may ask not to be called, in seconds. */
const maxPauseSeconds = 3600

/** What an endpoint's answer means for the event: 2xx settles it, 410 makes it a dead letter, anything else is retried. */
export function resultOfAnswer(status: number, retryAfter: string | null): PostResult {
  if (status >= 200 && status < 300) return { outcome: { kind: 'done' } }
  const reason = `the endpoint answered ${status}`
  if (status === 410) return { outcome: { kind: 'dead', reason } }
  const seconds = retryAfter !== null && /^\d{1,6}$/.test(retryAfter) ? Number(retryAfter) : undefined
  if (seconds !== undefined && (status === 429 || status === 503))
    return { outcome: { kind: 'released' }, pauseMs: Math.min(maxPauseSeconds, Math.max(1, seconds)) * 1000 }
  return { outcome: { kind: 'retry', reason } }
}
