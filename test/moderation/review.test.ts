import { describe, expect, test } from 'vitest'
import { refuseDecision, targetKey, withDecision, withReport, type Review } from '../../src/moderation/review.ts'
import { shownLength, type DecisionAction, type ReviewTarget } from '../../src/protocol/moderation-api.ts'

const message = (text = 'Buy now!', user = 'bob') =>
  ({ kind: 'message', conversation: 'lunch', seq: 7, user, text, at: 1 }) as const
const report = (target: ReviewTarget, reporter: string) => ({ target, reporter, reason: 'spam' as const, text: null })
const decided = (review: Review, action: DecisionAction) =>
  withDecision(review, { action, until: null, moderator: 'mia', note: null }, 9)

describe('a review', () => {
  test('counts reports and their reasons, and shows the message as it was at first', () => {
    const first = withReport(undefined, report(message('x'.repeat(5000)), 'alice'), 5)
    expect(first).toMatchObject({ state: 'open', reports: 1, reasons: { spam: 1 }, firstAt: 5, lastAt: 5 })
    expect(first.target).toMatchObject({ text: 'x'.repeat(shownLength) })
    const second = withReport(first, { ...report(message('edited'), 'carol'), reason: 'hate' }, 6)
    expect(second).toMatchObject({ reports: 2, reasons: { spam: 1, hate: 1 }, firstAt: 5, lastAt: 6 })
    expect(second.target).toEqual(first.target)
  })

  test('that was decided is opened again by a report of another text or of a user, and by no other', () => {
    const dismissed = decided(withReport(undefined, report(message(), 'alice'), 5), 'dismiss')
    expect(dismissed.state).toBe('dismissed')
    expect(withReport(dismissed, report(message(), 'carol'), 6)).toMatchObject({ state: 'dismissed', reports: 2 })
    const edited = withReport(dismissed, report(message('Worse'), 'carol'), 6)
    expect(edited).toMatchObject({ state: 'open', decision: null, target: { text: 'Worse' } })
    const user: ReviewTarget = { kind: 'user', user: 'bob' }
    const resolved = decided(withReport(undefined, report(user, 'alice'), 5), 'ban-user')
    expect(resolved.state).toBe('resolved')
    expect(withReport(resolved, report(user, 'carol'), 6).state).toBe('open')
  })

  test('is decided once, and only as its target allows', () => {
    const ofMessage = withReport(undefined, report(message(), 'alice'), 5)
    const ofUser = withReport(undefined, report({ kind: 'user', user: 'bob' }, 'alice'), 5)
    const ofServer = withReport(undefined, report(message('Hello', ''), 'alice'), 5)
    for (const action of ['dismiss', 'delete-message', 'ban-user', 'ban-from-conversation', 'resolve'] as const) {
      expect(refuseDecision(ofMessage, action)).toBeUndefined()
      expect(refuseDecision(decided(ofMessage, 'resolve'), action)).toMatchObject({ error: 'conflict' })
      const isOfMessages = action === 'delete-message' || action === 'ban-from-conversation'
      expect(refuseDecision(ofUser, action)?.error).toBe(isOfMessages ? 'invalidPayload' : undefined)
      const isBan = action === 'ban-user' || action === 'ban-from-conversation'
      expect(refuseDecision(ofServer, action)?.error).toBe(isBan ? 'invalidPayload' : undefined)
    }
  })

  test('of a message has another key than one of a user of the same name', () => {
    expect(targetKey({ kind: 'user', user: 'lunch 7' })).not.toBe(targetKey(message()))
  })
})
