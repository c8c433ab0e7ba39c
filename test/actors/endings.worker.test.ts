import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { Line } from '../support/worker/line.ts'
import { connectAs } from '../support/worker/person.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, operatorKey, succeeded, type TestTenant } from '../support/worker/tenant.ts'

// Sessions end when they should: each with its code, also on sockets opened before, and no other session does.

afterEach(() => void vi.useRealTimers())

const revoke = async (tenant: TestTenant, user: string) =>
  succeeded(await call(`POST /v1/users/${user}/revoke`, { as: tenant.key }))

const suspended = async (tenant: TestTenant, state: 'active' | 'suspended') =>
  succeeded(await call(`PATCH /admin/v1/tenants/${tenant.id}`, { as: operatorKey, body: { state } }))

/** The code with which the door is shut on a token. */
async function closesOn(token: string, gateway?: string): Promise<number> {
  const line = await Line.open(gateway)
  line.say({ connect: { token } })
  return (await line.closed()).code
}

/** What becomes of a token at the door: the code it is shut with, or 0 for come in. */
async function entersWith(token: string, gateway?: string): Promise<number> {
  const line = await Line.open(gateway)
  const [id = 0] = line.say({ connect: { token } })
  const shut = line.closed().then(({ code }) => code)
  return await Promise.race([shut, line.replyTo(id).then(({ connect }) => (connect === undefined ? -1 : 0))])
}

describe('a revoked user', () => {
  test('is gone from every gateway, and only a token issued afterwards opens the door again', async () => {
    const tenant = await newTenant()
    const token = await tenant.token('alice')
    const here = await connectAs(tenant, 'alice', { token, gateway: 'revoked/0' })
    const there = await connectAs(tenant, 'alice', { token, gateway: 'revoked/1' })
    const bob = await connectAs(tenant, 'bob', { gateway: 'revoked/0' })
    expect(await revoke(tenant, 'alice')).toMatchObject({ user: 'alice', revokedAt: expect.any(Number) })
    for (const { line } of [here, there])
      expect(await line.closed()).toEqual({ code: 4501, reason: 'sessions revoked' })
    expect(await closesOn(token, 'revoked/1')).toBe(3500)
    expect((await call('GET /v1/conversations', { as: token })).status).toBe(401)
    const back = await connectAs(tenant, 'alice', { gateway: 'revoked/0' })
    expect(await back.line.rest()).toEqual([])
    expect(await bob.line.rest()).toEqual([])
  })

  test('stays out whichever forgets: the user’s stream, the gateway or both', async () => {
    const tenant = await newTenant()
    const token = await tenant.token('alice')
    await revoke(tenant, 'alice')
    await putToSleep(tenant.inboxOf('alice'))
    expect(await closesOn(token, 'forgetful/0')).toBe(3500)
  })

  test('is sent away by a gateway that was not notified when it happened', async () => {
    const tenant = await newTenant()
    const alice = await connectAs(tenant, 'alice', { gateway: 'deaf/0' })
    const gateway = env.GATEWAY.getByName('deaf/0')
    await putToSleep(gateway)
    const inbox = tenant.inboxOf('alice')
    await inbox.execute({
      gateway: 'deaf/0',
      have: null,
      commands: [{ kind: 'leave', user: 'alice', client: 'x', last: true }],
    })
    await revoke(tenant, 'alice')
    // As the next call to the user's stream would, whatever it is for.
    const phone = await connectAs(tenant, 'alice', { gateway: 'deaf/0' })
    expect((await alice.line.closed()).code).toBe(4501)
    expect(await phone.line.rest()).toEqual([])
  })

  test('cannot renew a session with a token from before', async () => {
    const tenant = await newTenant()
    const before = await tenant.token('alice')
    await revoke(tenant, 'alice')
    const { line } = await connectAs(tenant, 'alice')
    line.say({ refresh: { token: before } })
    expect((await line.closed()).code).toBe(3500)
  })

  test('is one of the tenant’s own: another tenant’s user of the same name notices nothing', async () => {
    const [ours, theirs] = [await newTenant(), await newTenant()]
    const alice = await connectAs(theirs, 'alice')
    await revoke(ours, 'alice')
    expect(await alice.line.rest()).toEqual([])
    const asUser = await call('POST /v1/users/alice/revoke', { as: await ours.token('alice') })
    expect(asUser.status).toBe(403)
    expect((await call('POST /v1/users/alice/revoke')).status).toBe(401)
  })
})

