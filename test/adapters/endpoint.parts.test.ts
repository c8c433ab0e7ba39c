import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { fetchKeySet } from '../../src/adapters/key-set.ts'
import type { Env } from '../../src/env.ts'
import { http } from '../../src/handlers/http.ts'
import { dropBody } from '../../src/kernel/drop-body.ts'
import { encodePost } from '../../src/webhooks/endpoint-post.ts'

const calls: string[] = []
let answer: () => Promise<Response>

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the bindings only the network is used
const env = {
  ENDPOINTS: {
    fetch: (url: string) => {
      calls.push(url)
      return answer()
    },
  },
} as unknown as Env

const job = { id: 'job-1', attempt: 1, type: 'http', payload: '', collected: [] }
const attempt = () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of a job only these fields are used
  return { job, secrets: [], signal: new AbortController().signal, report: () => undefined } as unknown as Parameters<
    typeof http
  >[3]
}
const post = (tenant: string, host: string) =>
  http(env, tenant, encodePost({ url: `https://${host}/hook`, payload: '{}' }), attempt())

const refusing = async (): Promise<Response> => {
  throw new Error('Network connection lost.')
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] })
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  vi.spyOn(console, 'info').mockImplementation(() => undefined)
  calls.length = 0
  answer = refusing
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

test('jobs of a tenant whose host does not answer are put off without a call, and their attempts do not count', async () => {
  for (let n = 0; n < 5; n++)
    expect(await post('acme', 'down.example.com')).toMatchObject({ kind: 'retry', error: 'unreachable' })
  expect(await post('acme', 'down.example.com')).toMatchObject({
    kind: 'snooze',
    seconds: expect.any(Number),
    reason: 'the endpoint’s host did not answer lately',
  })
  expect(calls).toHaveLength(5)
})

test('another tenant’s jobs to the same host are called, and so are other hosts of this tenant', async () => {
  for (let n = 0; n < 6; n++) await post('acme', 'shared.example.com')
  calls.length = 0
  answer = async () => new Response(null, { status: 200 })
  expect(await post('other', 'shared.example.com')).toMatchObject({ kind: 'done' })
  expect(await post('acme', 'second.example.com')).toMatchObject({ kind: 'done' })
  expect(calls).toHaveLength(2)
})

test('a host that answers again is called after its time by one job, and then by all', async () => {
  for (let n = 0; n < 5; n++) await post('acme', 'back.example.com')
  vi.setSystemTime(Date.now() + 5000)
  answer = async () => new Response(null, { status: 204 })
  expect(await post('acme', 'back.example.com')).toMatchObject({ kind: 'done' })
  expect(await post('acme', 'back.example.com')).toMatchObject({ kind: 'done' })
})

test.each([500, 404, 409, 429])('an endpoint that answers %d is there: its breaker stays closed', async (status) => {
  const host = `answers-${status}.example.com`
  answer = async () => new Response(null, { status })
  for (let n = 0; n < 20; n++) await post('acme', host)
  expect(calls).toHaveLength(20)
})

test.each([502, 504])('a proxy that answers %d for a host that is away opens its breaker', async (status) => {
  const host = `answers-${status}.example.com`
  answer = async () => new Response(null, { status })
  for (let n = 0; n < 20; n++) await post('acme', host)
  expect(calls).toHaveLength(5)
})

test('a job that takes long says nothing about its host', async () => {
  answer = async () => {
    vi.setSystemTime(Date.now() + 120_000)
    return new Response(null, { status: 200 })
  }
  for (let n = 0; n < 20; n++) expect(await post('acme', 'slow.example.com')).toMatchObject({ kind: 'done' })
})

test('a key set of a host with an open breaker fails with a reason that says so, without a call', async () => {
  const url = 'https://keys.example.com/jwks.json'
  for (let n = 0; n < 5; n++) await fetchKeySet(env, 'acme', url)
  expect(await fetchKeySet(env, 'acme', url)).toEqual({
    kind: 'failed',
    reason: 'url: its host did not answer lately and is not asked for a moment',
  })
  expect(calls).toHaveLength(5)
})

test('a key set that never answers is given up after five seconds', async () => {
  vi.useFakeTimers()
  const unreachable = { kind: 'failed', reason: 'url: did not answer within five seconds, or could not be reached' }
  const signals: AbortSignal[] = []
  const hanging = (signal: AbortSignal) => {
    const { promise, reject } = Promise.withResolvers<never>()
    signal.addEventListener('abort', () => reject(signal.reason))
    signals.push(signal)
    return promise
  }
  const bound: Pick<Env, 'ENDPOINTS'> = {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the network only fetch is used
    ENDPOINTS: { fetch: (_: string, { signal }: { signal: AbortSignal }) => hanging(signal) } as unknown as Fetcher,
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the bindings only the network is used
  const fetched = fetchKeySet(bound as Env, 'acme', 'https://hanging.example.com/jwks.json')
  await vi.advanceTimersByTimeAsync(5000)
  expect(await fetched).toEqual(unreachable)
  expect(signals.map(({ aborted }) => aborted)).toEqual([true])
  expect(vi.getTimerCount()).toBe(0)
})

test('a short body that nothing is wanted of is read to its end, so that its connection is used again; others are cancelled', async () => {
  const bodyOf = (text: string, length: string | undefined) => {
    let end = 'open'
    const stream = new ReadableStream(
      {
        pull(controller) {
          controller.enqueue(new TextEncoder().encode(text))
          controller.close()
          end = 'read'
        },
        cancel: () => void (end = 'cancelled'),
      },
      { highWaterMark: 0 },
    )
    const headers = length === undefined ? {} : { 'content-length': length }
    return { response: new Response(stream, { headers }), end: () => end }
  }
  for (const [length, expected] of [
    ['2', 'read'],
    ['16385', 'cancelled'],
    [undefined, 'cancelled'],
  ] as const) {
    const { response, end } = bodyOf('{}', length)
    await dropBody(response)
    expect([length, end()]).toEqual([length, expected])
  }
  await dropBody(new Response(null, { status: 204 }))
})
