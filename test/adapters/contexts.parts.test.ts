import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { callActorsOf, callContext, workerOf } from '../../src/adapters/contexts.ts'
import { forgetDependencies } from '../../src/adapters/dependency.ts'

type Env = Parameters<typeof callContext>[0]

const jobs = { name: 'the Worker of jobs' }
const core = { name: 'the main Worker' }

/** The bindings of a Worker, as far as contexts look at them. */
const envOf = (bindings: object): Env => Object.create(bindings)
const main = envOf({ JOBS: jobs })

beforeEach(() => {
  forgetDependencies()
  vi.useFakeTimers()
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('a context is elsewhere where a binding leads to it, and in a Worker of single contexts all others are', () => {
  expect(workerOf(main, 'jobs')).toBe(jobs)
  expect(workerOf(main, 'events')).toBeUndefined()
  expect(workerOf(main, 'core')).toBeUndefined()
  const ofJobs = envOf({ CONTEXTS: 'jobs', CORE: core })
  expect(workerOf(ofJobs, 'jobs')).toBeUndefined()
  expect(workerOf(ofJobs, 'events')).toBe(core)
  expect(workerOf(ofJobs, 'core')).toBe(core)
})

test('a context that does not answer within the deadline is an error with its name', async () => {
  const call = callContext(main, 'jobs', { deadlineMs: 15_000, isRepeatable: false }, () => new Promise(() => {}))
  const failed = expect(call).rejects.toMatchObject({ dependency: 'jobs', message: 'jobs does not answer' })
  await vi.advanceTimersByTimeAsync(15_000)
  await failed
})

test.each([
  { kind: 'a read', isRepeatable: true, attempts: 2 },
  { kind: 'a write', isRepeatable: false, attempts: 1 },
])('$kind is tried $attempts times', async ({ isRepeatable, attempts }) => {
  let tried = 0
  const call = callContext(main, 'jobs', { deadlineMs: 15_000, isRepeatable }, async () => {
    tried++
    throw new Error('the Worker threw an exception')
  })
  const failed = expect(call).rejects.toMatchObject({ dependency: 'jobs' })
  await vi.advanceTimersByTimeAsync(1000)
  await failed
  expect(tried).toBe(attempts)
})

test('a context that fails again and again is left alone for a while, and its actors are not', async () => {
  let tried = 0
  const fail = () =>
    callContext(main, 'jobs', { deadlineMs: 15_000, isRepeatable: false }, async () => {
      tried++
      throw new Error('away')
    }).catch((thrown: unknown) => thrown)
  for (let nth = 0; nth < 30; nth++) expect(await fail()).toMatchObject({ dependency: 'jobs' })
  expect(tried).toBeLessThan(30)
  expect(await callActorsOf(main, 'jobs', async () => 'queued')).toBe('queued')
})

test('actors of a context in the same Worker are called without a timer', async () => {
  const whole = envOf({})
  const answer = callActorsOf(whole, 'jobs', () => Promise.resolve('queued'))
  expect(vi.getTimerCount()).toBe(0)
  expect(await answer).toBe('queued')
})

test('actors of a context elsewhere that hang are an error with its name after five seconds', async () => {
  const failed = expect(callActorsOf(main, 'jobs', () => new Promise(() => {}))).rejects.toMatchObject({
    dependency: 'jobs',
  })
  await vi.advanceTimersByTimeAsync(5000)
  await failed
})
