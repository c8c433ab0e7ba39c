import { describe, expect, test } from 'vitest'
import { backoffMs, compileRetryDelay, judge, type Outcome, parseDuration } from '../../local/qstash/retry.ts'

const now = Date.parse('2026-01-01T00:00:00Z')

const answered = (status: number, header: Record<string, string> = {}): Outcome => ({
  kind: 'answered',
  status,
  header: Object.fromEntries(Object.entries(header).map(([name, value]) => [name, [value]])),
  body: new Uint8Array(),
})

const waitAfter = (header: Record<string, string>) => {
  const verdict = judge(answered(429, header), { retried: 0, maxRetries: 3, retryDelay: '7' }, now)
  return verdict.kind === 'retry' ? verdict.waitMs : verdict.kind
}

describe('the default back-off', () => {
  test('is the documented table, capped at a day', () => {
    const seconds = [1, 2, 3, 4, 5, 6].map((n) => Math.floor(backoffMs(n) / 1000))
    expect(seconds).toEqual([12, 148, 1808, 22_026, 86_400, 86_400])
  })
})

describe('a verdict', () => {
  const tries = { retried: 0, maxRetries: 1 }

  test('delivers on any 2xx and on nothing else', () => {
    const kinds = [200, 204, 299, 301, 404, 500].map((status) => judge(answered(status), tries, now).kind)
    expect(kinds).toEqual(['delivered', 'delivered', 'delivered', 'retry', 'retry', 'retry'])
  })

  test('fails when the retries are used up, also with a Retry-After', () => {
    const last = { retried: 1, maxRetries: 1 }
    expect(judge(answered(429, { 'Retry-After': '1' }), last, now)).toEqual({ kind: 'failed' })
    expect(judge({ kind: 'unreachable', error: 'refused' }, last, now)).toEqual({ kind: 'failed' })
  })

  test('waits for the time of Retry-After: seconds, a duration or a date', () => {
    expect(waitAfter({ 'Retry-After': '0' })).toBe(0)
    expect(waitAfter({ 'Retry-After': '10' })).toBe(10_000)
    expect(waitAfter({ 'Retry-After': '6m5s' })).toBe(365_000)
    expect(waitAfter({ 'Retry-After': 'Thu, 01 Jan 2026 00:00:30 GMT' })).toBe(30_000)
  })

  test('ignores a Retry-After that is unreadable or beyond a day', () => {
    expect(waitAfter({ 'Retry-After': '86401' })).toBe(7)
    expect(waitAfter({ 'Retry-After': 'soon' })).toBe(7)
  })
})

describe('a retry delay expression', () => {
  test.each([
    ['1000', 2, 1000],
    ['1000 * (1 + retried)', 2, 3000],
    ['10 - 2 - 3', 0, 5],
    ['2 + 3 * 4 / 6', 0, 4],
    ['((retried))', 7, 7],
  ])('%s, retried %i times, is %d ms', (expression, retried, expected) => {
    expect(compileRetryDelay(expression)(retried)).toBe(expected)
  })

  test.each(['', '1 +', 'pow(2, 1)', 'process', '1 2', '(1', '1 ** 2', 'retried()'])('%j is refused', (expression) => {
    expect(() => compileRetryDelay(expression)).toThrow(Error)
  })

  test('a delay below zero or beyond a day is brought into bounds', () => {
    const waits = ['0 - 5', '1000000 * 1000'].map((retryDelay) =>
      judge(answered(500), { retried: 0, maxRetries: 1, retryDelay }, now),
    )
    expect(waits).toEqual([
      { kind: 'retry', waitMs: 0 },
      { kind: 'retry', waitMs: 86_400_000 },
    ])
  })
})

describe('a duration', () => {
  test.each([
    ['10s', 10_000],
    ['1d10h30m', 124_200_000],
    ['1.5s', 1500],
    ['250ms', 250],
  ])('%s is %d ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected)
  })

  test.each(['', '10', 's', '10x', '10s later'])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })
})
