import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { notificationCatalogOf, recipientsOf } from '../../durable-objects/address.ts'
import { eventually } from '../support/worker/bounded.ts'
import { pass, startClock, stopClock } from '../support/worker/clock.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

beforeEach(() => void postgresIsThere())
afterEach(() => startClock())
afterAll(() => void vi.unstubAllGlobals())

const minuteMs = 60_000

/** What the explanation says, as far as these tests look at it. */
interface Explained {
  readonly enabled: boolean
  readonly unreadAt: number | null
  readonly notified: Readonly<Record<string, { readonly notification: string } | null>>
  readonly messages: readonly { readonly seq: number; readonly kind: string | null; readonly rule: string }[]
}

/** A tenant whose conversations notify, with an outbox for its e-mails. */
class Company {
  readonly tenant: TestTenant

  constructor(tenant: TestTenant) {
    this.tenant = tenant
  }

  static async open(settings: object = {}): Promise<Company> {
    stopClock()
    const company = new Company(await newTenant())
    await company.put('/v1/notification-providers/mail', { channel: 'email', type: 'outbox' })
    await company.put('/v1/chat-notifications', { enabled: true, unreadAfterMinutes: 1, ...settings })
    await company.#shardsKnow()
    await company.put('/v1/users/alice', { name: 'Alice Smith' })
    await company.put('/v1/users/bob', { email: 'bob@example.com' })
    return company
  }

  async put(path: string, body: object): Promise<void> {
    succeeded(await call(`PUT ${path}`, { as: this.tenant.key, body }))
  }

  async get(path: string) {
    return succeeded(await call(`GET ${path}`, { as: this.tenant.key }))
  }

  async direct(): Promise<string> {
    const body = { type: 'direct', members: ['alice', 'bob'] }
    return succeeded(await call('POST /v1/conversations', { as: await this.tenant.token('alice'), body })).id
  }

  async feedOf(user: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const { text } = await call(`GET /v1/feed?user=${user}`, { as: this.tenant.key })
    const { items }: { readonly items: readonly Readonly<Record<string, unknown>>[] } = JSON.parse(text)
    return items
  }

  async explain(conversation: string, user: string): Promise<Explained> {
    const { text } = await call(`GET /v1/chat-notifications/${conversation}/users/${user}`, { as: this.tenant.key })
    return JSON.parse(text)
  }

  /** E-mails that left, with what they say. */
  async mails(): Promise<readonly { readonly to: string; readonly title: string; readonly body: string }[]> {
    const sent = await notificationCatalogOf(env, this.tenant.id).sent()
    return sent.map(({ to, content: { title = '', body } }) => ({ to, title, body }))
  }

  /** The conversation has looked at all that happened in it. */
  async settled(conversation: string): Promise<void> {
    const actor = this.tenant.actorOf(conversation)
    await eventually('a conversation that has looked at its entries', async () => {
      await runDurableObjectAlarm(actor)
      return await runInDurableObject(actor, (_, { storage }) => {
        const facts = new Map(
          [...storage.sql.exec<{ name: string; value: string }>('SELECT name, value FROM facts')].map((row) => [
            row.name,
            row.value,
          ]),
        )
        const { top } = storage.sql.exec<{ top: number }>('SELECT coalesce(max(seq), 0) AS top FROM messages').one()
        return (facts.has('chatRules') && Number(facts.get('projected') ?? 0) >= top) || undefined
      })
    })
    // The run that follows what was written sees the rules.
    for (let n = 0; n < 2; n++) {
      pass(3000)
      await runDurableObjectAlarm(actor)
    }
  }

  /** Time passes, and the conversation looks at what stayed unread. */
  async minutesLater(conversation: string, minutes: number): Promise<void> {
    pass(minutes * minuteMs)
    await this.settled(conversation)
  }

