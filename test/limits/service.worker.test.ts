import { env, exports } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { limiterNamed } from '../../durable-objects/address.ts'
import { limiterName } from '../../src/limits/limiter-names.ts'
import { putToSleep } from '../support/worker/sleep.ts'

const operator = { authorization: 'Bearer operator-of-the-tests' }
const server = { authorization: 'Bearer demo-key' }
const anything = z.record(z.string(), z.unknown())

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = server) {
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
  const response = await exports.default.fetch(`http://parley${path}`, init)
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? {} : anything.parse(JSON.parse(text)),
  }
}

const setPolicy = (name: string, policy: unknown) => call('PUT', `/v1/limits/policies/${name}`, policy)
const check = (policy: string, key: string, cost = 1) => call('POST', '/v1/limits/check', { policy, key, cost })

beforeAll(async () => {
  const made = await call('PUT', '/admin/v1/tenants/demo', { name: 'Demo' }, operator)
  expect(made.status).toBe(201)
  await setPolicy('five', { algorithm: 'sliding-window', limit: 5, windowSeconds: 3600 })
  await setPolicy('one', { algorithm: 'gcra', limit: 1, windowSeconds: 60 })
  await setPolicy('slots', { algorithm: 'concurrency', limit: 2 })
})

describe('a tenant limits its own things', () => {
  test('a policy is what was put, and is listed', async () => {
    const { status, body } = await setPolicy('mine', { algorithm: 'token-bucket', limit: 10, windowSeconds: 1 })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      name: 'mine',
      windows: [{ algorithm: 'token-bucket', limit: 10, windowSeconds: 1 }],
      mode: 'hard',
      whenUnreachable: 'open',
      overshootBound: 0,
    })
    expect(JSON.stringify((await call('GET', '/v1/limits/policies')).body)).toContain('"mine"')
    expect((await call('DELETE', '/v1/limits/policies/mine')).status).toBe(204)
    expect((await call('DELETE', '/v1/limits/policies/mine')).status).toBe(404)
  })

  test('exactly as many checks pass as the policy says, and refused is an answer', async () => {
    const answers = []
    for (let i = 0; i < 8; i++) answers.push((await check('five', 'exact')).body)
    expect(answers.map(({ allowed }) => allowed)).toEqual([true, true, true, true, true, false, false, false])
    expect(answers[0]).toMatchObject({ remaining: 4, limit: 5, retryAfterMs: 0 })
    const { retryAfterMs } = z.object({ retryAfterMs: z.number() }).parse(answers[7])
    expect(retryAfterMs).toBeGreaterThan(3_500_000)
    expect(retryAfterMs).toBeLessThanOrEqual(3_600_000)
  })

  test('a cost takes as many units at once', async () => {
    expect((await check('five', 'cost', 3)).body).toMatchObject({ allowed: true })
    expect((await check('five', 'cost', 3)).body).toMatchObject({ allowed: false })
    expect((await check('five', 'cost', 2)).body).toMatchObject({ allowed: true, remaining: 0 })
  })

  test('one decision through several levels takes from all or from none', async () => {
    expect((await check('one', 'full')).body).toMatchObject({ allowed: true })
    const checks = [
      { policy: 'five', key: 'levels', cost: 2 },
      { policy: 'one', key: 'full' },
    ]
    const refused = await call('POST', '/v1/limits/check-batch', { checks, allOrNone: true })
    expect(refused.body).toMatchObject({ allowed: false, refused: 1 })
    expect((await call('POST', '/v1/limits/peek', { policy: 'five', key: 'levels' })).body).toMatchObject({
      remaining: 5,
    })

    const each = await call('POST', '/v1/limits/check-batch', { checks })
    expect(each.body).toMatchObject({ results: [{ allowed: true }, { allowed: false }] })
  })

  test('reset forgets what was spent', async () => {
    await check('one', 'reset')
    expect((await check('one', 'reset')).body).toMatchObject({ allowed: false })
    expect((await call('POST', '/v1/limits/reset', { policy: 'one', key: 'reset' })).body).toEqual({ reset: true })
    expect((await check('one', 'reset')).body).toMatchObject({ allowed: true })
  })

  test('a reserved slot is kept until it is released, and is free again then', async () => {
    const reserve = () => call('POST', '/v1/limits/reserve', { policy: 'slots', key: 'gpu' })
    const first = z.object({ reserved: z.literal(true), reservation: z.number() }).parse((await reserve()).body)
    expect((await reserve()).body).toMatchObject({ reserved: true, remaining: 0 })
    expect((await reserve()).body).toMatchObject({ reserved: false })

    const release = { policy: 'slots', key: 'gpu', reservation: first.reservation }
    expect((await call('POST', '/v1/limits/release', release)).body).toEqual({ released: true })
    expect((await call('POST', '/v1/limits/release', release)).body).toEqual({ released: false })
    expect((await reserve()).body).toMatchObject({ reserved: true })
  })

  test('of reserved units only those used are spent', async () => {
    const { body } = await call('POST', '/v1/limits/reserve', { policy: 'five', key: 'part', cost: 4 })
    const { reservation } = z.object({ reservation: z.number() }).parse(body)
    await call('POST', '/v1/limits/release', { policy: 'five', key: 'part', reservation, used: 1 })
    expect((await call('POST', '/v1/limits/peek', { policy: 'five', key: 'part' })).body).toMatchObject({
      remaining: 4,
    })
  })
})

