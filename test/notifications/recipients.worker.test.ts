import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  notificationCatalogOf,
  notificationsOf,
  recipientsNumbered,
  recipientsOf,
} from '../../durable-objects/address.ts'
import type { NewNotification, NoticeView } from '../../durable-objects/notification-contracts.ts'
import type { ChannelStep, Workflow, WorkflowStep } from '../../src/notifications/model.ts'
import { newTenant, type TestTenant } from '../support/worker/tenant.ts'

let tenant: string
let made: TestTenant
let count = 0

beforeEach(async () => {
  made = await newTenant()
  tenant = made.id
})

const channelStep = (channel: ChannelStep['channel'], more: Partial<ChannelStep> = {}): WorkflowStep => ({
  kind: 'channel',
  name: channel,
  channel,
  source: { content: { title: 'Hello', body: 'You have a message' } },
  onUnknown: 'wait',
  heedsQuietHours: false,
  awaitsOutcome: false,
  ...more,
})

const workflow = (...steps: WorkflowStep[]): Workflow => ({ name: 'hello', version: 1, priority: 'normal', steps })

const notification = (
  users: readonly string[],
  steps: readonly WorkflowStep[],
  more: Partial<NewNotification['spec']> = {},
): NewNotification => {
  const at = Date.now()
  return {
    spec: { id: `n-${++count}`, at, workflow: workflow(...steps), priority: 'normal', data: {}, ...more },
    selection: { kind: 'users', users: users.map((user) => ({ user })) },
    refused: [],
    deliverAt: at,
    keepMs: 86_400_000,
    fingerprint: 'f',
  }
}

const accept = async (wanted: NewNotification) => await notificationsOf(env, tenant, wanted.spec.id).accept(wanted)
const viewOf = async (id: string) => await notificationsOf(env, tenant, id).find(id)
const isSent = (id: string) => expect.poll(async () => (await viewOf(id))?.state, { timeout: 20_000 }).toBe('sent')
async function explain(id: string, user: string): Promise<NoticeView | undefined> {
  const text = await recipientsOf(env, tenant, user).explain(id, user)
  if (text === undefined) return undefined
  const view: NoticeView = JSON.parse(text)
  return view
}

async function itemsOf(user: string): Promise<unknown> {
  const text = await recipientsOf(env, tenant, user).feed(user, 'default', { filter: 'all', limit: 10 })
  const page: { readonly items: unknown } = JSON.parse(text)
  return page.items
}

/** Runs the alarm of a user's actor until the run of a notification has ended. */
const hasEnded = (id: string, user: string) =>
  expect
    .poll(
      async () => {
        await runDurableObjectAlarm(recipientsOf(env, tenant, user))
        return (await explain(id, user))?.run.endedAt
      },
      { timeout: 20_000 },
    )
    .toBeGreaterThan(0)

/** A template in two languages, with a partial in both. */
async function putTemplates(): Promise<void> {
  const catalog = notificationCatalogOf(env, tenant)
  await catalog.putTemplate('bye', { kind: 'partial', locale: 'en', locales: { en: 'Bye', de: 'Bis bald' } }, [])
  const body = '{{ data.text }}. {% render "bye" %}'
  const locales = { en: { 'in-app': { title: 'New comment', body } }, de: { all: { title: 'Neuer Kommentar', body } } }
  await catalog.putTemplate('comment', { kind: 'message', locale: 'en', locales }, ['bye'])
}

