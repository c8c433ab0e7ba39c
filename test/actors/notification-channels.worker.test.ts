import { env, exports } from 'cloudflare:workers'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { notificationCatalogOf } from '../../durable-objects/address.ts'
import type { DeliveryOrder } from '../../src/notifications/model.ts'
import { call } from '../support/worker/http.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

afterEach(() => void vi.restoreAllMocks())

const order = (tenant: string, further: Partial<DeliveryOrder> = {}): DeliveryOrder => ({
  tenant,
  delivery: { id: `n-${crypto.randomUUID()}/mail`, channel: 'email' },
  provider: 'mail',
  source: { template: 'welcome' },
  document: {
    recipient: { id: 'ann', name: '<Ann>', email: 'ann@example.com', properties: {}, targets: [], locale: 'de-AT' },
    data: { order: 17 },
    events: [],
    total: 1,
    steps: {},
    state: { isSeen: false, isRead: false, isInteracted: false },
  },
  workflow: 'welcome',
  ...further,
})

const deliver = (given: DeliveryOrder) => exports.NotificationWorker.deliver(given)

interface Asked {
  readonly url: string
  readonly headers: Headers
  readonly body: string
}

/** Answers in place of the outside, and keeps what it was asked. */
function outside(answer: (url: string) => Response): Asked[] {
  const asked: Asked[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const { url, headers } = new Request(input, init)
    asked.push({ url, headers, body: typeof init?.body === 'string' ? init.body : '' })
    return answer(url)
  })
  return asked
}

async function withTemplate() {
  const tenant = await newTenant()
  const put = async (path: string, body: object) => succeeded(await call(`PUT ${path}`, { as: tenant.key, body }))
  await put('/v1/templates/frame', {
    kind: 'partial',
    locales: { en: '<main>{% block content %}{% endblock %}</main>' },
  })
  await put('/v1/templates/welcome', {
    schema: { type: 'object', properties: { order: { type: 'integer' } }, required: ['order'] },
    locales: {
      en: {
        email: {
          title: 'Order {{ data.order }}',
          html: '{% layout "frame" %}{% block content %}<p>Hi {{ recipient.name }}</p>{% endblock %}',
        },
      },
      de: {
        email: {
          title: 'Bestellung {{ data.order }}',
          html: '{% layout "frame" %}{% block content %}<p>Hallo {{ recipient.name }}</p>{% endblock %}',
        },
      },
    },
  })
  return { tenant, put }
}

