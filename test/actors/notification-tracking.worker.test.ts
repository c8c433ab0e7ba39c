import { runDurableObjectAlarm } from 'cloudflare:test'
import { env, exports } from 'cloudflare:workers'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { notificationCatalogOf, recipientsOf } from '../../durable-objects/address.ts'
import { NotificationCatalog } from '../../durable-objects/notification-catalog/notification-catalog.ts'
import { Recipients } from '../../durable-objects/recipients/recipients.ts'
import { signLink } from '../../src/notifications/links/link.ts'
import { readOwnEvent } from '../../sdk/own-events.ts'
import { call } from '../support/worker/http.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

let shop: TestTenant
/** Bodies of the requests to the provider. */
let sent: Record<string, unknown>[] = []

beforeEach(async () => {
  shop = await newTenant()
  sent = []
})
afterEach(() => void vi.restoreAllMocks())

const put = async (path: string, body: object) => succeeded(await call(`PUT ${path}`, { as: shop.key, body }))

/** Answers in place of the providers. */
function outside(answer: (url: string) => Response): void {
  const others = globalThis.fetch
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const { url } = new Request(input, init)
    if (!['api.resend.com', 'api.postmarkapp.com'].includes(new URL(url).host)) return await others(input, init)
    sent.push(JSON.parse(String(init?.body)))
    return answer(url)
  })
}

const resend = { channel: 'email', type: 'resend', from: 'shop@example.com', credentials: { apiKey: 're_1' } }

interface Life {
  readonly notes: readonly { readonly rule: string; readonly text: string }[]
  readonly deliveries: readonly Record<string, unknown>[]
}

const lifeOf = async (id: unknown, user: string): Promise<Life> => {
  const answer = await call(`GET /v1/notifications/${String(id)}/recipients/${user}`, { as: shop.key })
  return answer.status === 200 ? JSON.parse(answer.text) : { notes: [], deliveries: [] }
}

/** Sends an e-mail to a user, and waits until it is delivered. */
async function mail(user: string, content: object = {}): Promise<string> {
  const { status, text, body } = await call('POST /v1/notifications', {
    as: shop.key,
    body: {
      content: { title: 'Hi', body: 'Text', ...content },
      channels: ['email'],
      recipients: [{ id: user, email: `${user}@example.com` }],
    },
  })
  expect(status, text).toBe(202)
  const { id } = body
  await expect
    .poll(async () => (await lifeOf(id, user)).deliveries[0]?.['state'], { timeout: 20_000 })
    .toBe('delivered')
  return id
}

const linksIn = (html: string): string[] => [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, url = '']) => url)
const open = async (url: string, method = 'GET') =>
  await exports.default.fetch(`http://parley${new URL(url).pathname}`, { method, redirect: 'manual' })

