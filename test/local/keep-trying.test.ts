import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { keepTrying } from '../../local/keep-trying.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('work that fails is repeated with growing pauses until it succeeds, which is reported once', async () => {
  const at: number[] = []
  const since = Date.now()
  const tell = { failed: vi.fn<() => void>(), done: vi.fn<() => void>() }
  const trying = keepTrying(async () => {
    at.push(Date.now() - since)
    if (at.length < 4) throw new Error('Postgres is down')
  }, tell)
  expect(await trying.first).toEqual(new Error('Postgres is down'))
  await vi.advanceTimersByTimeAsync(600_000)
  expect(at).toEqual([0, 1000, 3000, 7000])
  expect([tell.failed.mock.calls.length, tell.done.mock.calls.length]).toEqual([3, 1])
})

test('the pauses grow to a minute', async () => {
  let attempts = 0
  keepTrying(
    async () => {
      attempts += 1
      throw new Error('down')
    },
    { failed: () => {}, done: () => {} },
  )
  await vi.advanceTimersByTimeAsync(63_000)
  const before = attempts
  await vi.advanceTimersByTimeAsync(600_000)
  expect(attempts - before).toBe(10)
})

test('work that is stopped is not repeated, and the attempt under way is waited for', async () => {
  const attempt = Promise.withResolvers<void>()
  const work = vi.fn<() => Promise<void>>(() => attempt.promise)
  const failed = vi.fn<() => void>()
  const trying = keepTrying(work, { failed, done: () => {} })
  let isStopped = false
  const stopped = trying.stop().then(() => (isStopped = true))
  await vi.advanceTimersByTimeAsync(0)
  expect(isStopped).toBe(false)
  attempt.reject(new Error('too late'))
  await stopped
  await vi.advanceTimersByTimeAsync(600_000)
  expect([work.mock.calls.length, failed.mock.calls.length]).toEqual([1, 0])
})
