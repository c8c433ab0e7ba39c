/** For how long an endpoint may do nothing but fail, in milliseconds; then it is disabled. */
export const disabledAfterMs = 5 * 86_400_000

/** How an endpoint does: `failing` since its first failure that no success has followed. `since` in milliseconds since the epoch. */
export interface Health {
  readonly state: 'active' | 'failing' | 'disabled'
  readonly since: number
  /** Why it is not active. */
  readonly reason: string | null
}

/** What an attempt says about the endpoint; `refused` was not made, since the breaker of its host is open. */
export type Signal =
  | { readonly kind: 'taken' | 'refused' }
  | { readonly kind: 'failed' | 'gone'; readonly reason: string }

/** How the endpoint does after an attempt. The same object where nothing changed. */
export function healthAfter(health: Health, signal: Signal, now: number): Health {
  if (health.state === 'disabled') return health
  if (signal.kind === 'taken') return health.state === 'active' ? health : { state: 'active', since: now, reason: null }
  if (signal.kind === 'gone') return { state: 'disabled', since: now, reason: signal.reason }
  const reason = signal.kind === 'failed' ? signal.reason : health.reason
  if (health.state === 'active')
    return signal.kind === 'failed' ? { state: 'failing', since: now, reason: signal.reason } : health
  if (now - health.since >= disabledAfterMs)
    return {
      state: 'disabled',
      since: now,
      reason: `nothing but failures since ${new Date(health.since).toISOString()}: ${reason ?? ''}`,
    }
  return reason === health.reason ? health : { ...health, reason }
}

/** Statuses of 400 to 499 that say nothing about the event: it may be taken later. */
const notAboutTheEvent = new Set([401, 403, 404, 408, 410, 425, 429])

/** Whether the endpoint says that this very event is bad. */
export const isRejected = (status: number | null): boolean =>
  status !== null && status >= 400 && status < 500 && !notAboutTheEvent.has(status)