describe('a delivery', () => {
  test('is rendered in the recipient’s language and given to its provider, with its id as idempotency key', async () => {
    const { tenant, put } = await withTemplate()
    await put('/v1/notification-providers/mail', {
      channel: 'email',
      type: 'resend',
      from: 'Shop <shop@example.com>',
      credentials: { apiKey: 're_secret' },
    })
    const asked = outside(() => Response.json({ id: 'r1' }))
    const given = order(tenant.id)
    expect(await deliver(given)).toMatchObject({ kind: 'delivered', providerId: 'r1' })
    expect(asked[0]?.url).toBe('https://api.resend.com/emails')
    expect(asked[0]?.headers.get('idempotency-key')).toBe(given.delivery.id)
    expect(asked[0]?.headers.get('authorization')).toBe('Bearer re_secret')
    expect(JSON.parse(asked[0]?.body ?? '')).toMatchObject({
      to: ['ann@example.com'],
      subject: 'Bestellung 17',
      html: '<main><p>Hallo &lt;Ann&gt;</p></main>',
      text: 'Hallo <Ann>',
      headers: {
        'List-Unsubscribe': expect.stringMatching(/^<https?:\/\/\S+\/unsubscribe\/\S+>$/),
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      },
    })
    const mandatory = { name: 'account', isMandatory: true }
    await deliver(order(tenant.id, { category: mandatory }))
    expect(JSON.parse(asked[1]?.body ?? '')).toMatchObject({ headers: {} })
  })

  test('without what it needs is refused with the reason, and no provider is called', async () => {
    const { tenant, put } = await withTemplate()
    await put('/v1/notification-providers/mail', {
      channel: 'email',
      type: 'resend',
      from: 'shop@example.com',
      credentials: { apiKey: 'x' },
    })
    const asked = outside(() => Response.json({ id: 'r1' }))
    const base = order(tenant.id)
    const said = async (further: Partial<DeliveryOrder>) => await deliver({ ...base, ...further })
    expect(await said({ provider: 'none' })).toEqual({ kind: 'refused', answer: 'there is no provider none' })
    expect(await said({ source: { template: 'none' } })).toEqual({
      kind: 'refused',
      answer: 'there is no template none',
    })
    expect(await said({ source: { template: 'frame' } })).toMatchObject({
      kind: 'refused',
      answer: expect.stringMatching('partial'),
    })
    expect(await said({ document: { ...base.document, data: {} } })).toMatchObject({
      kind: 'refused',
      answer: expect.stringMatching('data'),
    })
    const nameless = { id: 'bob', properties: {}, targets: [] }
    expect(await said({ document: { ...base.document, recipient: nameless } })).toEqual({
      kind: 'refused',
      answer: 'the recipient has no e-mail address',
    })
    expect(asked).toEqual([])
  })

  test('to a host that is not public is refused, and a target’s own address is held to the same rule', async () => {
    const { tenant, put } = await withTemplate()
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
    await put('/v1/notification-providers/hook', { channel: 'webhook', type: 'webhook', credentials: { secret } })
    const asked = outside(() => new Response())
    const target = { id: 't', channel: 'webhook', type: 'webhook', address: { url: 'https://10.0.0.1/x' } } as const
    const given = order(tenant.id, {
      provider: 'hook',
      target,
      source: { content: { body: 'x' } },
      delivery: { id: 'n/1', channel: 'webhook' },
    })
    expect(await deliver(given)).toMatchObject({
      kind: 'refused',
      answer: expect.stringMatching('url: must have a name'),
    })
    const body = { channel: 'webhook', type: 'webhook', credentials: { secret, url: 'https://metadata.internal/' } }
    const { status, text } = await call('PUT /v1/notification-providers/hook2', { as: tenant.key, body })
    expect([status, text]).toEqual([
      400,
      expect.stringMatching(/credentials\.url: metadata\.internal is not a public name/),
    ])
    expect(asked).toEqual([])
  })

  test('to an address that a provider reported as bounced is not made, and says so, until the tenant takes the mark away', async () => {
    const { tenant, put } = await withTemplate()
    const { eventsUrl } = await put('/v1/notification-providers/mail', {
      channel: 'email',
      type: 'resend',
      from: 'a@example.com',
      credentials: { apiKey: 'x' },
    })
    const path = new URL(String(eventsUrl)).pathname
    const bounced = {
      type: 'email.bounced',
      created_at: '2026-01-02T03:04:05Z',
      data: { to: ['Ann@Example.com'], bounce: { type: 'Permanent', message: 'no such mailbox' } },
    }
    expect(
      (await call(`POST ${path}`, { raw: JSON.stringify(bounced), headers: { 'content-type': 'text/plain' } })).text,
    ).toBe('{"noted":1}')
    const asked = outside(() => Response.json({ id: 'r1' }))
    expect(await deliver(order(tenant.id))).toEqual({
      kind: 'gone',
      answer: 'mail reported a bounce at 2026-01-02T03:04:05.000Z: no such mailbox',
    })
    expect(asked).toEqual([])
    const as = tenant.key
    expect((await call('GET /v1/undeliverable-addresses/ann@example.com', { as })).body).toMatchObject({
      reason: 'bounce',
      provider: 'mail',
    })
    expect((await call('DELETE /v1/undeliverable-addresses/ann@example.com', { as })).status).toBe(204)
    expect(await deliver(order(tenant.id))).toMatchObject({ kind: 'delivered' })
  })
})

