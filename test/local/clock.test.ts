import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startClock } from '../../local/clock.ts'

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }))
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** A clock with one cron expression, that of every minute, after its first run began. */
async function started() {
  const errors = vi.spyOn(console, 'error').mockReturnValue()
  const runs: { readonly cron: string; readonly at: number; readonly fail: (reason: Error) => void }[] = []
  const scheduled = async (cron: string, at: Date) => {
    await new Promise<void>((_, fail) => void runs.push({ cron, at: at.getTime(), fail }))
  }
  const stop = startClock(['* * * * *'], { scheduled })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(runs).toHaveLength(1)
  const fail = async () => {
    runs[0]?.fail(new Error('the Worker is gone'))
    await vi.advanceTimersByTimeAsync(0)
  }
  return { errors, stop, runs, fail }
}

test('the clock calls the scheduled handler with the cron expression and the minute it stands for', async () => {
  const { runs } = await started()
  expect(runs).toMatchObject([{ cron: '* * * * *' }])
  expect(Math.abs((runs[0]?.at ?? 0) - Date.UTC(2026, 0, 1, 0, 1))).toBeLessThan(1000)
})

test('a run that fails is reported, and the next one starts when it is due', async () => {
  const { errors, runs, fail } = await started()
  await fail()
  expect(errors.mock.calls.flat().join()).toMatch(/cron \* \* \* \* \*:.*the Worker is gone/)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(runs).toHaveLength(2)
})

test('a run that the stop of the clock interrupts is not reported, and no other starts', async () => {
  const { errors, stop, runs, fail } = await started()
  stop()
  await fail()
  await vi.advanceTimersByTimeAsync(180_000)
  expect(errors).not.toHaveBeenCalled()
  expect(runs).toHaveLength(1)
})
