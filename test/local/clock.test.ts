import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startClock } from '../../local/clock.ts'

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1) }))
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

/** A clock with one entry, that of every minute, whose runs fail when they are told to. */
async function ringing() {
  const said = vi.spyOn(console, 'error').mockReturnValue()
  const runs: PromiseWithResolvers<void>[] = []
  const runCron = async () => {
    const run = Promise.withResolvers<void>()
    runs.push(run)
    await run.promise
  }
  const stop = await startClock({ schedule: async () => [{ name: 'sweep', cron: '* * * * *' }], runCron })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(runs).toHaveLength(1)
  const fail = async () => {
    runs[0]?.reject(new Error('the Worker is gone'))
    await vi.advanceTimersByTimeAsync(0)
  }
  return { said, stop, runs, fail }
}

test('an entry that fails is said, and runs again when it is due', async () => {
  const { said, runs, fail } = await ringing()
  await fail()
  expect(said.mock.calls.flat().join()).toMatch(/cron sweep:.*the Worker is gone/)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(runs).toHaveLength(2)
})

test('one that was under way at the end fails by the end, and nothing is said or run any more', async () => {
  const { said, stop, runs, fail } = await ringing()
  stop()
  await fail()
  await vi.advanceTimersByTimeAsync(180_000)
  expect(said).not.toHaveBeenCalled()
  expect(runs).toHaveLength(1)
})