describe('a limiter that loses its memory', () => {
  test('has not forgotten what was spent', async () => {
    for (let i = 0; i < 5; i++) await check('five', 'evicted')
    await putToSleep(limiterNamed(env, limiterName('demo', '~five', 'evicted')))
    const standing = await call('POST', '/v1/limits/peek', { policy: 'five', key: 'evicted' })
    expect(standing.body).toMatchObject({ remaining: 0 })
  })

  test('keeps slots that are held', async () => {
    const held = { policy: 'slots', key: 'kept' }
    const { body } = await call('POST', '/v1/limits/reserve', held)
    await putToSleep(limiterNamed(env, limiterName('demo', '~slots', 'kept')))
    expect((await call('POST', '/v1/limits/peek', held)).body).toMatchObject({ remaining: 1 })
    const { reservation } = z.object({ reservation: z.number() }).parse(body)
    expect((await call('POST', '/v1/limits/release', { ...held, reservation })).body).toEqual({ released: true })
  })
})

describe('bad input', () => {
  test.each([
    ['a policy that does not exist', { policy: 'nothing', key: 'k' }, 404, 'there is no policy "nothing"'],
    ['a policy named like what every object has', { policy: 'constructor', key: 'k' }, 404, 'no policy "constructor"'],
    ['a cost no window could ever allow', { policy: 'five', key: 'k', cost: 6 }, 400, 'more than "five" ever allows'],
    ['a negative cost', { policy: 'five', key: 'k', cost: -1 }, 400, 'cost: at least 1'],
    ['half a unit', { policy: 'five', key: 'k', cost: 0.5 }, 400, 'cost: a whole number of units'],
    ['no key', { policy: 'five', key: '' }, 400, 'key:'],
    ['a check of concurrency', { policy: 'slots', key: 'k' }, 400, 'use /v1/limits/reserve'],
  ])('%s is refused by name', async (_, body, status, detail) => {
    const answer = await call('POST', '/v1/limits/check', body)
    expect(answer.status).toBe(status)
    expect(answer.body['detail']).toContain(detail)
  })

  test.each([
    ['an unknown algorithm', { algorithm: 'leaky', limit: 1, windowSeconds: 1 }, 'one of token-bucket'],
    ['a fractional limit', { algorithm: 'gcra', limit: 0.5, windowSeconds: 1 }, 'a whole number'],
    ['a window of no time', { algorithm: 'gcra', limit: 1, windowSeconds: 0 }, 'windowSeconds'],
    ['a window for concurrency', { algorithm: 'concurrency', limit: 1, windowSeconds: 1 }, 'windowSeconds'],
    ['nothing', {}, 'algorithm'],
  ])('%s makes no policy', async (_, policy, detail) => {
    const { status, body } = await setPolicy('bad', policy)
    expect(status).toBe(400)
    expect(body['detail']).toContain(detail)
  })

  test('a user token is not enough', async () => {
    const { body } = await call('POST', '/v1/tokens', { user: 'ana' })
    const user = { authorization: `Bearer ${z.string().parse(body['token'])}` }
    expect((await call('POST', '/v1/limits/check', { policy: 'five', key: 'k' }, user)).status).toBe(403)
  })
})