describe('tracking', () => {
  const html = `<body><p><a href="https://shop.example.com/a?x=1&amp;y=2">A</a> <a href='mailto:a@example.com'>M</a>
    <a href="{{ notification.unsubscribe }}">U</a> <a href="#top">T</a></p></body>`

  test('is off by default: links stay as they are, and there is no picture', async () => {
    await put('/v1/notification-providers/mail', resend)
    outside(() => Response.json({ id: 'r1' }))
    await mail('bob', { html })
    expect(sent[0]?.['html']).toContain('href="https://shop.example.com/a?x=1&amp;y=2"')
    expect(sent[0]?.['html']).not.toContain('/n/')
    expect(sent[0]?.['html']).not.toContain('<img')
  })

  test('counts the first opening and the first click in the recipient’s row and publishes both, and links lead where they led', async () => {
    await put('/v1/notification-providers/mail', resend)
    await put('/v1/notification-settings', { tracking: { opens: true, clicks: true } })
    await put('/v1/consumers/all', { topic: '$parley' })
    await notificationCatalogOf(env, shop.id).setPublished(true)
    outside(() => Response.json({ id: 'r1' }))
    const id = await mail('bob', { html })
    const [link = '', unsubscribe = '', top, picture = ''] = linksIn(String(sent[0]?.['html']))
    expect(unsubscribe).toContain('/unsubscribe/')
    expect(top).toBe('#top')
    expect(JSON.stringify(sent[0]?.['headers'])).not.toContain('/n/')
    expect(String(sent[0]?.['html'])).toContain("<a href='mailto:a@example.com'>")

    const tracked = vi.spyOn(Recipients.prototype, 'tracked')
    // A program that only looks is not counted.
    await open(link, 'HEAD')
    expect(tracked).not.toHaveBeenCalled()
    for (let n = 0; n < 2; n++) {
      const clicked = await open(link)
      expect([clicked.status, clicked.headers.get('location')]).toEqual([302, 'https://shop.example.com/a?x=1&y=2'])
      const opened = await open(picture)
      expect([opened.status, opened.headers.get('content-type')]).toEqual([200, 'image/gif'])
    }
    await expect
      .poll(async () => (await lifeOf(id, 'bob')).deliveries[0])
      .toMatchObject({ state: 'delivered', openedAt: expect.any(Number), clickedAt: expect.any(Number) })
    const { notes } = await lifeOf(id, 'bob')
    expect(notes.filter(({ rule }) => rule === 'opened' || rule === 'clicked')).toHaveLength(2)
    await expect
      .poll(
        async () => {
          await runDurableObjectAlarm(recipientsOf(env, shop.id, 'bob'))
          const { text } = await call('GET /v1/events?topic=$parley&limit=100', { as: shop.key })
          const { events }: { readonly events: readonly unknown[] } = JSON.parse(text)
          return events
            .flatMap((event) => readOwnEvent(event) ?? [])
            .flatMap((event) =>
              'changes' in event ? event.changes.map(({ user, channel }) => `${event.type} ${user} ${channel}`) : [],
            )
            .filter((event) => /opened|clicked/.test(event))
            .toSorted()
        },
        { timeout: 20_000 },
      )
      .toEqual(['notification.clicked bob email', 'notification.opened bob email'])
    expect(tracked).toHaveBeenCalledTimes(4)
  })

  test('leads to no address but the one in the message, and takes no token that was changed or is for something else', async () => {
    await put('/v1/notification-providers/mail', resend)
    await put('/v1/notification-settings', { tracking: { opens: false, clicks: true } })
    outside(() => Response.json({ id: 'r1' }))
    await mail('bob', { html })
    const [link = '', , ...others] = linksIn(String(sent[0]?.['html']))
    expect(others).toEqual(['#top'])
    const token = link.slice(link.lastIndexOf('/') + 1)
    const [tenant = '', payload = '', signature = ''] = token.split('.')
    const other = btoa(JSON.stringify({ d: 'n/bob/email', l: 'https://evil.example.com/' })).replace(/=+$/, '')
    const secret = await notificationCatalogOf(env, shop.id).linkSecret()
    const preferences = await signLink(secret, { tenant: shop.id, user: 'bob' })
    const bad = [
      `${tenant}.${other}.${signature}`,
      `${tenant}.${payload}.${signature.slice(1)}`,
      `${tenant}.${payload}`,
      `other.${payload}.${signature}`,
      preferences,
    ]
    for (const wrong of bad) expect((await open(`http://parley/n/${wrong}`)).status).toBe(404)
    expect((await call(`GET /preferences/${token}`)).status).toBe(404)
    expect((await call(`POST /unsubscribe/${token}`, { raw: '' })).status).toBe(404)
  })

  test('that was switched off counts nothing more, while links of earlier e-mails still lead on', async () => {
    await put('/v1/notification-providers/mail', resend)
    await put('/v1/notification-settings', { tracking: { opens: true, clicks: true } })
    outside(() => Response.json({ id: 'r1' }))
    const id = await mail('bob', { html })
    const all = linksIn(String(sent[0]?.['html'])).filter((url) => url.includes('/n/'))
    await put('/v1/notification-settings', {})
    const tracked = vi.spyOn(Recipients.prototype, 'tracked')
    for (const url of all) expect((await open(url)).status).toBeLessThan(400)
    expect(tracked).not.toHaveBeenCalled()
    expect((await lifeOf(id, 'bob')).deliveries[0]).toMatchObject({ openedAt: null, clickedAt: null })
  })
})

