import { backoffMs } from '../../kernel/retry.ts'
import type { Attempt, ChannelStep, Delivery, DeliveryOutcome, ProviderState } from '../model.ts'

/** What happens next with a delivery that may be sent now. */
export type NextAttempt =
  | {
      readonly kind: 'attempt'
      readonly provider: string
      readonly isPossibleDuplicate: boolean
      readonly text: string
    }
  | { readonly kind: 'wait'; readonly until: number; readonly text: string }
  | { readonly kind: 'failed'; readonly reason: string }

/** How long a delivery is tried, from its first attempt on, in milliseconds. */
export const deliveryMs = 24 * 3_600_000
/** Attempts of a delivery at all of its providers. */
export const maxAttempts = 100
/** Attempts at a provider that did not say whether it sent the message, before the next one is taken where that is wanted. */
const attemptsInDoubt = 2
const firstPauseMs = 2_000
const longestPauseMs = 3_600_000
const answerLength = 200

export interface AttemptContext {
  /** In the order in which they are to be used. */
  readonly providers: readonly ProviderState[]
  readonly onUnknown: ChannelStep['onUnknown']
  readonly now: number
}

/** One provider with what its attempts of a delivery say. */
interface Candidate extends ProviderState {
  readonly readyAt: number
  readonly isRefused: boolean
  /** Attempts since the first whose outcome is not known, when the provider has not said more since; 0 when nothing is in doubt. */
  readonly inDoubt: number
}

/**
 * Chooses the provider of the next attempt: the first that is healthy, has not refused the message and may be asked. While it is
 * not known whether one has sent the message, that one is asked first, under the same idempotency key. `onUnknown` says what
 * follows: `wait` asks no other, and does not ask again a provider that ignores idempotency keys; `failover` goes on to the next,
 * and such an attempt is a possible duplicate. One of the step and the provider in doubt that says `failover` is enough.
 */
export function nextAttempt(delivery: Delivery, { providers, onUnknown, now }: AttemptContext): NextAttempt {
  const { attempts, deadlineAt } = delivery
  const doubtful = providerInDoubt(attempts, providers)
  if (deadlineAt > 0 && now >= deadlineAt) return failed(doubtful, 'its deadline is over', attempts)
  if (attempts.length >= maxAttempts) return failed(doubtful, `${maxAttempts} attempts were made`, attempts)
  const candidates = providers.map((provider) => candidateOf(provider, attempts))
  const asked = candidates.find(({ name }) => name === doubtful)
  const isWaitedFor = onUnknown === 'wait' && asked?.onUnknown !== 'failover'
  if (doubtful !== undefined && isWaitedFor) return askAgain(asked, doubtful, delivery, now)
  if (asked !== undefined && isAskedFirst(asked, now)) return at(asked, delivery, now, !asked.isIdempotent)
  const left = candidates.filter(({ isRefused }) => !isRefused)
  const [first] = left.sort((a, b) => orderOf(a, now) - orderOf(b, now))
  if (first === undefined)
    return failed(doubtful, providers.length === 0 ? 'there is no provider' : 'each provider has refused it', attempts)
  const next = at(first, delivery, now, doubtful !== undefined && (first.name !== doubtful || !first.isIdempotent))
  return next.kind === 'attempt' ? { ...next, text: `${next.text}${skippedText(candidates, first, now)}` } : next
}

/** Takes the outcome of an attempt. `random` in [0, 1) spreads the pause before the provider is asked again. */
export function recordOutcome(
  delivery: Delivery,
  attempt: Attempt,
  outcome: DeliveryOutcome,
  now: number,
  random: number,
): void {
  attempt.outcome = outcome.kind
  if (outcome.answer !== undefined) attempt.answer = outcome.answer.slice(0, answerLength)
  if (outcome.kind !== 'later' && outcome.kind !== 'unknown') return
  const before = delivery.attempts.filter(
    ({ provider, outcome: known }) => provider === attempt.provider && (known === 'later' || known === 'unknown'),
  )
  const pause = backoffMs(before.length, firstPauseMs, longestPauseMs, random)
  const wanted = outcome.kind === 'later' ? Math.min(outcome.retryInMs ?? 0, longestPauseMs) : 0
  attempt.retryAt = now + Math.ceil(Math.max(pause, wanted))
}