test('reports are taken with the token of this very provider only, and all others are refused in the same words', async () => {
  const { tenant, put } = await withTemplate()
  const provider = { channel: 'email', type: 'resend', from: 'a@example.com', credentials: { apiKey: 'x' } }
  const one = new URL(String((await put('/v1/notification-providers/one', provider))['eventsUrl'])).pathname
  await put('/v1/notification-providers/two', provider)
  const token = one.split('/').at(-1) ?? ''
  const body = { type: 'email.complained', data: { to: ['eve@example.com'] } }
  const answers = await Promise.all(
    [
      one.replace('/one/', '/two/'),
      one.replace('/one/', '/none/'),
      one.replace(token, `${tenant.id}~${'0'.repeat(32)}`),
      one.replace(token, `unknown-tenant~${'0'.repeat(32)}`),
      one.replace(token, 'x'),
    ].map(async (path) => {
      const { status, body: problem } = await call(`POST ${path}`, { body })
      return [status, problem.detail]
    }),
  )
  expect(new Set(answers.map((each) => JSON.stringify(each))).size).toBe(1)
  expect(answers[0]?.[0]).toBe(404)
  expect((await call('GET /v1/undeliverable-addresses/eve@example.com', { as: tenant.key })).status).toBe(404)
})

describe('credentials', () => {
  test('are stored encrypted, never shown, and kept by a change without them', async () => {
    const tenant = await newTenant()
    const as = tenant.key
    const body = { channel: 'email', type: 'resend', from: 'a@example.com', credentials: { apiKey: 're_verysecret' } }
    expect((await call('PUT /v1/notification-providers/mail', { as, body })).text).not.toContain('verysecret')
    const { credentials: _, ...without } = body
    expect(
      (await call('PUT /v1/notification-providers/mail', { as, body: { ...without, order: 5 } })).body,
    ).toMatchObject({ hasCredentials: true, order: 5 })
    expect((await call('GET /v1/notification-providers', { as })).text).not.toContain('verysecret')
    const stored = await notificationCatalogOf(env, tenant.id).provider('mail')
    expect(stored?.credentials).toMatch(/^v1\.k1\./)
    // Of another type nothing can be kept.
    expect(
      (await call('PUT /v1/notification-providers/mail', { as, body: { ...without, type: 'postmark' } })).status,
    ).toBe(400)
  })

  test('are held against what the type asks for', async () => {
    const { key: as } = await newTenant()
    const body = { channel: 'email', type: 'resend', credentials: { token: 'x' } }
    expect((await call('PUT /v1/notification-providers/mail', { as, body })).body.detail).toMatch(/^credentials/)
    const other = { channel: 'sms', type: 'resend', credentials: { apiKey: 'x' } }
    expect((await call('PUT /v1/notification-providers/mail', { as, body: other })).body.detail).toBe(
      'channel: resend is for email',
    )
    const outbox = { channel: 'email', type: 'outbox' }
    expect((await call('PUT /v1/notification-providers/mail', { as, body: outbox })).status).toBeLessThan(500)
  })
})

