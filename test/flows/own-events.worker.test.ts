import { runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, test } from 'vitest'
import { recipientsOf } from '../../durable-objects/address.ts'
import { readOwnEvent, type OwnEvent } from '../../sdk/own-events.ts'
import { eventually } from '../support/worker/bounded.ts'
import { call } from '../support/worker/http.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { postgresIsThere } from '../support/worker/shards.ts'
import { newTenant, succeeded, type TestTenant } from '../support/worker/tenant.ts'

const isPublished = (key: string): boolean => key.startsWith('own-event')

beforeAll(() => postgresIsThere())

/** The tenant has a reader of its own events, and all parts know it. */
async function withReader(tenant: TestTenant): Promise<void> {
  succeeded(await call('PUT /v1/consumers/all', { as: tenant.key, body: { topic: '$parley' } }))
  const actor = env.TENANT.getByName(tenant.id)
  await eventually('parts that know of the reader', async () => {
    await runDurableObjectAlarm(actor)
    return await runInDurableObject(
      actor,
      (_, { storage }) => storage.kv.get<string>('publishingNotified')?.endsWith(' 2') === true || undefined,
    )
  })
}

const eventsOf = async ({ key }: TestTenant): Promise<OwnEvent[]> => {
  const { text } = await call('GET /v1/events?topic=$parley&limit=500', { as: key })
  const { events }: { readonly events: readonly unknown[] } = JSON.parse(text)
  return events.flatMap((event) => readOwnEvent(event) ?? [])
}

/** What happened to the notifications of a user, in the order in which it was published. */
const lifeOf = (events: readonly OwnEvent[], user: string): string[] =>
  events.flatMap((event) =>
    'changes' in event
      ? event.changes
          .filter((change) => change.user === user)
          .map(({ channel }) => `${event.type}${channel === undefined ? '' : ` ${channel}`}`)
      : [],
  )

const queueOf = ({ id }: TestTenant, queue: string) => env.JOB_QUEUE.getByName(`${id}/${queue}`)

let runs = 0

/** Lets a worker fail at the job `bad` of a queue, which has one attempt. */
async function failOnce(tenant: TestTenant, queue: string): Promise<void> {
  const actor = queueOf(tenant, queue)
  const workerRun = `run-${runs++}`
  await runInDurableObject(actor, (_, { storage }) => {
    storage.sql.exec('INSERT INTO asked (id, at, sent) VALUES (?, ?, 1)', workerRun, Date.now() + 3_600_000)
  })
  await putToSleep(actor)
  const started = await actor.startRun(workerRun, 10)
  const settled = (started?.jobs ?? []).map(({ id, run }) => ({
    id,
    run,
    outcome: { kind: 'retry' as const, error: 'answer' as const, reason: 'the endpoint answered 500' },
  }))
  await actor.poll({ workerRun, settled, reports: [], holding: [], capacity: 0, overtakes: false }, 0)
  expect(await actor.find('bad')).toMatchObject({ state: 'dead' })
}

async function failJob(tenant: TestTenant, queue: string): Promise<void> {
  const body = { id: 'bad', queue, url: 'https://shop.example/jobs', attempts: 1 }
  succeeded(await call('POST /v1/jobs', { as: tenant.key, body }))
  await failOnce(tenant, queue)
}

const notify = async ({ key }: TestTenant) => {
  const body = { content: { title: 'New comment', body: 'Hi' }, recipients: ['ana', 'bob'] }
  const { id } = succeeded(await call('POST /v1/notifications', { as: key, body }))
  await expect
    .poll(async () => (await call(`GET /v1/notifications/${id}`, { as: key })).body['state'], { timeout: 20_000 })
    .toBe('sent')
  succeeded(await call('POST /v1/feed/marks', { as: key, body: { user: 'ana', mark: 'read', all: true } }))
}

describe('a reader of own events', () => {
  test('gets the dead letters of every queue, also of one that began later', async () => {
    const tenant = await newTenant()
    const early = { id: 'first', queue: 'early', type: 'join' }
    succeeded(await call('POST /v1/jobs', { as: tenant.key, body: early }))
    await withReader(tenant)
    for (const queue of ['default', 'early', 'late']) await failJob(tenant, queue)
    const failed = await eventually('events of the dead letters', async () => {
      for (const queue of ['default', 'early', 'late']) await runDurableObjectAlarm(queueOf(tenant, queue))
      const events = (await eventsOf(tenant)).filter((event) => event.type === 'job.failed' && event.job === 'bad')
      return events.length >= 3 ? events : undefined
    })
    expect(failed.map((event) => ('queue' in event ? event.queue : '')).toSorted()).toEqual([
      'default',
      'early',
      'late',
    ])
    expect(failed[0]).toMatchObject({ jobType: 'http', attempts: 1, reason: 'the endpoint answered 500' })
    // Redriven, it fails again: that is another event.
    succeeded(await call('POST /v1/jobs/bad/redrive?queue=late', { as: tenant.key }))
    await failOnce(tenant, 'late')
    await eventually('the event of the second failure', async () => {
      await runDurableObjectAlarm(queueOf(tenant, 'late'))
      const events = (await eventsOf(tenant)).filter((event) => event.type === 'job.failed' && event.queue === 'late')
      return events.length === 2 || undefined
    })
  })

  test('gets what becomes of notifications, those of one burst together', async () => {
    const tenant = await newTenant()
    await withReader(tenant)
    await notify(tenant)
    const actors = ['ana', 'bob'].map((user) => recipientsOf(env, tenant.id, user))
    const life = ['notification.created', 'notification.sent in-app', 'notification.delivered in-app']
    const events = await eventually('events of the notification', async () => {
      for (const actor of actors) await runDurableObjectAlarm(actor)
      const found = await eventsOf(tenant)
      return lifeOf(found, 'ana').length >= 4 && lifeOf(found, 'bob').length >= 3 ? found : undefined
    })
    expect(lifeOf(events, 'ana')).toEqual([...life, 'notification.read'])
    expect(lifeOf(events, 'bob')).toEqual(life)
    // Nothing is left to be published, and nothing comes again.
    for (const actor of actors) {
      await runDurableObjectAlarm(actor)
      const kept = await runInDurableObject(actor, (_, { storage }) => [...storage.kv.list({ prefix: 'own-event/' })])
      expect(kept).toEqual([])
    }
    expect(await eventsOf(tenant)).toEqual(events)
  })
})

test('a tenant without a reader of own events pays for none: nothing is noted, and no log is opened', async () => {
  const tenant = await newTenant()
  await failJob(tenant, 'default')
  await notify(tenant)
  const actors = [queueOf(tenant, 'default'), recipientsOf(env, tenant.id, 'ana')]
  for (const actor of actors) {
    await runDurableObjectAlarm(actor)
    const stored = await runInDurableObject(actor, (_, { storage }) => [...storage.kv.list()].map(([key]) => key))
    expect(stored.filter(isPublished)).toEqual([])
  }
  const tables = await runInDurableObject(env.EVENT_LOG.getByName(`${tenant.id}/$parley`), (_, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'events'").toArray(),
  )
  expect(tables).toEqual([])
  const told = await runInDurableObject(env.TENANT.getByName(tenant.id), (_, { storage }) =>
    storage.kv.get('publishingNotified'),
  )
  expect(told).toBeUndefined()
})
