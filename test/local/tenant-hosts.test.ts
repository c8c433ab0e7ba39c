import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startMiniflare } from '../../local/miniflare.ts'
import { startWorkerd, type Running } from '../../local/workerd.ts'
import { freePort } from '../support/e2e/system.ts'

const root = join(import.meta.dirname, '../..')

/**
 * Every way to a host that a tenant named, by the file that goes it. The test below fails while a file that calls
 * `fetchEndpoint` or `connectEndpoint` is not here.
 */
const ways: Readonly<Record<string, readonly { readonly name: string; readonly call: string }[]>> = {
  'src/handlers/http.ts': [
    { name: 'a job', call: `http(env, 'acme', encodePost({ url, payload: '{}' }), attempt())` },
    {
      name: 'a job of another tenant',
      call: `http(env, 'other', encodePost({ url: url + '?a=b', payload: '{}' }), attempt())`,
    },
  ],
  'src/adapters/saga-endpoint.ts': [
    {
      name: 'a step of a saga',
      call: `callSagaEndpoint(env, 'acme', { url }, { key: 'r/s', attempt: 1, call: 1, purpose: 'act', timeoutMs: 2000, document: {} }, [])`,
    },
  ],
  'durable-objects/event-consumer/event-poster.ts': [
    {
      name: 'an event for a consumer',
      call: `postEvent(env, { attempt: 1, generation: 1 }, { tenant: 'acme', url, timeoutSeconds: 2, id: 'c/t/1', body: '{}', secrets: [] })`,
    },
  ],
  'src/edge/facade/facade.ts': [
    {
      name: 'a request through a facade',
      call: `callUpstream(env, upstreamAt(env, 'acme', { url, timeoutMs: 2000 }), { method: 'GET', path: '/', search: '', headers: new Headers(), body: null })`,
    },
  ],
  'src/edge/facade/shadow.ts': [
    {
      name: 'a shadow of a request through a facade',
      call: `callUpstream(env, upstreamAt(env, 'other', { url, timeoutMs: 2000 }), { method: 'GET', path: '/', search: '', headers: new Headers(), body: null })`,
    },
  ],
  'src/handlers/notification-call.ts': [
    {
      name: 'a provider of notifications',
      call: `callProvider(env, 'third', { url, method: 'POST', headers: {}, body: new Uint8Array([1]) }, 2000)`,
    },
    { name: 'the confirmation of a provider’s reports', call: `confirmReports(env, 'third', url, 2000)` },
  ],
  'src/handlers/notification-fetch.ts': [
    {
      name: 'a fetch step of a workflow',
      call: `callStepEndpoint(env, 'fourth', { url, body: null, idempotencyKey: 'n/alice/fetch', timeoutMs: 2000 }, [])`,
    },
  ],
  'src/handlers/notification-smtp.ts': [
    {
      name: 'a server of SMTP',
      call: `sendBySmtp(env, 'fifth', { id: 'n/1', content: { title: 'Hi', body: 'x' }, to: 'a@example.com', from: 'b@example.com', priority: 'normal', headers: {}, workflow: 'w' }, { host: 'localhost', port }, 2000)`,
    },
  ],
  'src/adapters/key-set.ts': [{ name: 'a key set', call: `fetchKeySet(env, 'acme', url)` }],
  'src/adapters/endpoint-socket.ts': [
    {
      name: 'a TLS socket',
      call: `connectEndpoint(env, { tenant: 'acme', hostname: 'localhost', port, deadlineMs: 2000 }, 'on', async () => ({ value: 'open' }))`,
    },
    {
      name: 'a socket for STARTTLS',
      call: `connectEndpoint(env, { tenant: 'other', hostname: 'localhost', port, deadlineMs: 2000 }, 'starttls', async () => ({ value: 'open' }))`,
    },
  ],
}
const named = Object.values(ways).flat()

/** Passes the check of the name, as a public name would that resolves to loopback; what is left is the network. */
const worker = `
  import { http } from './src/handlers/http.ts'
  import { encodePost } from './src/webhooks/endpoint-post.ts'
  import { callSagaEndpoint } from './src/adapters/saga-endpoint.ts'
  import { postEvent } from './durable-objects/event-consumer/event-poster.ts'
  import { callUpstream, upstreamAt } from './src/adapters/upstream.ts'
  import { callProvider, confirmReports } from './src/handlers/notification-call.ts'
  import { sendBySmtp } from './src/handlers/notification-smtp.ts'
  import { callStepEndpoint } from './src/handlers/notification-fetch.ts'
  import { fetchKeySet } from './src/adapters/key-set.ts'
  import { connectEndpoint } from './src/adapters/endpoint-socket.ts'
  const attempt = () => ({ job: { id: 'job-1', attempt: 1, collected: [] }, secrets: [], signal: new AbortController().signal })
  const ways = { ${named.map(({ name, call }) => `${JSON.stringify(name)}: (env, url, port) => ${call}`).join(',\n')} }
  export default {
    async fetch(request, bound) {
      const { way, port } = await request.json()
      const url = 'http://localhost:' + port + '/'
      if (way === undefined) return Response.json({ answer: await globalThis.fetch(url).then((r) => r.status, String) })
      const env = { ...bound, ENVIRONMENT: 'local', ALLOW_PRIVATE_ENDPOINTS: '1' }
      const answer = await ways[way](env, url, port).then((value) => JSON.stringify(value), String)
      return Response.json({ answer })
    },
  }
`

