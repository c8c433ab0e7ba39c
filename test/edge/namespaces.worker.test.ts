import { describe, expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'

const defaults = {
  historySize: 0,
  historyTtlSeconds: 300,
  recovery: true,
  presence: false,
  joinLeave: false,
  forcePushJoinLeave: false,
  allow: { subscribe: 'capability', publish: 'capability', history: 'subscribers', presence: 'subscribers' },
}

describe('namespaces', () => {
  test('are made, read, listed, changed and ended by the tenant that has them', async () => {
    const [tenant, other] = [await newTenant(), await newTenant()]
    const put = (name: string, body: object) => call(`PUT /v1/namespaces/${name}`, { as: tenant.key, body })
    expect(await put('orders', {})).toMatchObject({ status: 200, body: { name: 'orders', ...defaults } })
    await put('default', { allow: { subscribe: 'users' } })
    const changed = { name: 'orders', ...defaults, historySize: 20, presence: true }
    expect((await put('orders', { historySize: 20, presence: true })).body).toEqual(changed)
    expect((await call('GET /v1/namespaces/orders', { as: tenant.key })).body).toEqual(changed)
    expect((await call('GET /v1/namespaces', { as: tenant.key })).body).toEqual({
      namespaces: [changed, { name: 'default', ...defaults, allow: { ...defaults.allow, subscribe: 'users' } }],
    })
    expect((await call('GET /v1/namespaces', { as: other.key })).body).toEqual({ namespaces: [] })
    expect((await call('GET /v1/namespaces/orders', { as: other.key })).status).toBe(404)
    expect((await call('DELETE /v1/namespaces/orders', { as: other.key })).status).toBe(404)
    expect((await call('DELETE /v1/namespaces/orders', { as: tenant.key })).status).toBe(204)
    expect((await call('GET /v1/namespaces/orders', { as: tenant.key })).status).toBe(404)
    expect((await call('GET /v1/namespaces/constructor', { as: tenant.key })).status).toBe(404)
  })

  test.each([
    [{ historySize: -1 }, /^historySize/],
    [{ historySize: 10_001 }, /^historySize/],
    [{ historyTtlSeconds: 0 }, /^historyTtlSeconds/],
    [{ allow: { subscribe: 'subscribers' } }, /^allow\.subscribe/],
    [{ allow: { publish: 'all' } }, /^allow\.publish/],
    [{ history: 5 }, /history/],
  ])('%o breaks a rule, which is named', async (body, detail) => {
    const answer = await call('PUT /v1/namespaces/orders', { as: (await newTenant()).key, body })
    expect(answer.status).toBe(400)
    expect(answer.body.detail).toMatch(detail)
  })

  test.each(['conversation', 'user', 'jobs', 'a%20b', 'x'.repeat(65)])('%s cannot be one', async (name) => {
    expect((await call(`PUT /v1/namespaces/${name}`, { as: (await newTenant()).key, body: {} })).status).toBe(404)
  })

  test('are no matter of users, nor are settings and subscription tokens', async () => {
    const tenant = await newTenant()
    const as = await tenant.token('alice')
    for (const line of ['GET /v1/namespaces', 'GET /v1/namespaces/orders', 'DELETE /v1/namespaces/orders'])
      expect((await call(line, { as })).status).toBe(403)
    expect((await call('PUT /v1/namespaces/orders', { as, body: {} })).status).toBe(403)
    expect((await call('PATCH /v1/settings', { as, body: { anonymous: true } })).status).toBe(403)
    const body = { user: 'alice', channel: '$orders:1' }
    expect((await call('POST /v1/tokens/subscription', { as, body })).status).toBe(403)
    expect((await call('POST /v1/tokens/subscription', { body })).status).toBe(401)
  })

  test('a subscription token is for topics: other streams know who may listen', async () => {
    const tenant = await newTenant()
    for (const channel of ['conversation:x', 'user:#alice', 'jobs:x', 'a/b', ''])
      expect(
        (await call('POST /v1/tokens/subscription', { as: tenant.key, body: { user: 'alice', channel } })).status,
      ).toBe(400)
  })
})
