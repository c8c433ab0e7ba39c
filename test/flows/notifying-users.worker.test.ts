import { runDurableObjectAlarm } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import { recipientsOf } from '../../durable-objects/address.ts'
import { call, type Call } from '../support/worker/http.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

let shop: TestTenant

beforeEach(async () => {
  shop = await newTenant()
})

const ask = async (line: string, body?: object, more: Call = {}) =>
  await call(line, { as: shop.key, ...(body === undefined ? {} : { body }), ...more })
const content = { title: 'New comment', body: '{{ actor.name }} wrote: {{ data.text }}' }
const inApp = { name: 'app', kind: 'channel', channel: 'in-app', source: { content } }

async function notify(body: object) {
  const answer = await ask('POST /v1/notifications', body)
  expect(answer.status, answer.text).toBe(202)
  return answer.body
}

const lifeOf = async (id: unknown, user: string) =>
  (await ask(`GET /v1/notifications/${String(id)}/recipients/${user}`)).body
const isSent = (id: unknown) =>
  expect
    .poll(async () => (await ask(`GET /v1/notifications/${String(id)}`)).body['state'], { timeout: 20_000 })
    .toBe('sent')

describe('a shop notifies its users', () => {
  test('of a comment: the item is in the feed, seen in time no e-mail follows, and the whole life can be read', async () => {
    await ask('PUT /v1/notification-categories/comments', { label: 'Comments' })
    const steps = [
      inApp,
      { name: 'a-while', kind: 'delay', seconds: 1 },
      { name: 'mail', kind: 'channel', channel: 'email', source: { content }, unless: 'seen' },
    ]
    const defined = await ask('PUT /v1/workflows/comment', { category: 'comments', steps })
    expect(defined.body, defined.text).toMatchObject({ name: 'comment', version: 1 })
    await ask('PUT /v1/users/alice', { name: 'Alice' })
    const bob = { id: 'bob', email: 'bob@example.com' }
    const trigger = { workflow: 'comment', recipients: [bob], actor: 'alice', data: { text: 'Hi' } }
    const { id } = await notify(trigger)
    await isSent(id)

    const feed = await ask('GET /v1/feed?user=bob')
    expect(feed.body['items']).toMatchObject([{ title: 'New comment', body: 'Alice wrote: Hi', category: 'comments' }])
    expect(await lifeOf(id, 'bob')).toMatchObject({ state: 'running', waitsFor: { step: 'a-while', kind: 'delay' } })
    await ask('POST /v1/feed/marks', { user: 'bob', mark: 'seen', all: true })

    await expect
      .poll(async () => {
        await runDurableObjectAlarm(recipientsOf(env, shop.id, 'bob'))
        return (await lifeOf(id, 'bob'))['state']
      })
      .toBe('completed')
    expect(await lifeOf(id, 'bob')).toMatchObject({
      isSeen: true,
      deliveries: [
        { step: 'app', state: 'delivered' },
        { step: 'mail', state: 'skipped', reason: expect.stringContaining('seen') },
      ],
    })
  })

  test('a recipient that has switched a category off gets nothing of it, and the explanation names the rule', async () => {
    await ask('PUT /v1/notification-categories/offers', { defaults: { all: false } })
    const { id } = await notify({ category: 'offers', content, recipients: ['bob'] })
    await isSent(id)
    expect(await lifeOf(id, 'bob')).toMatchObject({
      state: 'completed',
      deliveries: [{ channel: 'in-app', state: 'skipped', reason: expect.stringContaining('offers') }],
    })
  })

  test('good recipients are notified and bad ones are listed with the reason', async () => {
    const recipients = ['bob', { id: 'eve', email: 'nonsense' }, 17, 'bob', { id: 'dan', zone: 'Europe/Berlin' }]
    const accepted = await notify({ content, recipients })
    expect(accepted).toMatchObject({
      recipients: 2,
      refused: 3,
      refusedRecipients: [{ index: 1 }, { index: 2 }, { index: 3 }],
    })
    await isSent(accepted['id'])
    expect((await ask('GET /v1/users/dan')).body).toMatchObject({ zone: 'Europe/Berlin' })
    const listed: unknown[] = []
    for (let cursor: unknown = '0:0'; typeof cursor === 'string';) {
      const page = await ask(`GET /v1/notifications/${accepted['id']}/recipients?cursor=${cursor}`)
      expect(page.status, page.text).toBe(200)
      listed.push(...[page.body['recipients']].flat())
      cursor = page.body['next']
    }
    expect(listed).toHaveLength(2)
  })

  test('a repeat with the same idempotency key is the same notification', async () => {
    const body = { content, recipients: ['bob'], idempotencyKey: 'order-17-paid' }
    const first = await notify(body)
    const again = await ask('POST /v1/notifications', body)
    expect([again.status, again.body['id'], again.body['duplicate']]).toEqual([200, first['id'], true])
    const other = await ask('POST /v1/notifications', { ...body, recipients: ['eve'] })
    expect(other.status).toBe(409)
  })

  test('a notification for later is canceled by its key before it reached a feed', async () => {
    const body = { content, recipients: ['bob'], deliverAt: Date.now() + 3_600_000, cancellationKey: 'trip-1' }
    const { id } = await notify(body)
    const canceled = await ask('POST /v1/notifications/cancel', { cancellationKey: 'trip-1' })
    expect(canceled.body).toEqual({ canceled: [id] })
    expect((await ask(`GET /v1/notifications/${id}`)).body).toMatchObject({ state: 'canceled', handedOut: 0 })
    expect((await ask('GET /v1/feed?user=bob')).body['items']).toEqual([])
  })

  test('a run goes on when the event that it waits for is given', async () => {
    const wait = {
      name: 'paid',
      kind: 'wait',
      for: { event: 'order-paid', correlation: 'data.order' },
      timeoutSeconds: 600,
    }
    await ask('PUT /v1/workflows/thanks', { steps: [wait, { ...inApp, when: "steps.paid.outcome == 'happened'" }] })
    const { id } = await notify({ workflow: 'thanks', recipients: ['bob'], data: { order: 'o-1', text: 'Hi' } })
    await isSent(id)
    const given = await ask('POST /v1/notification-events', { event: 'order-paid', correlation: 'o-1' })
    expect(given.body, given.text).toEqual({ runs: 1 })
    expect(await lifeOf(id, 'bob')).toMatchObject({ state: 'completed', deliveries: [{ state: 'delivered' }] })
  })

  test('a dry run tells each decision with its rule and sends nothing', async () => {
    await ask('PUT /v1/workflows/comment', { steps: [inApp] })
    const dry = await ask('POST /v1/workflows/comment/dry-run', { user: 'bob', data: { text: 'Hi' } })
    expect(dry.body, dry.text).toMatchObject({ outcome: 'completed', messages: [{ step: 'app', channel: 'in-app' }] })
    expect((await ask('GET /v1/feed?user=bob')).body['items']).toEqual([])
  })

  test('a workflow or a trigger that cannot work is refused with the field, the rule and the fix', async () => {
    const refusals = [
      await ask('POST /v1/notifications', { workflow: 'missing', recipients: ['bob'] }),
      await ask('POST /v1/notifications', { content, category: 'missing', recipients: ['bob'] }),
      await ask('POST /v1/notifications', { content, recipients: [] }),
      await ask('POST /v1/notifications', { content, recipients: { topic: 'missing' } }),
      await ask('POST /v1/notifications', { recipients: ['bob'] }),
      await ask('PUT /v1/workflows/bad', { steps: [inApp, inApp] }),
    ]
    expect(refusals.map(({ status }) => status)).toEqual([404, 404, 400, 404, 400, 400])
  })
})
