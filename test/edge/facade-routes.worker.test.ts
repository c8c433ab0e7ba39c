import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { cacheEpochsOf, facadeOf } from '../../durable-objects/address.ts'
import { durationNumber } from '../../src/facade/judge.ts'
import type { RouteReport } from '../../src/facade/outcomes.ts'
import { facadeTag } from '../../src/facade/route.ts'
import { call } from '../support/worker/http.ts'
import { newTenant, operatorKey } from '../support/worker/tenant.ts'
import { facadeRoute } from '../support/worker/things.ts'

async function routeWith(given: object) {
  const tenant = await newTenant()
  const act = async (line: string, body?: object) => {
    const [method = '', path = ''] = line.split(' ')
    return await call(`${method} /v1/facade-routes${path}`, { as: tenant.key, body })
  }
  const put = async (rest: object = {}) => await act('PUT /shop', { ...facadeRoute, ...given, ...rest })
  const made = await put()
  expect(made).toMatchObject({ status: 200, body: { version: 1, state: 'active' } })
  const actor = facadeOf(env, tenant.id)
  return {
    tenant,
    act,
    put,
    actor,
    read: async () => (await act('GET /shop')).body,
    report: async (report: Partial<RouteReport>) => await actor.report([{ ...nothing, ...report }]),
    /** As if the share had been in force for so long. */
    age: async (ms: number) =>
      await runInDurableObject(actor, (_, { storage }) => {
        storage.sql.exec(`UPDATE routes SET route = json_set(route, '$.since', json_extract(route, '$.since') - ?)`, ms)
      }),
  }
}

const counts = (calls: number, errors: number, ms = 10) => ({
  calls,
  errors,
  durations: { [durationNumber(ms)]: calls },
})
const nothing: RouteReport = {
  route: 'shop',
  version: 1,
  legacy: counts(0, 0),
  new: counts(0, 0),
  fallbacks: 0,
  shadows: { same: 0, different: 0, failed: 0, skipped: 0 },
  differences: [],
}

describe('a route of a facade', () => {
  test('has a version for each change, with the key that made it and the reason, listed by page', async () => {
    const { act, put } = await routeWith({ percent: 5 })
    expect((await put()).body).toMatchObject({ version: 1 })
    expect((await put({ percent: 25 })).body).toMatchObject({ version: 2, percent: 25, switchesAt: expect.any(Number) })
    await act('POST /shop/kill', { reason: 'orders are missing' })
    await act('POST /shop/resume', { reason: 'mended' })
    const page = (await act('GET /shop/versions?limit=3')).body
    const versions = page['versions']
    expect(page.next).toBe(2)
    expect(versions).toMatchObject([
      { version: 4, action: 'resume', reason: 'mended', state: 'active', percent: 25 },
      { version: 3, action: 'kill', reason: 'orders are missing', state: 'killed' },
      { version: 2, action: 'put', by: expect.stringMatching(/^[\w-]+$/), reason: null },
    ])
    expect((await act('GET /shop/versions?before=2')).body).toMatchObject({ versions: [{ version: 1 }], next: null })
  })

  test('is listed by page, and gone when it is deleted', async () => {
    const { act } = await routeWith({})
    for (const name of ['blog', 'api']) await act(`PUT /${name}`, facadeRoute)
    expect((await act('GET ?limit=2')).body).toMatchObject({
      routes: [{ name: 'api' }, { name: 'blog' }],
      next: 'blog',
    })
    expect((await act('GET ?limit=2&after=blog')).body).toMatchObject({ routes: [{ name: 'shop' }], next: null })
    expect((await act('DELETE /shop')).status).toBe(204)
    for (const path of ['/shop', '/shop/versions', '/shop/differences'])
      expect((await act(`GET ${path}`)).status).toBe(404)
    expect((await act('POST /shop/kill', { reason: 'x' })).body.detail).toMatch(/there is no route shop; PUT/)
  })

  test('is refused where there is no more room, and the others are as they were', async () => {
    const { act } = await routeWith({})
    const allow = Array.from({ length: 1000 }, (_, n) => `${n}`.padEnd(256, 'x'))
    expect((await act('PUT /large', { ...facadeRoute, allow })).status).toBe(200)
    const { status, body } = await act('PUT /larger', { ...facadeRoute, allow })
    expect([status, body.detail]).toEqual([409, expect.stringMatching(/^routes: all together at most 262144 bytes/)])
    expect((await act('GET /shop')).status).toBe(200)
  })
})

