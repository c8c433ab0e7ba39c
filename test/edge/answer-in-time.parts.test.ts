import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { answerInTime } from '../../src/edge/http/answer-in-time.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a request whose actor does not answer is answered with a problem after half a minute', async () => {
  const answer = answerInTime(Promise.withResolvers<string>().promise)
  const told = expect(answer).rejects.toThrow('took longer than 30 s')
  await vi.advanceTimersByTimeAsync(30_000)
  await told
})

test('a request that is answered leaves no timer behind', async () => {
  expect(await answerInTime(Promise.resolve('here'))).toBe('here')
  expect(vi.getTimerCount()).toBe(0)
})
