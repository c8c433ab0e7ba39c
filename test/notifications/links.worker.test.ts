import { env } from 'cloudflare:workers'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { notificationCatalogOf } from '../../durable-objects/address.ts'
import { readLink, signLink } from '../../src/notifications/links/link.ts'
import { call } from '../support/worker/http.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

const links = z.object({
  preferences: z.string(),
  unsubscribe: z.string(),
  headers: z.record(z.string(), z.string()),
})

async function linksOf(tenant: TestTenant, body: object) {
  const made = links.parse(succeeded(await call('POST /v1/users/ada/preference-links', { as: tenant.key, body })))
  const path = (url: string) => new URL(url).pathname
  return { ...made, preferences: path(made.preferences), unsubscribe: path(made.unsubscribe) }
}

async function tenantWithNews(label = 'News & offers'): Promise<TestTenant> {
  const tenant = await newTenant()
  const catalog = notificationCatalogOf(env, tenant.id)
  await catalog.putCategory({ name: 'news', label, isMandatory: false })
  await catalog.putCategory({ name: 'security', label: 'Security', isMandatory: true })
  return tenant
}

const preferencesOf = async (tenant: TestTenant) =>
  (await call('GET /v1/users/ada/preferences', { as: tenant.key })).body['preferences']

const form = { 'content-type': 'application/x-www-form-urlencoded' }

describe('one-click unsubscription', () => {
  test('switches the e-mail of the category off by the POST of RFC 8058, and nothing by opening the link', async () => {
    const tenant = await tenantWithNews()
    const { unsubscribe, headers } = await linksOf(tenant, { category: 'news' })
    expect(headers).toEqual({
      'List-Unsubscribe': `<http://localhost:8787${unsubscribe}>`,
      'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
    })
    const opened = await call(`GET ${unsubscribe}`)
    expect(opened.text).toContain('News &amp; offers')
    expect(await preferencesOf(tenant)).toEqual({})
    for (let repeat = 0; repeat < 2; repeat++)
      expect((await call(`POST ${unsubscribe}`, { raw: 'List-Unsubscribe=One-Click', headers: form })).status).toBe(200)
    expect(await preferencesOf(tenant)).toEqual({ categories: { news: { email: false } } })
  })

  test('has no headers for a mandatory category, and changes nothing of it', async () => {
    const tenant = await tenantWithNews()
    const { unsubscribe, headers } = await linksOf(tenant, { category: 'security' })
    expect(headers).toEqual({})
    expect((await call(`POST ${unsubscribe}`, { raw: '', headers: form })).text).toContain('cannot be switched off')
    expect(await preferencesOf(tenant)).toEqual({})
  })

  test('does nothing for a token that was changed, cut off, or signed by another tenant', async () => {
    const [tenant, other] = [await tenantWithNews(), await tenantWithNews()]
    const { unsubscribe } = await linksOf(tenant, { category: 'news' })
    const [name = '', payload = '', signature = ''] = (unsubscribe.split('/').at(-1) ?? '').split('.')
    const foreign = await linksOf(other, { category: 'news' })
    const [, , theirs = ''] = (foreign.unsubscribe.split('/').at(-1) ?? '').split('.')
    const tokens = [
      `${name}.${payload}.${theirs}`,
      `${name}.${payload}`,
      `${name}.${btoa('{"u":"bob"}').replaceAll('=', '')}.${signature}`,
      `${other.id}.${payload}.${signature}`,
      `nowhere.${payload}.${signature}`,
      'x',
    ]
    for (const token of tokens) {
      const { status, text } = await call(`POST /unsubscribe/${token}`, { raw: '', headers: form })
      expect({ status, token }).toEqual({ status: 404, token })
      expect(text).toContain('This link does not work')
    }
    expect(await preferencesOf(tenant)).toEqual({})
  })
})

describe('the page of preferences', () => {
  test('shows what holds, in the tenant’s colours, with all texts escaped and no script', async () => {
    const tenant = await tenantWithNews('<script>alert(1)</script>')
    const appearance = { name: 'A "B" <C>', accent: '#aa3300', background: '#101010', text: '#eeeeee' }
    succeeded(await call('PUT /v1/notification-settings', { as: tenant.key, body: { appearance } }))
    const { preferences } = await linksOf(tenant, {})
    const { text, headers } = await call(`GET ${preferences}`)
    expect(text).toContain('A &quot;B&quot; &lt;C&gt;')
    expect(text).not.toMatch(/<script/i)
    expect(text).toContain('&lt;script&gt;alert(1)')
    expect(text).toContain('background: #101010')
    expect(headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
  })

  test('stores only the switches that were changed, so that all others stay with the tenant’s defaults', async () => {
    const tenant = await tenantWithNews()
    const body = { preferences: { channels: { sms: false } } }
    succeeded(await call('PUT /v1/notification-settings', { as: tenant.key, body }))
    const { preferences } = await linksOf(tenant, {})
    const boxes = (category: string) => ['in-app', 'email', 'push', 'chat'].map((channel) => `${channel}:${category}`)
    const sent = (...on: string[]) =>
      new URLSearchParams([['shown', 'news'], ...on.map((name): [string, string] => [name, 'on'])]).toString()
    const post = (raw: string) => call(`POST ${preferences}`, { raw, headers: form })
    succeeded(await post(sent(...boxes(''), ...boxes('news'))))
    expect(await preferencesOf(tenant)).toEqual({})
    succeeded(await post(sent(...boxes(''), ...boxes('news').filter((box) => box !== 'push:news'))))
    expect(await preferencesOf(tenant)).toEqual({ categories: { news: { push: false } } })
    succeeded(await post(sent(...boxes('').slice(1), ...boxes('news').filter((box) => box !== 'push:news'))))
    expect(await preferencesOf(tenant)).toEqual({
      channels: { 'in-app': false },
      categories: { news: { push: false } },
    })
  })
})

test('a token tells what it was made for, and only by its own secret', async () => {
  const link = { tenant: 'acme', user: 'Zoë "x"', category: 'news', workflow: undefined }
  const token = await signLink('secret', link)
  expect(await readLink('secret', token)).toEqual(link)
  expect(await readLink('another', token)).toBeUndefined()
  expect(token).toMatch(/^[\w.-]+$/)
})
