import { describe, expect, test } from 'vitest'
import { decideEnd, isPingDue, lookAgainAt, nextPingAt } from '../../src/realtime/liveness.ts'
import { newSession } from '../../src/realtime/session.ts'

const second = 1000

/** A connected session that was opened at 0, and what differs. */
const session = (facts: { expiresAt?: number; phase?: 'new' | 'connecting' | 'open' } = {}) => ({
  ...newSession('c', 0),
  phase: 'open' as const,
  ...facts,
})

describe('a connected session', () => {
  test('that answered the last ping stays, however late the gateway itself is', () => {
    const end = decideEnd(session(), { aliveAt: 100 * second, pingedAt: 100 * second, now: 500 * second })
    expect(end).toBeUndefined()
  })

  test('that did not answer the last ping goes, not before the answer had time to come', () => {
    const silent = { aliveAt: 75 * second, pingedAt: 100 * second }
    expect(decideEnd(session(), { ...silent, now: 103 * second })).toBeUndefined()
    expect(decideEnd(session(), { ...silent, now: 125 * second })).toBe('noPong')
  })

  test('is not judged when no ping is remembered', () => {
    expect(decideEnd(session(), { aliveAt: 0, pingedAt: 0, now: 500 * second })).toBeUndefined()
  })

  test('that vanished at any moment is noticed within two pings and a moment', () => {
    for (let vanished = 0; vanished < 60 * second; vanished += 250) {
      let pingedAt = 0
      let now = 0
      const answers = () => (vanished > pingedAt ? pingedAt : Math.min(vanished, pingedAt))
      while (decideEnd(session(), { aliveAt: Math.max(answers(), 0), pingedAt, now }) === undefined) {
        pingedAt = now
        now = nextPingAt(now)
      }
      expect(now - vanished).toBeLessThanOrEqual(2 * 25 * second + 5 * second)
    }
  })

  test('with an expired token goes 25 seconds later', () => {
    const alive = (now: number) => ({ aliveAt: now, pingedAt: now, now })
    const expiring = session({ expiresAt: 60 * second })
    expect(decideEnd(expiring, alive(84 * second))).toBeUndefined()
    expect(decideEnd(expiring, alive(85 * second))).toBe('expired')
    expect(lookAgainAt(expiring)).toBe(85 * second)
    expect(lookAgainAt(session())).toBe(Infinity)
  })
})

test('that does not connect has ten seconds; one that is being authenticated has more', () => {
  const at = (now: number) => ({ aliveAt: 0, pingedAt: 0, now })
  expect(decideEnd(session({ phase: 'new' }), at(9 * second))).toBeUndefined()
  expect(decideEnd(session({ phase: 'new' }), at(10 * second))).toBe('stale')
  expect(decideEnd(session({ phase: 'connecting' }), at(30 * second))).toBeUndefined()
  expect(decideEnd(session({ phase: 'connecting' }), at(60 * second))).toBe('stale')
})

test('pings are 25 seconds apart, sooner when the clock was set back', () => {
  expect(isPingDue(0, 24 * second)).toBe(false)
  expect(isPingDue(0, 25 * second)).toBe(true)
  expect(isPingDue(100 * second, 50 * second)).toBe(true)
})