describe('requests through a facade', () => {
  afterEach(() => void vi.restoreAllMocks())

  /** Which upstream a request reaches, by its host. */
  async function sideOf(tenant: string, user: string): Promise<string> {
    const bearer = `Bearer h.${btoa(JSON.stringify({ sub: user }))}.s`
    const answer = await call(`GET /facade/${tenant}/shop/page`, { headers: { authorization: bearer } })
    return answer.status === 200 ? answer.text : String(answer.status)
  }
  function answerByHost(): void {
    const { fetch } = globalThis
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
      const url = typeof input === 'string' ? input : ''
      const [, host] = /^https:\/\/(legacy|new)\.example\.com\/page$/.exec(url) ?? []
      return host === undefined ? await fetch(input, init) : new Response(host)
    })
  }

  test('go to legacy in a process that did not make the kill itself, once it has asked for invalidations', async () => {
    answerByHost()
    const { tenant, actor, read } = await routeWith({ percent: 100 })
    expect(await sideOf(tenant.id, 'alice')).toBe('new')
    await actor.kill('shop', 'orders are missing', 'another process')
    await runDurableObjectAlarm(actor)
    await expect.poll(() => sideOf(tenant.id, 'alice')).toBe('legacy')
    expect(await read()).toMatchObject({ state: 'killed' })
  })

  test('go on as the routes were last known while their actor and the epochs do not answer', async () => {
    answerByHost()
    const { tenant } = await routeWith({ percent: 100 })
    expect(await sideOf(tenant.id, 'alice')).toBe('new')
    vi.spyOn(env.FACADE, 'getByName').mockImplementation(() => {
      throw new Error('the actor is away')
    })
    await cacheEpochsOf(env).invalidate([facadeTag(tenant.id)], undefined)
    for (let n = 0; n < 3; n++) {
      expect(await sideOf(tenant.id, 'alice')).toBe('new')
      await scheduler.wait(600)
    }
  })

  test('of a tenant that is suspended or unknown, or for a route that is not there, reach no upstream', async () => {
    answerByHost()
    const { tenant } = await routeWith({ percent: 100 })
    expect(await sideOf('nosuchtenant', 'alice')).toBe('404')
    expect((await call(`GET /facade/${tenant.id}/other/page`)).status).toBe(404)
    await call(`PATCH /admin/v1/tenants/${tenant.id}`, { as: operatorKey, body: { state: 'suspended' } })
    expect(await sideOf(tenant.id, 'alice')).toBe('403')
  })

  test('are limited by address, each tenant by itself', async () => {
    answerByHost()
    const { tenant } = await routeWith({ percent: 0 })
    const from = { headers: { 'cf-connecting-ip': '198.51.100.77' } }
    const ask = async (id: string) => (await call(`GET /facade/${id}/shop/page`, from)).status
    const statuses = new Set<number>()
    for (let n = 0; n < 14; n++)
      for (const status of await Promise.all(Array.from({ length: 50 }, () => ask(tenant.id)))) statuses.add(status)
    expect(statuses).toEqual(new Set([200, 429]))
    const { tenant: other } = await routeWith({ percent: 0 })
    expect(await ask(other.id)).toBe(200)
  })
})

describe('reports of processes', () => {
  test('is merged, and rolls a route back that is worse than legacy: every process learns of it', async () => {
    const { read, report, actor, tenant } = await routeWith({ percent: 50 })
    const before = await cacheEpochsOf(env).since(undefined, [])
    await report({ legacy: counts(100, 0), new: counts(30, 1) })
    await report({ new: counts(30, 1) })
    expect(await read()).toMatchObject({
      state: 'active',
      window: { legacy: { calls: 100 }, new: { calls: 60, errors: 2 } },
    })
    await report({ new: counts(20, 8), fallbacks: 8 })
    expect(await read()).toMatchObject({ state: 'rolled-back', version: 2, window: { new: { calls: 0 } } })
    await runDurableObjectAlarm(actor)
    const { tags } = await cacheEpochsOf(env).since({ log: before.log, seq: before.seq }, [])
    expect(tags).toContain(facadeTag(tenant.id))
  })

  test('of an earlier version, or of a route that is gone, says nothing', async () => {
    const { put, read, report } = await routeWith({ percent: 50 })
    await put({ percent: 60 })
    await report({ version: 1, new: counts(100, 100) })
    await report({ route: 'none', new: counts(100, 100) })
    expect(await read()).toMatchObject({ state: 'active', version: 2, window: { new: { calls: 0 } } })
  })

  test('of differences is kept, the newest two hundred of a route', async () => {
    const { act, report } = await routeWith({})
    const difference = (n: number) => ({
      at: n,
      version: 1,
      method: 'GET',
      path: `/${n}`,
      answered: 'legacy' as const,
      partial: false,
      differences: [{ at: 'status', change: 'changed' as const, legacy: '200', new: '500' }],
      more: 0,
    })
    for (let n = 0; n < 44; n++)
      await report({ differences: Array.from({ length: 5 }, (_, m) => difference(5 * n + m)) })
    const seen: unknown[] = []
    for (let before = ''; ;) {
      const { body } = await act(`GET /shop/differences?limit=90${before}`)
      const page = body['differences']
      if (Array.isArray(page)) seen.push(...page.map(({ path }: { path: string }) => path))
      if (body.next === null) break
      before = `&before=${body.next}`
    }
    expect(seen).toEqual(Array.from({ length: 200 }, (_, n) => `/${219 - n}`))
  })
})

describe('a schedule', () => {
  const schedule = { steps: [1, 50, 100], stepSeconds: 60 }

  test('steps up by the alarm while the new side is healthy, and waits while it has too few calls', async () => {
    const { read, report, age, actor } = await routeWith({ schedule })
    await age(61_000)
    await abortAndRing(actor)
    expect(await read()).toMatchObject({ percent: 1, version: 2, nextStepAt: expect.any(Number) })
    await age(70_000)
    await abortAndRing(actor)
    expect(await read()).toMatchObject({ percent: 1, version: 2 })
    await report({ version: 2, legacy: counts(100, 0), new: counts(60, 0) })
    await runDurableObjectAlarm(actor)
    expect(await read()).toMatchObject({ percent: 50, version: 3 })
  })
})

/** The actor reads what the test wrote by hand, and its alarm rings. */
async function abortAndRing(actor: ReturnType<typeof facadeOf>): Promise<void> {
  await evictDurableObject(actor)
  await runDurableObjectAlarm(actor)
}
