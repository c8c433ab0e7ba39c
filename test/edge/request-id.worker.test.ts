import { env } from 'cloudflare:workers'
import { createExecutionContext, runInDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { app } from '../../src/edge/http/app.ts'
import { log } from '../../src/kernel/log.ts'
import { idsOf, readTraceparent } from '../../src/kernel/request-context.ts'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${traceId}-00f067aa0ba902b7-01`

/** Every line that is logged from now on, parsed. */
function logged(): Record<string, unknown>[] {
  const lines: Record<string, unknown>[] = []
  for (const level of ['info', 'warn', 'error'] as const)
    vi.spyOn(console, level).mockImplementation((line: string) => void lines.push(JSON.parse(line)))
  return lines
}

afterEach(() => void vi.restoreAllMocks())

describe('the id of a request', () => {
  test('is in the header and in the problem, and is the one that the caller chose', async () => {
    const chosen = await call('GET /v1/conversations', { headers: { 'x-request-id': 'mine-1' } })
    expect(chosen.headers.get('x-request-id')).toBe('mine-1')
    expect(chosen.body).toMatchObject({ status: 401, requestId: 'mine-1' })

    const given = await call('GET /v1/nothing-like-it')
    expect(given.body['requestId']).toBe(given.headers.get('x-request-id'))
    expect(given.body['requestId']).toMatch(/^[\da-f-]{36}$/)
  })

  test('and that of its trace are in every line that the request logs', async () => {
    const lines = logged()
    const broken = Object.defineProperty({ ...env }, 'TENANT', {
      get: () => {
        throw new Error('no tenants today')
      },
    })
    const headers = { 'x-request-id': 'mine-2', traceparent, authorization: `Bearer parley_some_${'x'.repeat(43)}` }
    const answer = await app.fetch(
      new Request('https://parley/v1/limits', { headers }),
      broken,
      createExecutionContext(),
    )
    expect(answer.status).toBe(500)
    expect(lines.length).toBeGreaterThan(0)
    for (const line of lines) expect(line).toMatchObject({ requestId: 'mine-2', traceId })
  })

  test('reaches the lines of a conversation with gateways that cannot be notified', async () => {
    const tenant = await newTenant()
    const id = await tenant.group('alice', 'bob')
    const lines = logged()
    const conversation = env.CONVERSATION.getByName(`${tenant.id}/${id}`)
    const subscribe = { user: 'bob', client: 'c', kind: 'subscribe' as const, joinLeave: false }
    await conversation.execute({ gateway: 'nowhere/at/all', have: null, commands: [subscribe] })
    vi.spyOn(env.GATEWAY, 'getByName').mockImplementation(() => {
      throw new Error('no gateways today')
    })
    const message = { as: tenant.key, body: { clientId: '1', text: 'Hello', user: 'alice' } }
    const sent = await call(`POST /v1/conversations/${id}/messages`, {
      ...message,
      headers: { 'x-request-id': 'mine-3' },
    })
    expect(sent.status).toBe(201)
    await vi.waitFor(() =>
      expect(lines).toContainEqual(
        expect.objectContaining({ event: 'subscribers.publish-failed', requestId: 'mine-3' }),
      ),
    )
  })
})

describe('a W3C traceparent', () => {
  test.each([
    ['of version 00', traceparent, traceparent],
    ['of a later version, as one of version 00', `cc-${traceId}-00f067aa0ba902b7-01-more`, traceparent],
    ['with more fields than version 00 has', `${traceparent}-more`, undefined],
    ['of version ff', `ff${traceparent.slice(2)}`, undefined],
    ['without a trace', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, undefined],
    ['without a parent', `00-${traceId}-${'0'.repeat(16)}-01`, undefined],
    ['in capital letters', traceparent.toUpperCase(), undefined],
    ['that is absent', undefined, undefined],
  ])('%s is read as the standard says', (_, header, read) => expect(readTraceparent(header)).toBe(read))

  test('is kept with the job that the request makes, single or in a batch, and given to the run', async () => {
    const { id: tenant, key } = await newTenant()
    const soon = { type: 'join', delaySeconds: 3600 }
    const headers = { traceparent }
    const one = await call('POST /v1/jobs', { as: key, headers, body: { ...soon, queue: 'traced' } })
    const two = await call('POST /v1/jobs/batch', { as: key, headers, body: { queue: 'traced', jobs: [soon] } })
    const three = await call('POST /v1/jobs', { as: key, body: { ...soon, queue: 'traced' } })
    expect([one.status, two.status, three.status]).toEqual([201, 201, 201])
    const kept = await runInDurableObject(env.JOB_QUEUE.getByName(`${tenant}/traced`), (_, { storage }) =>
      storage.sql.exec('SELECT traceparent FROM jobs ORDER BY seq').toArray(),
    )
    expect(kept).toEqual([{ traceparent }, { traceparent }, { traceparent: null }])
  })
})

test('a line that belongs to no request has no id', () => {
  const lines = logged()
  log.info('test.alone')
  log.info('test.inside', { ...idsOf({ requestId: 'r', traceparent }), more: 1 })
  expect(lines).toEqual([
    { level: 'info', event: 'test.alone' },
    { level: 'info', event: 'test.inside', requestId: 'r', traceId, more: 1 },
  ])
})

describe('a change of a queue that fails', () => {
  test.each([
    ['cancelling', 'DELETE /v1/jobs/later?queue=broken', undefined],
    ['sending again', 'POST /v1/queues/broken/redrive', { limit: 10 }],
    ['reporting progress', 'POST /v1/jobs/later/progress?queue=broken', { progress: 40 }],
    ['changing the policy', 'PATCH /v1/queues/broken', { concurrency: 5 }],
    ['pausing', 'POST /v1/queues/broken/pause', undefined],
  ])('is logged with the request: %s', async (_, route, body) => {
    const { id: tenant, key } = await newTenant()
    const job = { id: 'later', type: 'join', delaySeconds: 3600, queue: 'broken' }
    expect((await call('POST /v1/jobs', { as: key, body: job })).status).toBe(201)
    await runInDurableObject(env.JOB_QUEUE.getByName(`${tenant}/broken`), (_instance, { storage }) => {
      vi.spyOn(storage, 'transactionSync').mockImplementation(() => {
        throw new Error('the disk is full')
      })
    })
    const lines = logged()
    const headers = { 'x-request-id': 'mine-4' }
    await call(route, { as: key, headers, ...(body === undefined ? {} : { body }) }).catch(() => undefined)
    expect(lines).toContainEqual(
      expect.objectContaining({ event: 'jobs.change-failed', requestId: 'mine-4', queue: 'broken' }),
    )
  })
})