  /** Has the alarms of the conversation and of bob ring, until what is asked for is so. */
  async until(conversation: string, what: string, ask: () => Promise<boolean>): Promise<void> {
    await eventually(what, async () => {
      // Pauses after a failure pass, too, on a clock that stands still.
      pass(100)
      await runDurableObjectAlarm(this.tenant.actorOf(conversation))
      await runDurableObjectAlarm(recipientsOf(env, this.tenant.id, 'bob'))
      return (await ask()) || undefined
    })
  }

  async hasItems(conversation: string, user: string, count: number): Promise<void> {
    await this.until(conversation, 'items in the bell', async () => (await this.feedOf(user)).length >= count)
  }

  async isMailed(conversation: string, count: number): Promise<void> {
    await this.until(conversation, 'the e-mail', async () => (await this.mails()).length >= count)
  }

  async isExpectedToRead(conversation: string, isExpected: boolean): Promise<void> {
    await this.until(
      conversation,
      'a look at unread messages',
      async () => ((await this.explain(conversation, 'bob')).unreadAt !== null) === isExpected,
    )
  }

  async #shardsKnow(): Promise<void> {
    const actor = env.TENANT.getByName(this.tenant.id)
    await eventually('shard writers that know the rules', async () => {
      await runDurableObjectAlarm(actor)
      return await runInDurableObject(actor, (_, { storage }) =>
        storage.kv.get('chatRulesNotified') === undefined ? undefined : true,
      )
    })
  }
}

describe('a user that is away', () => {
  test('finds a direct message in the bell, and gets an e-mail once it stayed unread; further messages make no further ones', async () => {
    const company = await Company.open()
    const chat = await company.direct()
    succeeded(await company.tenant.post(chat, 'alice', 'Lunch at noon?'))
    await company.hasItems(chat, 'bob', 1)
    expect(await company.feedOf('bob')).toMatchObject([
      { title: 'Alice Smith', body: 'Lunch at noon?', conversation: chat, workflow: '$chat.direct', category: '$chat' },
    ])
    expect(await company.feedOf('alice')).toEqual([])
    for (let n = 0; n < 5; n++) succeeded(await company.tenant.post(chat, 'alice', `more ${n}`))
    await company.settled(chat)
    expect(await company.feedOf('bob')).toHaveLength(1)
    expect(await company.mails()).toEqual([])
    await company.minutesLater(chat, 1)
    await company.isMailed(chat, 1)
    expect(await company.mails()).toMatchObject([
      {
        to: 'bob@example.com',
        title: '6 unread messages in your conversation with Alice Smith',
        body: expect.stringContaining('Alice Smith: more 4'),
      },
    ])
    succeeded(await company.tenant.post(chat, 'alice', 'And?'))
    await company.minutesLater(chat, 5)
    expect(await company.mails()).toHaveLength(1)
  })

  test('gets no e-mail after reading in time, and is notified again of what comes later', async () => {
    const company = await Company.open()
    const chat = await company.direct()
    succeeded(await company.tenant.post(chat, 'alice', 'Lunch at noon?'))
    await company.hasItems(chat, 'bob', 1)
    const as = await company.tenant.token('bob')
    succeeded(await call(`POST /v1/conversations/${chat}/read`, { as, body: { seq: 1 } }))
    await company.minutesLater(chat, 2)
    await company.isExpectedToRead(chat, false)
    expect(await company.mails()).toEqual([])
    succeeded(await company.tenant.post(chat, 'alice', 'Hungry?'))
    await company.hasItems(chat, 'bob', 2)
    expect((await company.feedOf('bob')).map(({ body }) => body)).toEqual(['Hungry?', 'Lunch at noon?'])
  })

  test('is mailed the newest text of an edited message, and nothing of a deleted one', async () => {
    const company = await Company.open()
    const [chat, other] = [await company.direct(), await company.tenant.group('alice', 'bob')]
    for (const id of [chat, other]) {
      succeeded(await company.tenant.post(id, 'alice', 'Lunhc?'))
      await company.settled(id)
      await company.isExpectedToRead(id, true)
    }
    const as = company.tenant.key
    succeeded(await call(`PATCH /v1/conversations/${chat}/messages/1`, { as, body: { text: 'Lunch?' } }))
    succeeded(await call(`DELETE /v1/conversations/${other}/messages/1`, { as }))
    for (const id of [other, chat]) {
      await company.minutesLater(id, 2)
      await company.isExpectedToRead(id, false)
    }
    await company.isMailed(chat, 1)
    expect(await company.mails()).toMatchObject([{ body: expect.stringContaining('Alice Smith: Lunch?') }])
  })

  test('is notified of a mention in a large conversation, and the explanation names the rule of each message', async () => {
    const company = await Company.open({ groupUpTo: 2 })
    const news = await company.tenant.group('alice', 'bob', 'carol')
    succeeded(await company.tenant.post(news, 'alice', 'Good morning'))
    const body = { clientId: 'm2', text: 'Bob, look', mentions: { users: ['bob'] } }
    succeeded(await call(`POST /v1/conversations/${news}/messages`, { as: await company.tenant.token('alice'), body }))
    await company.settled(news)
    await company.hasItems(news, 'bob', 2)
    await company.hasItems(news, 'carol', 1)
    const { messages, notified } = await company.explain(news, 'bob')
    expect(messages).toMatchObject([
      { seq: 2, kind: 'mention', rule: 'mentioned by name' },
      { seq: 1, kind: null, rule: '3 members, more than groupUpTo (2)' },
    ])
    const titles = (await company.feedOf('bob')).map(({ title }) => title)
    expect(titles).toEqual(['Alice Smith mentioned you in Lunch', 'Alice Smith added you to Lunch'])
    expect((await company.feedOf('carol')).map(({ title }) => title)).toEqual(['Alice Smith added you to Lunch'])
    const life = await company.get(`/v1/notifications/${notified['named']?.notification}/recipients/bob`)
    expect(life).toMatchObject({
      workflow: '$chat.mention',
      deliveries: [{ channel: 'in-app', state: 'delivered' }, {}],
    })
  })
})

