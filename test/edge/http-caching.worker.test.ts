import { describe, expect, test } from 'vitest'
import { definitions } from '../../src/edge/openapi/openapi.ts'
import { call, type Answer } from '../support/worker/http.ts'
import { newTenant, operatorKey, succeeded, type TestTenant } from '../support/worker/tenant.ts'

const get = async (path: string, as: string, etag?: string): Promise<Answer> =>
  await call(`GET ${path}`, { as, ...(etag === undefined ? {} : { headers: { 'if-none-match': etag } }) })

const etagOf = ({ headers }: Answer): string => headers.get('etag') ?? ''

/** Answers of requests without a body, by their reads. */
async function reads(tenant: TestTenant): Promise<readonly (readonly [path: string, as: string])[]> {
  const id = await tenant.group('ana', 'ben')
  await tenant.post(id, 'ana', 'Hello')
  const user = await tenant.token('ana')
  return [
    [`/v1/conversations/${id}/messages`, user],
    [`/v1/conversations/${id}/messages/1`, tenant.key],
    [`/v1/conversations/${id}`, user],
    [`/v1/conversations/${id}/members`, tenant.key],
    ['/v1/settings', tenant.key],
    ['/v1/namespaces', tenant.key],
    ['/v1/limits', tenant.key],
    ['/v1/queues', tenant.key],
    ['/v1/schedules', tenant.key],
    [`/admin/v1/tenants/${tenant.id}`, operatorKey],
    ['/admin/v1/platform', operatorKey],
  ]
}

describe('a read that is repeated', () => {
  test('is answered 304 without a body while nothing has changed, with the headers that caches need', async () => {
    for (const [path, as] of await reads(await newTenant())) {
      const first = await get(path, as)
      expect(first.status, path).toBe(200)
      expect(etagOf(first), path).toMatch(/^"[\w.-]+"$/)
      expect(first.headers.get('cache-control'), path).toBe('private, no-cache')
      expect(first.headers.get('vary'), path).toContain('Authorization')

      const again = await get(path, as, etagOf(first))
      expect([again.status, again.text], path).toEqual([304, ''])
      for (const name of ['etag', 'cache-control', 'vary'])
        expect(again.headers.get(name), path).toBe(first.headers.get(name))
      expect(again.headers.get('content-type'), path).toBeNull()
    }
  })

  test('matches one of several ETags, a weak form of it, and any', async () => {
    const tenant = await newTenant()
    const etag = etagOf(await get('/v1/settings', tenant.key))
    for (const given of [etag, `"other", ${etag}`, `W/${etag}`, '*'])
      expect((await get('/v1/settings', tenant.key, given)).status).toBe(304)
    for (const given of ['"other"', etag.slice(1, -1), ''])
      expect((await get('/v1/settings', tenant.key, given)).status).toBe(200)
  })
})

describe('a page of messages', () => {
  test('has another ETag after each message, edit and deletion, and is answered in full', async () => {
    const tenant = await newTenant()
    const id = await tenant.group('ana', 'ben')
    const path = `/v1/conversations/${id}/messages`
    const user = await tenant.token('ana')
    const { seq } = succeeded(await tenant.post(id, 'ana', 'a secret'))
    const etags = [etagOf(await get(path, user))]
    const changes = [
      () => tenant.post(id, 'ben', 'another'),
      () => call(`PATCH ${path}/${seq}`, { as: user, body: { text: 'a secret, edited' } }),
      () => call(`DELETE ${path}/${seq}`, { as: user }),
    ]
    for (const change of changes) {
      succeeded(await change())
      const page = await get(path, user, etags.at(-1))
      expect(page.status).toBe(200)
      etags.push(etagOf(page))
    }
    expect(new Set(etags).size).toBe(4)
    const last = await get(path, user, etags[0])
    expect([last.status, last.text.includes('a secret')]).toEqual([200, false])
  })

  test('is refused to a caller that may not read it, also with its ETag', async () => {
    const tenant = await newTenant()
    const id = await tenant.group('ana', 'ben')
    const path = `/v1/conversations/${id}/messages`
    const etag = etagOf(await get(path, await tenant.token('ana')))
    expect((await get(path, await tenant.token('eve'), etag)).status).toBe(404)
    expect((await tenant.remove(id, 'ben')).status).toBeLessThan(300)
    expect((await get(path, await tenant.token('ben'), etag)).status).toBe(404)
  })
})

test('secrets and problems are kept by no cache', async () => {
  const tenant = await newTenant()
  const token = await call('POST /v1/tokens', { as: tenant.key, body: { user: 'ana' } })
  const absent = await get('/v1/conversations/absent', tenant.key)
  for (const { headers } of [token, absent, await call('GET /v1/nothing'), await call('GET /v1/settings')])
    expect(headers.get('cache-control')).toBe('no-store')
})

test('health and metrics are kept by no cache, and documents are checked by their ETag', async () => {
  for (const path of ['/healthz', '/metrics/alerts'])
    expect((await call(`GET ${path}`)).headers.get('cache-control')).toBe('no-store')
  for (const path of ['/openapi.json', '/docs', '/docs/errors', '/docs/realtime']) {
    const first = await call(`GET ${path}`)
    expect([first.status, first.headers.get('cache-control')], path).toEqual([200, 'no-cache'])
    expect((await call(`GET ${path}`, { headers: { 'if-none-match': etagOf(first) } })).status, path).toBe(304)
  }
})

test('no answer is immutable: the server hands out no address that names a version of its content', async () => {
  for (const [path, as] of await reads(await newTenant()))
    expect((await get(path, as)).headers.get('cache-control')).not.toContain('immutable')
})

test('the OpenAPI document names ETag, If-None-Match and 304 for every read that is no secret', async () => {
  const { paths }: { readonly paths: Readonly<Record<string, Readonly<Record<string, Documented>>>> } = JSON.parse(
    (await call('GET /openapi.json')).text,
  )
  const gets = definitions.filter(({ method }) => method === 'get')
  expect(gets.length).toBeGreaterThan(20)
  for (const { id, path, isSecret = false } of gets) {
    const { parameters = [], responses = {} } = paths[path]?.['get'] ?? {}
    const isChecked = parameters.some(({ name }) => name === 'If-None-Match')
    expect([id, isChecked, '304' in responses, 'ETag' in (responses['200']?.headers ?? {})]).toEqual([
      id,
      !isSecret,
      !isSecret,
      !isSecret,
    ])
  }
})

interface Documented {
  readonly parameters?: readonly { readonly name: string }[]
  readonly responses?: Readonly<Record<string, { readonly headers?: object }>>
}