describe('the actors of notifications', () => {
  test('a notification reaches the feed of each of its recipients, in no more than sixteen actors', async () => {
    const users = Array.from({ length: 1200 }, (_, index) => `user-${index}`)
    const wanted = notification(users, [channelStep('in-app')])
    expect(await accept(wanted)).toMatchObject({ kind: 'notification', recipients: 1200, duplicate: false })
    await isSent(wanted.spec.id)
    expect(await viewOf(wanted.spec.id)).toMatchObject({ handedOut: 1200, refused: 0 })
    const life = await explain(wanted.spec.id, 'user-7')
    expect(life?.run).toMatchObject({ outcome: 'completed', deliveries: [{ channel: 'in-app', state: 'delivered' }] })
    expect(life?.item).toBe('default:1')
  })

  test('a repeated notification is the same one, and another request with its key is refused', async () => {
    const wanted = notification(['ada'], [channelStep('in-app')])
    await accept(wanted)
    expect(await accept(wanted)).toMatchObject({ kind: 'notification', duplicate: true })
    expect(await accept({ ...wanted, fingerprint: 'other' })).toMatchObject({ kind: 'refused', error: 'conflict' })
  })

  test('a part that is handed over twice decides once', async () => {
    const { spec, keepMs } = notification(['ada'], [channelStep('in-app')])
    const part = { kind: 'users', users: [{ user: 'ada' }] } as const
    const actor = recipientsOf(env, tenant, 'ada')
    await actor.handOver({ spec, keepMs, part })
    await actor.handOver({ spec, keepMs, part })
    expect(await explain(spec.id, 'ada')).toMatchObject({ item: 'default:1', run: { outcome: 'completed' } })
    const rows = await runInDurableObject(actor, (_, { storage }) =>
      storage.sql.exec('SELECT * FROM feed_items').toArray(),
    )
    expect(rows).toHaveLength(1)
  })

  test('a run that waits goes on by the alarm after the actor was evicted', async () => {
    const wanted = notification(['ada'], [{ kind: 'delay', name: 'a-while', seconds: 1 }, channelStep('in-app')])
    await accept(wanted)
    await isSent(wanted.spec.id)
    expect((await explain(wanted.spec.id, 'ada'))?.run).toMatchObject({ outcome: null, wait: { kind: 'delay' } })
    const actor = recipientsOf(env, tenant, 'ada')
    await evictDurableObject(actor)
    await expect
      .poll(async () => {
        await runDurableObjectAlarm(actor)
        return (await explain(wanted.spec.id, 'ada'))?.run.outcome
      })
      .toBe('completed')
  })

  test('a canceled notification ends runs that wait, and is handed over to no one else', async () => {
    const wanted = notification(['ada'], [{ kind: 'delay', name: 'long', seconds: 3600 }, channelStep('in-app')], {
      cancellationKey: 'order-17',
    })
    await accept(wanted)
    await isSent(wanted.spec.id)
    expect(await notificationsOf(env, tenant, wanted.spec.id).cancel('order-17', undefined)).toEqual([wanted.spec.id])
    await expect.poll(async () => (await explain(wanted.spec.id, 'ada'))?.run.outcome).toBe('canceled')
    expect(await viewOf(wanted.spec.id)).toMatchObject({ state: 'canceled' })
  })

  test('a notification to all users is expanded by each actor a page at a time', async () => {
    const first = notification(['ada', 'bob', 'cem'], [channelStep('in-app')])
    await accept(first)
    await isSent(first.spec.id)
    for (const user of ['ada', 'bob', 'cem'])
      await runInDurableObject(recipientsOf(env, tenant, user), (_, { storage }) => {
        storage.sql.exec(
          `INSERT INTO users (user, created_at, updated_at, profile, properties, targets) VALUES (?, 0, 0, '{}', '{}', '[]')`,
          user,
        )
      })
    const wanted = { ...notification([], [channelStep('in-app')]), selection: { kind: 'everyone' } as const }
    await accept(wanted)
    await isSent(wanted.spec.id)
    expect(await viewOf(wanted.spec.id)).toMatchObject({ handedOut: 3, recipients: null })
    expect((await explain(wanted.spec.id, 'cem'))?.item).toBe('default:2')
  })

  test('a decision writes the notice and its item, and no further row for each recipient', async () => {
    const actor = recipientsNumbered(env, tenant, 0)
    const { spec, keepMs } = notification([], [channelStep('in-app')])
    const users = Array.from({ length: 100 }, (_, index) => ({ user: `u${index}` }))
    await actor.handOver({ spec, keepMs, part: { kind: 'users', users: [{ user: 'first' }] } })
    const next = notification([], [channelStep('in-app')])
    await actor.handOver({ spec: next.spec, keepMs, part: { kind: 'users', users } })
    const counts = await runInDurableObject(actor, (_, { storage }) =>
      ['notices', 'feed_items', 'feeds', 'users', 'throttles', 'pages', 'specs'].map(
        (table) => storage.sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n,
      ),
    )
    expect(counts).toEqual([101, 101, 0, 0, 0, 0, 2])
  })

  test('an item of a stored template is in the language of its recipient, with the partials of the template', async () => {
    await putTemplates()
    const wanted = notification(['ada', 'bob'], [channelStep('in-app', { source: { template: 'comment' } })], {
      data: { text: 'Hi' },
    })
    const users = [{ user: 'ada', profile: { locale: 'de-AT' } }, { user: 'bob' }]
    await accept({ ...wanted, selection: { kind: 'users', users } })
    await isSent(wanted.spec.id)
    expect(await itemsOf('ada')).toMatchObject([{ title: 'Neuer Kommentar', body: 'Hi. Bis bald' }])
    expect(await itemsOf('bob')).toMatchObject([{ title: 'New comment', body: 'Hi. Bye' }])
  })

  test('a step names the version of its template; a template that is not there gives no item, and the reason is shown', async () => {
    await putTemplates()
    const definition = { kind: 'message', locale: 'en', locales: { en: { all: { body: 'The second' } } } } as const
    await notificationCatalogOf(env, tenant).putTemplate('comment', definition, [])
    const steps = [
      channelStep('in-app', { source: { template: 'comment', version: 1 } }),
      channelStep('in-app', { source: { template: 'comment' } }),
      channelStep('in-app', { source: { template: 'nothing' } }),
    ]
    const all = steps.map((step, index) =>
      notification(['ada'], [], { data: { text: 'Hi' }, workflow: { ...workflow(step), version: index + 1 } }),
    )
    for (const wanted of all) {
      await accept(wanted)
      await hasEnded(wanted.spec.id, 'ada')
    }
    expect(await itemsOf('ada')).toMatchObject([{ body: 'The second' }, { body: 'Hi. Bye' }])
    expect((await explain(all[2]?.spec.id ?? '', 'ada'))?.run.deliveries).toMatchObject([
      { state: 'failed', reason: expect.stringContaining('there is no template nothing') },
    ])
  })

  test('an item of a stored template arrives once after a wait during which the actor lost its memory', async () => {
    await putTemplates()
    const steps: WorkflowStep[] = [
      { kind: 'delay', name: 'a-while', seconds: 1 },
      channelStep('in-app', { source: { template: 'comment' }, awaitsOutcome: true }),
    ]
    const wanted = notification(['ada'], steps, { data: { text: 'Hi' } })
    await accept(wanted)
    await isSent(wanted.spec.id)
    await evictDurableObject(recipientsOf(env, tenant, 'ada'))
    await hasEnded(wanted.spec.id, 'ada')
    expect(await itemsOf('ada')).toMatchObject([{ title: 'New comment', body: 'Hi. Bye' }])
  })
})
