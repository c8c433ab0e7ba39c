import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startRun } from '../../src/handlers/job-worker.ts'
import type { NewJob } from '../../src/jobs/model/job.ts'
import { putToSleep } from '../support/worker/sleep.ts'

const tenant = 'handlers'
const backoff = { kind: 'fixed', seconds: 0, maxSeconds: 0, jitter: 0 } as const
const http = JSON.stringify({ url: 'https://hooks.example.com/', payload: null })

let queues = 0
let queue = ''
const ledger = () => env.JOB_QUEUE.getByName(`${tenant}/${queue}`)

beforeEach(() => {
  queue = `queue-${queues++}`
})
afterEach(() => void vi.unstubAllGlobals())

/** The Worker's own visitor comes, as QStash would bring it. */
async function visit(): Promise<void> {
  await runInDurableObject(ledger(), (_, { storage }) => {
    storage.sql.exec('INSERT INTO asked (id, at, sent) VALUES (?, ?, 1)', 'v', Date.now() + 3_600_000)
  })
  await putToSleep(ledger())
  await startRun(env, { tenant, queue, run: 'v' })
}

/** One that goes wrong, and one of the same key behind it. */
async function workOff(bad: Partial<NewJob>): Promise<void> {
  const next = { id: 'next', type: 'join', payload: '{}', runAt: 0, key: 'k' }
  await ledger().enqueueAll([{ type: 'join', payload: '{}', runAt: 0, key: 'k', backoff, ...bad, id: 'bad' }, next])
  await visit()
}

describe('a job that cannot be done is parked after its attempts, to be seen, and keeps nobody', () => {
  test.each([
    ['an unknown type', { type: 'nobody-knows' }, 'no handler for nobody-knows'],
    ['a handler that throws', { type: 'deliver-message', payload: '{"no":"message"}' }, /conversation/],
    ['a payload that is no JSON', { type: 'http', payload: 'no JSON' }, /JSON/],
  ])('%s', async (_, bad, note) => {
    await workOff({ ...bad, attempts: 3 })
    expect(await ledger().find('bad')).toMatchObject({ state: 'dead', attempts: 3, note: expect.stringMatching(note) })
    expect(await ledger().find('next')).toMatchObject({ state: 'done' })
    expect((await ledger().list('dead', undefined, 10)).jobs.map(({ id }) => id)).toEqual(['bad'])
    expect((await ledger().stats()).counts).toMatchObject({ dead: 1, done: 1, waiting: 0, active: 0 })
  })

  test('an endpoint that always fails', async () => {
    const posts: string[] = []
    vi.stubGlobal('fetch', async (_: string, { headers }: { headers: Record<string, string> }) => {
      posts.push(headers['parley-attempt'] ?? '')
      return new Response('boom', { status: 500 })
    })
    await workOff({ type: 'http', payload: http, attempts: 4 })
    expect(posts).toEqual(['1', '2', '3', '4'])
    expect(await ledger().find('bad')).toMatchObject({ state: 'dead', note: 'the endpoint answered 500' })
    expect(await ledger().find('next')).toMatchObject({ state: 'done' })
  })

  test('an endpoint that never answers, and is told so', async () => {
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
    expect(await ledger().find('bad')).toMatchObject({ state: 'dead', attempts: 2, note: 'took longer than 1000 ms' })
    expect(await ledger().find('next')).toMatchObject({ state: 'done' })
  })

  test('an endpoint is told the trace of the request that made the job, and none where there was none', async () => {
    const traces: (string | undefined)[] = []
    vi.stubGlobal('fetch', async (_: string, { headers }: { headers: Record<string, string> }) => {
      traces.push(headers['traceparent'])
      return new Response(null, { status: 410 })
    })
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    await workOff({ type: 'http', payload: http, traceparent })
    await ledger().enqueue({ id: 'untraced', type: 'http', payload: http, runAt: 0 })
    await visit()
    expect(traces).toEqual([traceparent, undefined])
  })

  test('an endpoint that sends us elsewhere is not followed', async () => {
    const asked: unknown[] = []
    vi.stubGlobal('fetch', async (url: string, { redirect }: RequestInit) => {
      asked.push([url, redirect])
      return new Response(null, { status: 302, headers: { location: 'http://169.254.169.254/' } })
    })
    await workOff({ type: 'http', payload: http, attempts: 1 })
    expect(asked).toEqual([['https://hooks.example.com/', 'manual']])
    expect(await ledger().find('bad')).toMatchObject({ state: 'dead', note: 'the endpoint answered 302' })
  })

  test('an endpoint that became private since the job was accepted is not asked', async () => {
    const asked = vi.fn()
    vi.stubGlobal('fetch', asked)
    await workOff({ type: 'http', payload: JSON.stringify({ url: 'https://10.0.0.1/', payload: null }) })
    expect(asked).not.toHaveBeenCalled()
    expect(await ledger().find('bad')).toMatchObject({ state: 'failed', note: expect.stringMatching(/^url: /) })
  })
})