describe('a suspended tenant', () => {
  test('has its sessions ended and no user admitted, until it is active again; others go on', async () => {
    const [tenant, other] = [await newTenant(), await newTenant()]
    const token = await tenant.token('alice')
    const alice = await connectAs(tenant, 'alice', { token })
    const bob = await connectAs(other, 'bob')
    expect(await suspended(tenant, 'suspended')).toMatchObject({ id: tenant.id, state: 'suspended' })
    expect(await alice.line.closed()).toEqual({ code: 4503, reason: 'tenant suspended' })
    expect(await closesOn(token)).toBe(4503)
    expect((await call('GET /v1/conversations', { as: token })).status).toBe(403)
    expect((await call('GET /v1/conversations?user=alice', { as: tenant.key })).status).toBe(403)
    expect(await bob.line.rest()).toEqual([])

    await suspended(tenant, 'active')
    await expect.poll(() => entersWith(token)).toBe(0)
  })

  test('ends also what a sleeping gateway holds', async () => {
    const tenant = await newTenant()
    const alice = await connectAs(tenant, 'alice', { gateway: 'enam/0' })
    await putToSleep(env.GATEWAY.getByName('enam/0'))
    await suspended(tenant, 'suspended')
    expect((await alice.line.closed()).code).toBe(4503)
  })

  test('says so only to those who show a token of it', async () => {
    const tenant = await newTenant()
    const token = await tenant.token('alice')
    await suspended(tenant, 'suspended')
    const [header, claims] = token.split('.')
    await expect.poll(() => entersWith(token)).toBe(4503)
    expect(await closesOn(`${header}.${claims}.${'A'.repeat(43)}`)).toBe(3500)
  })

  test('that does not exist, or a state that does not, is refused', async () => {
    const tenant = await newTenant()
    const change = async (id: string, body: object) =>
      (await call(`PATCH /admin/v1/tenants/${id}`, { as: operatorKey, body })).status
    expect(await change('nobody', { state: 'suspended' })).toBe(404)
    expect(await change(tenant.id, { state: 'asleep' })).toBe(400)
    expect((await call(`PATCH /admin/v1/tenants/${tenant.id}`, { as: tenant.key, body: {} })).status).toBe(401)
  })
})

describe('too many connections', () => {
  test('of one user are refused, wherever the others are; one that ends frees a place', async () => {
    const tenant = await newTenant({ connectionsPerUser: 2 })
    const token = await tenant.token('alice')
    const first = await connectAs(tenant, 'alice', { token, gateway: 'many/0' })
    await connectAs(tenant, 'alice', { token, gateway: 'many/1' })
    expect(await closesOn(token, 'many/0')).toBe(3504)
    expect(await closesOn(token, 'many/2')).toBe(3504)
    await connectAs(tenant, 'bob', { gateway: 'many/0' })
    first.line.close()
    await expect.poll(() => entersWith(token, 'many/2')).toBe(0)
  })

  test('of one user at once are counted before any of them is in', async () => {
    const tenant = await newTenant({ connectionsPerUser: 3 })
    const token = await tenant.token('alice')
    const endings = await Promise.all(Array.from({ length: 8 }, () => entersWith(token, 'at-once/0')))
    expect(endings.toSorted((a, b) => a - b)).toEqual([0, 0, 0, 3504, 3504, 3504, 3504, 3504])
  })

  test('of one user at once at gateways new to that user are never more than allowed', async () => {
    const tenant = await newTenant({ connectionsPerUser: 2 })
    const token = await tenant.token('alice')
    await connectAs(tenant, 'alice', { token, gateway: 'scattered/0' })
    const endings = await Promise.all(Array.from({ length: 6 }, (_, n) => entersWith(token, `scattered/${n + 1}`)))
    expect(endings.filter((code) => code === 0).length).toBeLessThanOrEqual(1)
    expect(new Set(endings.filter((code) => code !== 0))).toEqual(new Set([3504]))
  })

  test('are counted anew when a gateway has slept', async () => {
    const tenant = await newTenant({ connectionsPerUser: 1 })
    const token = await tenant.token('alice')
    await connectAs(tenant, 'alice', { token, gateway: 'slept/0' })
    await putToSleep(env.GATEWAY.getByName('slept/0'))
    expect(await closesOn(token, 'slept/0')).toBe(3504)
  })

  test('of one address are bounded: the oldest connection that has not authenticated makes way; an IPv6 customer’s many addresses are one', async () => {
    const openFrom = async (address: string) => {
      const headers = { upgrade: 'websocket', 'cf-connecting-ip': address }
      const answer = await env.GATEWAY.getByName('address/0').fetch('http://parley/connection/websocket', { headers })
      return Line.of(answer)
    }
    // A connection that does not authenticate has ten seconds, and gives up its place after that.
    stopClock()
    const silent = []
    for (let n = 1; n <= 20; n++) silent.push(await openFrom(`2001:db8:1:2::${n}`))
    const latest = await openFrom('2001:db8:1:2:ffff::1')
    expect(await silent[0]?.closed()).toEqual({ code: 3504, reason: 'connection limit' })
    latest.say({ connect: { token: 'x' } })
    expect((await latest.closed()).code).toBe(3500)
    const neighbour = await openFrom('2001:db8:1:3::1')
    neighbour.say({ connect: { token: 'x' } })
    expect((await neighbour.closed()).code).toBe(3500)
  })
})
