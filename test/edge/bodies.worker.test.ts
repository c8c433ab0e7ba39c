import { createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { app } from '../../src/edge/http/app.ts'
import { requestLoad } from '../../src/edge/middleware/shed-requests.ts'
import { requestsUnderWay } from '../../src/edge/middleware/limit-requests.ts'
import { bodyDueMs } from '../../src/limits/body-pace.ts'
import { sizes } from '../../src/protocol/limits.ts'
import { notificationBodyBytes } from '../../src/protocol/notifications-api.ts'
import { maxUnderWay } from '../../src/limits/under-way.ts'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'

afterEach(() => void vi.useRealTimers())

/** The cap of a route, and the piece that goes beyond it. */
const maxTakenBy = (line: string): number =>
  (line === 'POST /v1/notifications' ? notificationBodyBytes : sizes.bodyBytes) + 16_384

/** Every path that the app's own table knows, for each method that may have a body. */
const routes = [
  ...new Set(
    app.routes
      .filter(({ path }) => !path.includes('*'))
      .flatMap(({ method, path }) =>
        (method === 'ALL' ? ['POST', 'PUT', 'PATCH', 'DELETE'] : [method]).map((one) => `${one} ${path}`),
      ),
  ),
].filter((line) => !line.startsWith('GET '))

/** Everything that lets a caller in, and a signature that looks like one: the body is read before it is checked. */
async function credentials(): Promise<Record<string, string>[]> {
  const { key } = await newTenant()
  return [
    { authorization: `Bearer ${key}` },
    { authorization: `Bearer ${env.ADMIN_KEY}` },
    { 'upstash-signature': 'e30.e30.AAAA' },
  ]
}

async function ask(line: string, headers: Record<string, string>, body: ReadableStream<Uint8Array>): Promise<Response> {
  const [method = '', path = ''] = line.split(' ')
  const url = `http://parley${path.replaceAll(/:[a-z]+/gi, 'x')}`
  return await app.fetch(new Request(url, { method, headers, body }), env, createExecutionContext())
}

/** A body without an end that says how much of it was taken. */
function endless() {
  const taken = { bytes: 0 }
  const piece = new Uint8Array(16_384).fill(32)
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        taken.bytes += piece.byteLength
        controller.enqueue(piece)
      },
    },
    { highWaterMark: 0 },
  )
  return { taken, body }
}

/** A body that begins and then does not go on; `starved` resolves when more of it is waited for. */
function stopped() {
  const { promise, resolve } = Promise.withResolvers<void>()
  let begun = false
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        if (begun) resolve()
        else controller.enqueue(new TextEncoder().encode('{"a":'))
        begun = true
      },
    },
    { highWaterMark: 0 },
  )
  return { body, starved: promise }
}

const stopTimers = () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })

describe('the body of a request', () => {
  test('is never read further than its cap, and ends with 408 when it stops, on every route and with every credential', async () => {
    const taking: { line: string; headers: Record<string, string> }[] = []
    for (const headers of await credentials())
      for (const line of routes) {
        const { taken, body } = endless()
        const { status } = await ask(line, headers, body)
        expect([line, status, Math.max(taken.bytes, maxTakenBy(line))]).toEqual([line, status, maxTakenBy(line)])
        if (status === 413) taking.push({ line, headers })
        // What does not read a body answers before it.
        else expect([line, taken.bytes]).toEqual([line, 0])
      }
    const lines = taking.map(({ line }) => line)
    for (const line of ['POST /jobs', 'POST /jobs/failed', 'POST /api', 'POST /emulation', 'POST /v1/tokens'])
      expect(lines).toContain(line)
    expect(lines).toContain('PUT /admin/v1/tenants/:id')

    stopTimers()
    for (const { line, headers } of taking) {
      const { body, starved } = stopped()
      const answer = ask(line, headers, body)
      await starved
      expect([line, requestLoad.waiting]).toEqual([line, 0])
      vi.advanceTimersByTime(bodyDueMs(16))
      expect([line, (await answer).status]).toEqual([line, 408])
    }
  })

  test('has a lowest rate: one that comes byte by byte is given up when it falls behind', async () => {
    const { key } = await newTenant()
    stopTimers()
    const starved = Promise.withResolvers<void>()
    let bytes = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          bytes++
          controller.enqueue(new Uint8Array([32]))
          if (bytes === 1) return
          starved.resolve()
          return new Promise<void>(() => {})
        },
      },
      { highWaterMark: 0 },
    )
    const answer = ask('POST /v1/tokens', { authorization: `Bearer ${key}` }, body)
    await starved.promise
    vi.advanceTimersByTime(bodyDueMs(bytes))
    expect((await answer).status).toBe(408)
  })

  test('that is waited for holds a place of its own caller, and of no other', async () => {
    const tenant = await newTenant({ requestsPerSecondUser: 1000 })
    const [ana, bob] = [await tenant.token('ana'), await tenant.token('bob')]
    stopTimers()
    const as = (token: string) => ({ authorization: `Bearer ${token}` })
    const held = []
    for (let n = 0; n < maxUnderWay.user; n++) {
      const { body, starved } = stopped()
      held.push(ask('POST /v1/conversations', as(ana), body))
      await starved
    }
    expect(requestLoad.waiting).toBe(0)
    const refused = await ask('POST /v1/conversations', as(ana), stopped().body)
    expect([refused.status, await refused.json()]).toMatchObject([
      429,
      { detail: expect.stringContaining(`at most ${maxUnderWay.user}`) },
    ])
    expect((await call('GET /v1/conversations', { as: bob })).status).toBe(200)
    vi.advanceTimersByTime(bodyDueMs(16))
    for (const answer of held) expect((await answer).status).toBe(408)
    expect(requestsUnderWay.of(`user ${tenant.id} ana`)).toBe(0)
    expect((await call('GET /v1/conversations', { as: ana })).status).toBe(200)
  })
})