describe('a user', () => {
  test('that has the conversation open, or muted it, or left, is not notified, and the e-mail says why it was not sent', async () => {
    const company = await Company.open()
    const chat = await company.direct()
    await company.settled(chat)
    const bob = await connectAs(company.tenant, 'bob')
    await bob.subscribe(chat)
    succeeded(await company.tenant.post(chat, 'alice', 'Lunch?'))
    await company.isExpectedToRead(chat, true)
    expect(await company.feedOf('bob')).toEqual([])
    bob.line.close()
    const muted = { mutedConversations: { [chat]: Date.now() + 3_600_000 } }
    await company.put('/v1/users/bob/preferences', muted)
    await company.minutesLater(chat, 3)
    const { notification } = await eventually('the e-mail that is decided', async () => {
      await company.minutesLater(chat, 2)
      return (await company.explain(chat, 'bob')).notified['unread'] ?? undefined
    })
    expect(await company.get(`/v1/notifications/${notification}/recipients/bob`)).toMatchObject({
      deliveries: [{ channel: 'email', state: 'skipped', reason: expect.stringContaining('mutedConversations') }],
    })
    expect(await company.mails()).toEqual([])
  })

  test('that reads while the e-mail waits for the end of quiet hours is not sent it, and the explanation tells the rule', async () => {
    const company = await Company.open()
    const chat = await company.direct()
    const hour = new Date().getUTCHours()
    const at = (hours: number) => `${String((hour + hours) % 24).padStart(2, '0')}:00`
    const quietHours = { ranges: [{ start: at(0), end: at(3) }], zone: 'UTC' }
    await company.put('/v1/users/bob/preferences', { quietHours })
    succeeded(await company.tenant.post(chat, 'alice', 'Lunch?'))
    await company.isExpectedToRead(chat, true)
    await company.minutesLater(chat, 2)
    await company.isExpectedToRead(chat, false)
    const { notification = '' } = (await company.explain(chat, 'bob')).notified['unread'] ?? {}
    const as = await company.tenant.token('bob')
    succeeded(await call(`POST /v1/conversations/${chat}/read`, { as, body: { seq: 1 } }))
    pass(4 * 3_600_000)
    const delivery = await eventually('the decision', async () => {
      await runDurableObjectAlarm(recipientsOf(env, company.tenant.id, 'bob'))
      const { text } = await call(`GET /v1/notifications/${notification}/recipients/bob`, { as: company.tenant.key })
      const { deliveries }: { readonly deliveries: readonly { readonly state: string }[] } = JSON.parse(text)
      return deliveries.find(({ state }) => state !== 'waiting' && state !== 'active')
    })
    expect(delivery).toMatchObject({ state: 'skipped', reason: 'not sent: the recipient has read up to 1' })
    expect(await company.mails()).toEqual([])
  })

  test('loses no notification and gets none twice when all actors are aborted in between', async () => {
    const company = await Company.open()
    const chat = await company.direct()
    await company.settled(chat)
    for (let n = 1; n <= 3; n++) {
      succeeded(await company.tenant.post(chat, 'alice', `message ${n}`))
      await abortAllDurableObjects()
      void runDurableObjectAlarm(company.tenant.actorOf(chat)).catch(() => undefined)
      await scheduler.wait(n)
      await abortAllDurableObjects()
    }
    await company.hasItems(chat, 'bob', 1)
    await company.minutesLater(chat, 2)
    await company.isMailed(chat, 1)
    await company.minutesLater(chat, 2)
    expect(await company.mails()).toHaveLength(1)
    expect(await company.feedOf('bob')).toHaveLength(1)
  })
})