/** The provider of which it is not known whether it has sent the message. */
function providerInDoubt(attempts: readonly Attempt[], providers: readonly ProviderState[]): string | undefined {
  const names = new Set(attempts.map(({ provider }) => provider))
  const isIdempotent = (name: string) => providers.some((provider) => provider.name === name && provider.isIdempotent)
  // The last one asked first: an earlier one was given up.
  return [...names].findLast((name) => inDoubtAt(name, attempts, isIdempotent(name)) > 0)
}

/** A refusal says something of earlier attempts only where all of them are one request to the provider. */
function inDoubtAt(name: string, attempts: readonly Attempt[], isIdempotent: boolean): number {
  let count = 0
  for (const { provider, outcome } of attempts) {
    if (provider !== name) continue
    if (outcome === 'delivered' || outcome === 'gone' || (outcome === 'refused' && isIdempotent)) count = 0
    else if (count > 0 || outcome === 'unknown' || outcome === undefined) count++
  }
  return count
}

function candidateOf(provider: ProviderState, attempts: readonly Attempt[]): Candidate {
  const own = attempts.filter((attempt) => attempt.provider === provider.name)
  return {
    ...provider,
    readyAt: Math.max(provider.openUntil, own.at(-1)?.retryAt ?? 0),
    isRefused: own.some(({ outcome }) => outcome === 'refused'),
    inDoubt: inDoubtAt(provider.name, attempts, provider.isIdempotent),
  }
}

/** Providers that can be asked now come first, those in doubt behind them; then whichever can be asked soonest. */
const orderOf = ({ readyAt, inDoubt }: Candidate, now: number): number =>
  readyAt > now ? readyAt : inDoubt >= attemptsInDoubt ? 1 : 0

/** Whether this provider in doubt is asked before another is taken. */
const isAskedFirst = ({ inDoubt, openUntil, isRefused }: Candidate, now: number): boolean =>
  !isRefused && inDoubt < attemptsInDoubt && openUntil <= now

/** The providers before the chosen one that are not asked because of their breakers. */
function skippedText(candidates: readonly Candidate[], chosen: Candidate, now: number): string {
  const before = candidates.slice(
    0,
    candidates.findIndex(({ name }) => name === chosen.name),
  )
  return before
    .filter(({ isRefused, openUntil }) => !isRefused && openUntil > now)
    .map(
      ({ name, openUntil }) => `; "${name}" is skipped, its breaker is open until ${new Date(openUntil).toISOString()}`,
    )
    .join('')
}

function askAgain(asked: Candidate | undefined, name: string, delivery: Delivery, now: number): NextAttempt {
  if (asked === undefined)
    return { kind: 'failed', reason: `"${name}" may have sent it, and is no provider of this channel any more` }
  if (!asked.isIdempotent)
    return {
      kind: 'wait',
      until: delivery.deadlineAt,
      text: `"${name}" may have sent it, and cannot be asked again without a duplicate`,
    }
  return at(asked, delivery, now, false)
}

function at(
  { name, readyAt, openUntil }: Candidate,
  delivery: Delivery,
  now: number,
  isPossibleDuplicate: boolean,
): NextAttempt {
  if (readyAt <= now) {
    const isRepeat = delivery.attempts.some(({ provider }) => provider === name)
    return {
      kind: 'attempt',
      provider: name,
      isPossibleDuplicate,
      text: isRepeat ? `again at "${name}"` : `at "${name}"`,
    }
  }
  const until = delivery.deadlineAt > 0 ? Math.min(readyAt, delivery.deadlineAt) : readyAt
  return {
    kind: 'wait',
    until,
    text: openUntil > now ? `the breaker of "${name}" is open` : `a pause before "${name}" is asked`,
  }
}

function failed(doubtful: string | undefined, cause: string, attempts: readonly Attempt[]): NextAttempt {
  const last = attempts.findLast(({ answer }) => answer !== undefined)?.answer
  const doubt = doubtful === undefined ? '' : `; "${doubtful}" may have sent it`
  return { kind: 'failed', reason: `${cause}${doubt}${last === undefined ? '' : `; last answer: ${last}`}` }
}