describe('a report of a provider', () => {
  const bounced = (tags: unknown) => ({
    type: 'email.bounced',
    created_at: '2026-01-02T03:04:05Z',
    data: { to: ['bob@example.com'], tags, bounce: { type: 'Permanent', message: 'no such mailbox' } },
  })

  test('that comes after a delivery is noted in its notice, once', async () => {
    const { eventsUrl } = await put('/v1/notification-providers/mail', resend)
    outside(() => Response.json({ id: 'r1' }))
    const id = await mail('bob')
    const path = new URL(String(eventsUrl)).pathname
    // The provider gives back the tags of the message.
    for (let n = 0; n < 2; n++)
      expect((await call(`POST ${path}`, { body: bounced(sent[0]?.['tags']) })).status).toBe(200)
    const { notes, deliveries } = await lifeOf(id, 'bob')
    expect(deliveries[0]).toMatchObject({
      state: 'delivered',
      report: { provider: 'mail', reason: 'bounce', detail: 'no such mailbox', at: Date.parse('2026-01-02T03:04:05Z') },
    })
    expect(notes.filter(({ rule }) => rule === 'bounce')).toMatchObject([{ text: expect.stringContaining('mailbox') }])
  })

  test('is not asked for by each e-mail: the catalog is asked for an address only when it may have been reported', async () => {
    const { eventsUrl } = await put('/v1/notification-providers/mail', resend)
    outside(() => Response.json({ id: 'r1' }))
    const asked = vi.spyOn(NotificationCatalog.prototype, 'undeliverable')
    const deliver = async (user: string) =>
      await exports.NotificationWorker.deliver({
        tenant: shop.id,
        delivery: { id: `n/${user}/mail`, channel: 'email' },
        provider: 'mail',
        source: { content: { title: 'Hi', body: 'Text' } },
        document: {
          recipient: { id: user, email: `${user}@example.com`, properties: {}, targets: [] },
          data: {},
          events: [],
          total: 1,
          steps: {},
          state: { isSeen: false, isRead: false, isInteracted: false },
        },
        workflow: 'welcome',
      })
    expect(await deliver('ann')).toMatchObject({ kind: 'delivered' })
    await call(`POST ${new URL(String(eventsUrl)).pathname}`, { body: bounced(undefined) })
    expect(asked).not.toHaveBeenCalled()
    // As far as this isolate knows within five seconds; another tenant's filter is another.
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 6000)
    expect(await deliver('bob')).toMatchObject({ kind: 'gone', answer: expect.stringContaining('no such mailbox') })
    expect(asked).toHaveBeenCalledTimes(1)
    expect(await deliver('eve')).toMatchObject({ kind: 'delivered' })
    expect(asked).toHaveBeenCalledTimes(1)
  })
})

test('a provider whose breaker is open is skipped without a call to it, the explanation says so, and it is asked again when the time is over', async () => {
  await put('/v1/notification-providers/first', { ...resend, order: 1 })
  await put('/v1/notification-providers/second', {
    channel: 'email',
    type: 'postmark',
    order: 2,
    from: 'shop@example.com',
    credentials: { serverToken: 'pm' },
  })
  let callsOfFirst = 0
  let isDown = true
  outside((url) => {
    if (!url.startsWith('https://api.resend.com/')) return Response.json({ ErrorCode: 0, MessageID: 'p1' })
    callsOfFirst++
    return isDown ? new Response('', { status: 503 }) : Response.json({ id: 'r1' })
  })
  // The clock stands still, so that the breaker stays open however long the test takes.
  const now = Date.now()
  const clock = vi.spyOn(Date, 'now').mockReturnValue(now)
  for (let n = 0; n < 5; n++) await mail(`user${n}`)
  expect(callsOfFirst).toBe(5)
  // The first one after the breaker opened tells its actor; the next is of the same user, and so of the same actor.
  const first = await mail('user0')
  const second = await mail('user0')
  expect(callsOfFirst).toBe(5)
  expect((await lifeOf(first, 'user0')).deliveries[0]).toMatchObject({
    attempts: [{ provider: 'first' }, { provider: 'second' }],
  })
  const { deliveries, notes } = await lifeOf(second, 'user0')
  expect(deliveries[0]).toMatchObject({ attempts: [{ provider: 'second', outcome: 'delivered' }] })
  expect(notes.map(({ text }) => text).join()).toMatch(/"first" is skipped, its breaker is open until 20/)

  isDown = false
  clock.mockReturnValue(now + 6000)
  const third = await mail('user0')
  expect((await lifeOf(third, 'user0')).deliveries[0]).toMatchObject({ attempts: [{ provider: 'first' }] })
  expect(callsOfFirst).toBe(6)
})

test('/metrics counts attempts by channel, type of provider and outcome', async () => {
  await put('/v1/notification-providers/mail', resend)
  outside(() => Response.json({ id: 'r1' }))
  const count = async () => {
    const { text } = await call('GET /metrics', { as: 'operator-of-the-tests' })
    const [, value = '0'] =
      /^parley_notification_attempts_total\{channel="email",provider="resend",outcome="delivered"\} (\d+)$/m.exec(
        text,
      ) ?? []
    return Number(value)
  }
  const before = await count()
  await mail('bob')
  expect(await count()).toBe(before + 1)
})