describe('a tenant', () => {
  test('replaces what a notification of chat says, switches a trigger off, and reads the settings with their defaults', async () => {
    const company = await Company.open({ triggers: { group: false } })
    const content = { title: 'Ping', body: '{{ data.message.text | upcase }}' }
    const steps = [{ name: 'app', kind: 'channel', channel: 'in-app', source: { content } }]
    await company.put('/v1/workflows/$chat.direct', { category: '$chat', steps })
    const [chat, team] = [await company.direct(), await company.tenant.group('alice', 'bob')]
    for (const id of [chat, team]) {
      succeeded(await company.tenant.post(id, 'alice', 'hello'))
      await company.settled(id)
    }
    await company.hasItems(chat, 'bob', 2)
    const items = await company.feedOf('bob')
    expect(items.map(({ title, body }) => `${String(title)}: ${String(body)}`).toSorted()).toEqual([
      'Alice Smith added you to Lunch: Open the conversation to take part.',
      'Ping: HELLO',
    ])
    expect(await company.get('/v1/chat-notifications')).toMatchObject({
      enabled: true,
      triggers: { direct: true, group: false, unread: true },
      groupUpTo: 20,
      againAfterMinutes: 60,
    })
    expect(await company.get('/v1/workflows/$chat.unread')).toMatchObject({ name: '$chat.unread', version: 0 })
  })

  test('that has not switched notifications on pays no row for them in a conversation, and its users get none', async () => {
    stopClock()
    const tenant = await newTenant()
    const company = new Company(tenant)
    const chat = await company.direct()
    succeeded(await tenant.post(chat, 'alice', 'hello'))
    pass(60_000)
    await runDurableObjectAlarm(tenant.actorOf(chat))
    const names = await runInDurableObject(tenant.actorOf(chat), (_, { storage }) =>
      [...storage.sql.exec<{ name: string }>('SELECT name FROM facts')].map(({ name }) => name),
    )
    expect(names.filter((name) => name.startsWith('chat'))).toEqual([])
    expect(await company.feedOf('bob')).toEqual([])
  })
})
