import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, test } from 'vitest'
import { notificationsOf, recipientsNumbered, recipientsOf } from '../../durable-objects/address.ts'
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
})