const read = (file: string) => readFileSync(join(root, file), 'utf8')
const workerFiles = globSync('{src,durable-objects}/**/*.ts', { cwd: root })

/** Files that name one of these in code. */
const filesWith = (pattern: RegExp): string[] =>
  workerFiles
    .filter((file) =>
      read(file)
        .split('\n')
        .some((line) => !/^\s*(?:\/\/|\/?\*)/.test(line) && pattern.test(line)),
    )
    .toSorted()

test('each file that calls a host which a tenant named is listed here with its calls', () => {
  const callers = filesWith(/\b(?:fetchEndpoint|connectEndpoint|callUpstream)[(<]/).filter(
    (file) => file !== 'src/adapters/endpoint.ts' && file !== 'src/adapters/upstream.ts',
  )
  expect(callers).toEqual(Object.keys(ways).toSorted())
})

test('no other file reaches the outside: sockets, the network of tenants’ hosts and fetch have one place each', () => {
  expect(filesWith(/cloudflare:sockets/)).toEqual(['src/adapters/endpoint-socket.ts'])
  expect(filesWith(/\bENDPOINTS\b/)).toEqual([
    'src/adapters/endpoint-socket.ts',
    'src/adapters/endpoint.ts',
    'src/env.ts',
  ])
  // Of the platform's own services; the SDKs of Redis and QStash fetch by themselves.
  const fetches = /(?<![.#\w])fetch\(|globalThis\.fetch|new (?:WebSocket|EventSource)\(/
  expect(filesWith(fetches).filter((file) => !/^\s*(?:override )?(?:async )?fetch\(/m.test(read(file)))).toEqual([
    'src/adapters/blobs/s3.ts',
    'src/adapters/neon/connect.ts',
    'src/adapters/upstash/values.ts',
    'src/edge/resources/operations/health.ts',
  ])
})

let inside: Server
let insidePort = 0
let connections = 0

beforeAll(async () => {
  inside = createServer((socket) => {
    connections++
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n'))
  })
  await new Promise<void>((resolve) => inside.listen(0, '0.0.0.0', resolve))
  const address = inside.address()
  insidePort = typeof address === 'object' && address !== null ? address.port : 0
})
afterAll(() => void inside.close())

const runtimes = { workerd: startWorkerd, Miniflare: startMiniflare }

describe.each(Object.entries(runtimes))('on %s', (_, start) => {
  let dataDir: string
  let running: Running
  let port: number

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'parley-tenant-hosts-'))
    port = await freePort()
    const file = join(dataDir, 'worker.js')
    await build({
      stdin: { contents: worker, resolveDir: root, loader: 'js' },
      outfile: file,
      bundle: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2024',
      conditions: ['workerd', 'worker', 'browser'],
      external: ['cloudflare:*', 'node:*'],
    })
    const config = { compatibilityDate: '2026-10-01', compatibilityFlags: [], actors: [], crons: [], vars: {} }
    running = await start({ worker: file, config, vars: {}, dataDir, host: '127.0.0.1', port })
  })
  afterAll(async () => {
    await running.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  const go = async (way?: string): Promise<string> => {
    const body = JSON.stringify({ way, port: insidePort })
    for (;;) {
      const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body }).catch(() => undefined)
      if (response !== undefined) return String(z.object({ answer: z.unknown() }).parse(await response.json()).answer)
      await new Promise((again) => setTimeout(again, 50))
    }
  }

  test('the way to our own services reaches a server on loopback', async () => {
    const before = connections
    expect(await go()).toBe('200')
    expect(connections).toBe(before + 1)
  })

  test.each(named)('$name does not reach a name that resolves to loopback', async ({ name }) => {
    const before = connections
    const answer = await go(name)
    expect(connections).toBe(before)
    expect(answer).toMatch(
      /no address, or none that is public|could not be reached|internal error|proxy request failed/,
    )
  })
})
