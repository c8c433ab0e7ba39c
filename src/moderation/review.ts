import {
  shownLength,
  type DecisionAction,
  type ReportReason,
  type ReviewState,
  type ReviewTarget,
  type ReviewView,
} from '../protocol/moderation-api.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'

/** A review as it is stored. */
export type Review = Omit<ReviewView, 'id'>

export interface NewReport {
  readonly target: ReviewTarget
  readonly reporter: string
  readonly reason: ReportReason
  readonly text: string | null
}

export interface Decision {
  readonly action: DecisionAction
  readonly until: number | null
  readonly moderator: string | null
  readonly note: string | null
}

/** What is reported, as a text that is the same for the same thing. */
export const targetKey = (target: ReviewTarget): string =>
  target.kind === 'user' ? `user ${target.user}` : `message ${target.conversation} ${target.seq}`

/**
 * The review after one more user reported its target. A decided one stays decided, unless it is about a user, or about a message whose text
 * is another one now.
 */
export function withReport(known: Review | undefined, { target, reason }: NewReport, now: number): Review {
  const shown = target.kind === 'message' ? { ...target, text: target.text.slice(0, shownLength) } : target
  if (known === undefined)
    return {
      state: 'open',
      target: shown,
      reports: 1,
      reasons: { [reason]: 1 },
      firstAt: now,
      lastAt: now,
      decision: null,
    }
  const isOther = shown.kind === 'user' || known.target.kind === 'user' || shown.text !== known.target.text
  const reopened = isOther && known.state !== 'open' ? { state: 'open' as const, target: shown, decision: null } : {}
  return {
    ...known,
    ...reopened,
    reports: known.reports + 1,
    reasons: { ...known.reasons, [reason]: (known.reasons[reason] ?? 0) + 1 },
    lastAt: Math.max(known.lastAt, now),
  }
}

/** Why a review cannot be decided so. */
export function refuseDecision({ state, target, decision }: Review, action: DecisionAction): Refusal | undefined {
  if (state !== 'open')
    return refuse('conflict', `the review was decided already: ${decision?.action ?? state}; read it again`)
  if (target.kind === 'user' && (action === 'delete-message' || action === 'ban-from-conversation'))
    return refuse('invalidPayload', `action: ${action} is for messages; this review is about a user`)
  if (target.user === '' && (action === 'ban-user' || action === 'ban-from-conversation'))
    return refuse('invalidPayload', `action: your own server wrote the message; it cannot be banned`)
  return undefined
}

const stateAfter = (action: DecisionAction): ReviewState => (action === 'dismiss' ? 'dismissed' : 'resolved')

/** The review after a decision. */
export const withDecision = (review: Review, { action, moderator, note }: Decision, now: number): Review => ({
  ...review,
  state: stateAfter(action),
  decision: { action, moderator, note, at: now },
})
