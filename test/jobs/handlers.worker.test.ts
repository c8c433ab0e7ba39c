import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { drain } from '../../src/handlers/drain.ts'
import { startRun } from '../../src/handlers/job-worker.ts'
import type { NewJob } from '../../src/jobs/model/job.ts'
import { putToSleep } from '../support/worker/sleep.ts'

const tenant = 'handlers'
const backoff = { kind: 'fixed', seconds: 0, maxSeconds: 0, jitter: 0 } as const
const http = JSON.stringify({ url: 'https://hooks.example.com/', payload: null })

let queues = 0
let queue = ''
const jobQueue = () => env.JOB_QUEUE.getByName(`${tenant}/${queue}`)

beforeEach(() => {
  queue = `queue-${queues++}`
})
afterEach(() => void vi.unstubAllGlobals())

/** A run of the Worker, as QStash would start it. */
async function startOneRun(): Promise<void> {
  await runInDurableObject(jobQueue(), (_, { storage }) => {
    storage.sql.exec('INSERT INTO asked (id, at, sent) VALUES (?, ?, 1)', 'v', Date.now() + 3_600_000)
  })
  await putToSleep(jobQueue())
  const over = startRun(env, { tenant, queue, run: 'v' })
  await expect
    .poll(async () => {
      const { counts } = await jobQueue().stats()
      return counts.waiting + counts.active + counts.delayed
    })
    .toBe(0)
  // It would wait two seconds for further jobs.
  for (const run of drain.runs) run.drain()
  await over
}

/** One that goes wrong, and one of the same key behind it. */
async function workOff(bad: Partial<NewJob>): Promise<void> {
  const next = { id: 'next', type: 'join', payload: '{}', runAt: 0, key: 'k' }
  await jobQueue().enqueueAll([{ type: 'join', payload: '{}', runAt: 0, key: 'k', backoff, ...bad, id: 'bad' }, next])
  await startOneRun()
}

describe('a job that cannot be done is dead after its attempts, is listed, and does not block its key', () => {
  test.each([
    ['an unknown type', { type: 'unknown' }, 'no handler for unknown'],
    ['a handler that throws', { type: 'deliver-message', payload: '{"no":"message"}' }, /conversation/],
    ['a payload that is no JSON', { type: 'http', payload: 'no JSON' }, /JSON/],
  ])('%s', async (_, bad, note) => {
    await workOff({ ...bad, attempts: 3 })
    expect(await jobQueue().find('bad')).toMatchObject({
      state: 'dead',
      attempts: 3,
      note: expect.stringMatching(note),
    })
    expect(await jobQueue().find('next')).toMatchObject({ state: 'done' })
    expect((await jobQueue().list('dead', undefined, 10)).jobs.map(({ id }) => id)).toEqual(['bad'])
    expect((await jobQueue().stats()).counts).toMatchObject({ dead: 1, done: 1, waiting: 0, active: 0 })
  })

  test('an endpoint that always fails', async () => {
    const posts: string[] = []
    vi.stubGlobal('fetch', async (_: string, { headers }: { headers: Record<string, string> }) => {
      posts.push(headers['parley-attempt'] ?? '')
      return new Response('boom', { status: 500 })
    })
    await workOff({ type: 'http', payload: http, attempts: 4 })
    expect(posts).toEqual(['1', '2', '3', '4'])
    expect(await jobQueue().find('bad')).toMatchObject({ state: 'dead', note: 'the endpoint answered 500' })
    expect(await jobQueue().find('next')).toMatchObject({ state: 'done' })
  })

  test('an endpoint that never answers, whose request is aborted', async () => {
    let aborted = 0
    vi.stubGlobal('fetch', (_: string, { signal }: { signal: AbortSignal }) => {
      return new Promise((_resolve, reject) => {
        const stop = () => {
          aborted++
          reject(new Error('aborted'))
        }
        if (signal.aborted) stop()
        else signal.addEventListener('abort', stop)
      })
    })
    await workOff({ type: 'http', payload: http, attempts: 2, timeoutMs: 1000 })
    await expect.poll(() => aborted).toBe(2)
    expect(await jobQueue().find('bad')).toMatchObject({ state: 'dead', attempts: 2, note: 'took longer than 1000 ms' })
    expect(await jobQueue().find('next')).toMatchObject({ state: 'done' })
  })

  test('a post carries the trace of the request that enqueued the job, if there was one', async () => {
    const traces: (string | undefined)[] = []
    vi.stubGlobal('fetch', async (_: string, { headers }: { headers: Record<string, string> }) => {
      traces.push(headers['traceparent'])
      return new Response(null, { status: 410 })
    })
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await workOff({ type: 'http', payload: http, traceparent })
    await jobQueue().enqueue({ id: 'untraced', type: 'http', payload: http, runAt: 0 })
    await startOneRun()
    expect(traces).toEqual([traceparent, undefined])
  })

  test('a redirect of an endpoint is not followed', async () => {
    const asked: unknown[] = []
    vi.stubGlobal('fetch', async (url: string, { redirect }: RequestInit) => {
      asked.push([url, redirect])
      return new Response(null, { status: 302, headers: { location: 'http://169.254.169.254/' } })
    })
    await workOff({ type: 'http', payload: http, attempts: 1 })
    expect(asked).toEqual([['https://hooks.example.com/', 'manual']])
    expect(await jobQueue().find('bad')).toMatchObject({ state: 'dead', note: 'the endpoint answered 302' })
  })

  test('an endpoint that became private since the job was accepted is not called', async () => {
    const asked = vi.fn()
    vi.stubGlobal('fetch', asked)
    await workOff({ type: 'http', payload: JSON.stringify({ url: 'https://10.0.0.1/', payload: null }) })
    expect(asked).not.toHaveBeenCalled()
    expect(await jobQueue().find('bad')).toMatchObject({ state: 'failed', note: expect.stringMatching(/^url: /) })
  })
})