describe('templates over HTTP', () => {
  test('count versions, keep the same definition, and are shown as they were', async () => {
    const { tenant, put } = await withTemplate()
    const as = tenant.key
    const body = (text: string) => ({ locales: { en: { all: { body: text } } } })
    expect(await put('/v1/templates/t', body('one'))).toMatchObject({ version: 1 })
    expect(await put('/v1/templates/t', body('one'))).toMatchObject({ version: 1 })
    expect(await put('/v1/templates/t', body('two'))).toMatchObject({ version: 2 })
    expect((await call('GET /v1/templates/t?version=1', { as })).body).toMatchObject({
      version: 1,
      definition: { locales: { en: { all: { body: 'one' } } } },
    })
    expect((await call('DELETE /v1/templates/t', { as })).status).toBe(204)
    expect((await call('GET /v1/templates/t', { as })).status).toBe(404)
    expect(await put('/v1/templates/t', body('two'))).toMatchObject({ version: 3 })
  })

  test('are refused with the field and the reason', async () => {
    const { tenant } = await withTemplate()
    const said = async (body: object) => (await call('PUT /v1/templates/t', { as: tenant.key, body })).body.detail
    expect(await said({ locales: { en: { all: { body: '{{ user.name }}' } } } })).toMatch(
      /^locales\.en\.all\.body: user\.name: there is no such variable/,
    )
    expect(await said({ locales: { en: { all: { body: '{% for i in (1..99999) %}x{% endfor %}' } } } })).toMatch(
      /more than 20000 steps/,
    )
    expect(await said({ locales: { en_US: { all: { body: 'x' } } } })).toMatch(/locales/)
  })

  test('a partial in use is kept', async () => {
    const { tenant } = await withTemplate()
    expect((await call('DELETE /v1/templates/frame', { as: tenant.key })).status).toBe(409)
  })

  test('are previewed as they are sent', async () => {
    const { tenant } = await withTemplate()
    const as = tenant.key
    const body = { channel: 'email', locale: 'fr', data: { order: 5 }, recipient: { name: 'Bob' } }
    expect((await call('POST /v1/templates/welcome/preview', { as, body })).body).toMatchObject({
      locale: 'en',
      title: 'Order 5',
      body: 'Hi Bob',
      html: '<main><p>Hi Bob</p></main>',
    })
    const bad = await call('POST /v1/templates/welcome/preview', { as, body: { ...body, data: { order: 'x' } } })
    expect([bad.status, bad.body.detail]).toEqual([400, expect.stringMatching(/^data\.order: /)])
  })
})

describe('in a development system', () => {
  const local = env.LOCAL_TENANT ?? ''

  test('a message of a channel without a provider is kept, and shown at /demo/outbox with its HTML in a frame that runs nothing', async () => {
    const content = {
      title: 'Hi <b>{{ recipient.name }}</b>',
      body: 'Text',
      html: '<script>1</script><p>{{ recipient.name }}</p>',
    }
    const given = order(local, { provider: 'outbox-email', source: { content } })
    const asked = outside(() => new Response())
    expect(await deliver(given)).toEqual({ kind: 'delivered', answer: 'kept for /demo/outbox' })
    // A repeat is the same message.
    await deliver(given)
    expect(asked).toEqual([])
    const sent = await notificationCatalogOf(env, local).sent()
    const kept = sent.filter(({ delivery }) => delivery === given.delivery.id)
    expect(kept).toMatchObject([{ to: 'ann@example.com', user: 'ann', content: { body: 'Text' } }])
    const n = kept[0]?.n
    const page = await call(`GET /demo/outbox?n=${n}`)
    expect(page.text).toContain(`<iframe title="HTML of the e-mail" sandbox src="/demo/outbox/${n}/html">`)
    expect(page.text).toContain('Hi &lt;b&gt;&lt;Ann&gt;&lt;/b&gt;')
    expect(page.text).not.toContain('<script')
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    const html = await call(`GET /demo/outbox/${n}/html`)
    expect(html.text).toBe('<script>1</script><p>&lt;Ann&gt;</p>')
    expect(html.headers.get('content-security-policy')).toMatch(/^default-src 'none'.*; sandbox$/)
    expect((await call('GET /demo/outbox/999999/html')).status).toBe(404)
  })

  test('other tenants have no such provider', async () => {
    const tenant = await newTenant()
    const given = order(tenant.id, { provider: 'outbox-email', source: { content: { title: 'x', body: 'x' } } })
    expect(await deliver(given)).toEqual({ kind: 'refused', answer: 'there is no provider outbox-email' })
  })
})
