import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { notificationCatalogOf } from '../../durable-objects/address.ts'
import { call } from '../support/worker/http.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

describe('preferences of a user', () => {
  test('are stored by the user themselves, and shown with what they come to', async () => {
    const tenant = await newTenant()
    await notificationCatalogOf(env, tenant.id).putCategory({ name: 'news', label: 'News', isMandatory: false })
    const ada = await tenant.token('ada')
    const body = { categories: { news: { email: false } }, quietHours: { ranges: [{ start: '22:00', end: '07:00' }] } }
    const put = await call('PUT /v1/users/ada/preferences', { as: ada, body })
    expect(put.body).toMatchObject({
      preferences: body,
      zone: 'UTC',
      channels: { email: true },
      categories: [{ name: 'news', label: 'News', isMandatory: false, channels: { email: false, push: true } }],
    })
    expect((await call('GET /v1/users/ada/preferences', { as: tenant.key })).body).toEqual(put.body)
    expect((await call('PUT /v1/users/bob/preferences', { as: ada, body })).status).toBe(403)
    expect((await call('GET /v1/users/bob/preferences', { as: ada })).status).toBe(403)
  })

  test('of a category that there is not are refused by its name', async () => {
    const tenant = await newTenant()
    const put = (body: object) => call('PUT /v1/users/ada/preferences', { as: tenant.key, body })
    expect((await put({ categories: { nws: { email: false } } })).body.detail).toBe(
      'categories.nws: there is no such category',
    )
    expect((await put({ workflows: { w: { email: false } } })).body.detail).toBe(
      'workflows.w: there is no such workflow',
    )
  })

  test('may be given back as they were read, though a category was deleted since', async () => {
    const tenant = await newTenant()
    const catalog = notificationCatalogOf(env, tenant.id)
    await catalog.putCategory({ name: 'news', isMandatory: false })
    const put = (body: object) => call('PUT /v1/users/ada/preferences', { as: tenant.key, body })
    const body = { categories: { news: { all: false } } }
    succeeded(await put(body))
    await catalog.removeCategory('news')
    expect((await put(body)).status).toBe(200)
  })
})

test('settings of the tenant are the base of all users’ preferences', async () => {
  const tenant = await newTenant()
  const body = { zone: 'Asia/Tokyo', preferences: { channels: { sms: false } }, appearance: { accent: '#112233' } }
  const put = await call('PUT /v1/notification-settings', { as: tenant.key, body })
  expect(put.body).toEqual({ ...body, tracking: { opens: false, clicks: false }, keepSeconds: 2_592_000 })
  expect((await call('GET /v1/notification-settings', { as: tenant.key })).body).toEqual(put.body)
  const { body: view } = await call('GET /v1/users/ada/preferences', { as: await tenant.token('ada') })
  expect(view).toMatchObject({ preferences: {}, zone: 'Asia/Tokyo', channels: { sms: false, email: true } })
})

describe('a topic', () => {
  const users = Array.from({ length: 50 }, (_, n) => `u${n}`)

  test('has each subscriber once, in pages', async () => {
    const tenant = await newTenant()
    const as = tenant.key
    expect((await call('PUT /v1/topics/news', { as })).status).toBe(201)
    expect((await call('PUT /v1/topics/news/subscribers', { as, body: { users } })).body).toEqual({ added: 50 })
    expect((await call('PUT /v1/topics/news/subscribers', { as, body: { users: ['u0', 'x'] } })).body).toEqual({
      added: 1,
    })
    expect((await call('DELETE /v1/topics/news/subscribers', { as, body: { users: ['x', 'y'] } })).body).toEqual({
      removed: 1,
    })
    expect((await call('PUT /v1/topics/news', { as })).body).toEqual({ name: 'news', subscribers: 50 })
    const found: unknown[] = []
    for (let next: string | null = ''; next !== null;) {
      const page: string = next === '' ? '' : `&cursor=${encodeURIComponent(next)}`
      const { body } = await call(`GET /v1/topics/news/subscribers?limit=20${page}`, { as })
      found.push(...(Array.isArray(body['users']) ? body['users'] : []))
      next = body.next
    }
    expect(found).toHaveLength(50)
    expect(new Set(found)).toEqual(new Set(users))
  })

  test('that is deleted and made again has no subscriber of before', async () => {
    const tenant = await newTenant()
    const as = tenant.key
    succeeded(await call('PUT /v1/topics/news', { as }))
    succeeded(await call('PUT /v1/topics/news/subscribers', { as, body: { users } }))
    expect((await call('DELETE /v1/topics/news', { as })).status).toBe(204)
    expect((await call('GET /v1/topics/news', { as })).status).toBe(404)
    expect((await call('PUT /v1/topics/news/subscribers', { as, body: { users } })).body.detail).toContain(
      'PUT /v1/topics/news makes one',
    )
    succeeded(await call('PUT /v1/topics/news', { as }))
    expect((await call('GET /v1/topics/news', { as })).body).toEqual({ name: 'news', subscribers: 0 })
    expect((await call('GET /v1/topics', { as })).body).toEqual({ topics: ['news'], next: null })
  })
})
