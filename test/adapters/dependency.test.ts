import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  callDependency,
  CallRefused,
  callFigures,
  useBreakers,
  type Dependency,
} from '../../src/adapters/dependency.ts'
import type { BreakerReport, Opinion } from '../../src/resilience/opinion.ts'

let services = 0
/** Each test calls a service of its own, since an isolate remembers. */
const newService = (options: Partial<Dependency> = {}): Dependency => {
  const name = `service-${++services}`
  return {
    name,
    label: 'The service',
    breaker: { tenant: undefined, key: name },
    maxUnderWay: 4,
    attempts: 1,
    ...options,
  }
}
const times = { deadlineMs: 5000 }
const ok = async () => ({ value: 'answer' })
const fails = async () => {
  throw new Error('down')
}
const reports: BreakerReport[] = []
let opinion: Opinion | undefined
const closed: Opinion = { state: 'closed', waitMs: 0, closings: 0, reportEveryMs: 1000 }

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  reports.length = 0
  opinion = closed
  useBreakers({
    report: async (_, report) => {
      reports.push(report)
      return opinion ?? (await new Promise<never>(() => undefined))
    },
    keep: () => undefined,
  })
})

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const failTimes = async (service: Dependency, count: number) => {
  for (let n = 0; n < count; n++) await callDependency(service, times, fails).catch(() => undefined)
}

test('after five failures in a row a service is not called, and the error says for how long', async () => {
  const service = newService()
  await failTimes(service, 5)
  const attempt = vi.fn(ok)
  const refused = await callDependency(service, times, attempt).catch((thrown: unknown) => thrown)
  expect(attempt).not.toHaveBeenCalled()
  expect(refused).toBeInstanceOf(CallRefused)
  expect(refused).toMatchObject({
    message: `${service.label} is not called: its breaker is open`,
    retryInMs: expect.any(Number),
  })
})

test('a service that is called again without the breaker’s actor closes after one success', async () => {
  const service = newService()
  await failTimes(service, 5)
  opinion = undefined
  vi.setSystemTime(Date.now() + 2000)
  const probe = callDependency(service, times, ok)
  await vi.advanceTimersByTimeAsync(250)
  expect(await probe).toBe('answer')
  expect(await callDependency(service, times, ok)).toBe('answer')
})

test('a probe whose request was cancelled keeps others waiting for its lease only', async () => {
  const service = newService()
  await failTimes(service, 5)
  vi.setSystemTime(Date.now() + 2000)
  const never = () => new Promise<never>(() => undefined)
  void callDependency(service, { ...times, signal: new AbortController().signal }, never).catch(() => undefined)
  await vi.advanceTimersByTimeAsync(1)
  await expect(callDependency(service, times, ok)).rejects.toThrow(CallRefused)
  vi.setSystemTime(Date.now() + 6100)
  expect(await callDependency(service, times, ok)).toBe('answer')
})

test('the isolate that is given the probe of all makes one call and reports how it ended', async () => {
  const service = newService()
  opinion = { ...closed, state: 'open', waitMs: 1000 }
  await failTimes(service, 1)
  await vi.advanceTimersByTimeAsync(0)
  await expect(callDependency(service, times, ok)).rejects.toThrow(CallRefused)
  vi.setSystemTime(Date.now() + 1000)
  opinion = { ...closed, state: 'half-open', waitMs: 1000, probe: 7 }
  expect(await callDependency(service, times, ok)).toBe('answer')
  expect(reports.at(-1)).toMatchObject({ probed: { probe: 7, isSuccess: true } })
})

test('with all its places taken a service refuses one more call, and a place of a cancelled request comes back after its deadline', async () => {
  const service = newService()
  const cancelled = { ...times, signal: new AbortController().signal }
  for (let n = 0; n < 4; n++)
    void callDependency(service, cancelled, () => new Promise<never>(() => undefined)).catch(() => undefined)
  await vi.advanceTimersByTimeAsync(0)
  await expect(callDependency(service, times, ok)).rejects.toThrow('too many calls to it are under way')
  vi.setSystemTime(Date.now() + 6100)
  // Slow calls opened the view; its own probe goes out.
  await expect(callDependency(service, times, ok)).resolves.toBe('answer')
})

test('calls that hang open the view before their deadline', async () => {
  const service = newService({ maxUnderWay: 100 })
  for (let n = 0; n < 6; n++)
    void callDependency(service, times, () => new Promise<never>(() => undefined)).catch(() => 0)
  await vi.advanceTimersByTimeAsync(3001)
  await expect(callDependency(service, times, ok)).rejects.toThrow('its breaker is open')
})

describe('retries', () => {
  const settled = async (call: Promise<unknown>) => {
    const progress = { ended: false }
    void call.catch(() => undefined).finally(() => (progress.ended = true))
    while (!progress.ended) await vi.advanceTimersByTimeAsync(50)
  }

  test('a failed call is repeated once after a pause, within the same deadline', async () => {
    const service = newService({ attempts: 2 })
    const attempt = vi.fn(ok)
    attempt.mockRejectedValueOnce(new Error('reset'))
    const call = callDependency(service, times, attempt)
    await settled(call)
    expect(await call).toBe('answer')
    expect(attempt).toHaveBeenCalledTimes(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('retries are a tenth of the calls and one, however many calls fail', async () => {
    const service = newService({ attempts: 2, maxUnderWay: 1000 })
    let attempts = 0
    for (let n = 0; n < 200; n++) {
      // Five of six succeed, so that the breaker stays closed.
      const isBad = n % 6 === 5
      await settled(
        callDependency(service, times, async () => {
          attempts++
          if (isBad) throw new Error('reset')
          return { value: 1 }
        }),
      )
      vi.setSystemTime(Date.now() + 100)
    }
    expect(attempts - 200).toBeGreaterThan(10)
    expect(attempts - 200).toBeLessThanOrEqual(21)
    expect(callFigures().get(service.name)).toMatchObject({ retries: attempts - 200 })
  })

  test('an answer that is no sign of trouble is neither repeated nor counted as a failure', async () => {
    const service = newService({ attempts: 2 })
    const refused = new Error('syntax error')
    const attempt = vi.fn(async () => {
      throw refused
    })
    for (let n = 0; n < 10; n++)
      await expect(callDependency(service, { ...times, isTrouble: () => false }, attempt)).rejects.toBe(refused)
    expect(attempt).toHaveBeenCalledTimes(10)
    expect(callFigures().get(service.name)).toMatchObject({ failures: 0, refused: 0 })
  })

  test('an open breaker is no reason to try again', async () => {
    const service = newService({ attempts: 2 })
    const attempt = vi.fn(fails)
    for (let n = 0; n < 20; n++) await settled(callDependency(service, times, attempt))
    expect(attempt.mock.calls.length).toBeLessThanOrEqual(6)
  })
})

test('a service that is healthy and seldom called causes no report', async () => {
  const service = newService()
  for (let n = 0; n < 20; n++) {
    await callDependency(service, times, ok)
    vi.setSystemTime(Date.now() + 10_000)
  }
  expect(reports.length).toBeLessThanOrEqual(4)
})
