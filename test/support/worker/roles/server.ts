import { evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { sagaOf } from '../../../../durable-objects/address.ts'
import { call } from '../http.ts'
import { succeeded } from '../tenant.ts'
import { facadeRoute, type Furnished, type Things } from '../things.ts'

/** What a server says, and of what, for an operation to succeed. */
export interface Setting {
  readonly things: Things
  readonly body?: object
}

/** The setting of an operation, where the least that fits its schema and the things there are do not do. */
export async function serverSetting(line: string, own: Furnished): Promise<Setting> {
  const { things } = own
  if (line === 'POST /v1/jobs/{id}/redrive') return { things: { ...things, job: await deadJob(own) } }
  if (line.endsWith('/versions/{version}'))
    return { things: { ...things, name: `${things.name}-new` }, body: { schema: true } }
  if (line === 'PUT /v1/topics/{topic}') return { things: { ...things, name: `${things.name}-new` } }
  if (line === 'DELETE /v1/key-sets/{name}') await putKeySet(own)
  if (line.endsWith('/decision')) return { things: { ...things, review: await freshReview(own) } }
  if (line.endsWith('/erasure')) succeeded(await call('DELETE /v1/users/bob', { as: own.tenant.key }))
  if (line.startsWith('POST /v1/saga-runs/')) return { things: { ...things, run: await freshRun(own, line) } }
  const body = bodies(things.name, `${things.name}:x`)[line]
  return { things, ...(body === undefined ? {} : { body }) }
}

/** Tests that put a key set answer for this address. */
export const keySetAddress = 'https://keys.example.com/'

/** A key set that was found before. */
async function putKeySet({ tenant, things: { name } }: Furnished): Promise<void> {
  const now = Date.now()
  await env.TENANT.getByName(tenant.id).putKeySet({ name, url: keySetAddress, keys: [], fetchedAt: now, triedAt: now })
}

const bodies = (name: string, channel: string): Readonly<Record<string, object>> => ({
  'POST /v1/tokens/subscription': { user: 'bob', channel },
  'PUT /v1/namespaces/{name}': { historySize: 10, historyTtlSeconds: 60 },
  'PUT /v1/search/settings': { language: null },
  'PUT /v1/key-sets/{name}': { url: keySetAddress },
  'PUT /v1/schedules/{name}': { everySeconds: 60, job: { type: 'join' } },
  'PUT /v1/facade-routes/{name}': facadeRoute,
  'PUT /v1/notification-settings': {},
  'PUT /v1/content-rules': {},
  'PUT /v1/chat-notifications': { enabled: false },
  'POST /v1/events': { type: 'sample' },
  'POST /v1/import': { type: 'usage', version: 1 },
  'PUT /v1/processes/{name}': {
    events: [
      { type: 'a', starts: true },
      { type: 'b', ends: true },
    ],
  },
  'PUT /v1/templates/{name}': { locales: { en: { all: { body: 'y' } } } },
  'POST /v1/templates/{name}/preview': { channel: 'sms' },
  'PUT /v1/notification-providers/{name}': { channel: 'email', type: 'resend', credentials: { apiKey: 'x' } },
  'PUT /v1/sagas/{name}': { steps: [{ name, wait: { signal: name }, timeoutSeconds: 600 }] },
  'POST /v1/sagas/{name}/runs': { id: 'another-run' },
  'PUT /v1/workflows/{name}': {
    steps: [{ name: 'app', kind: 'channel', channel: 'in-app', source: { content: { body: 'Hello' } } }],
  },
  'POST /v1/notifications': { content: { body: 'Hello' }, recipients: ['bob'] },
  'POST /v1/jobs': { type: 'join' },
  'POST /v1/jobs/batch': { jobs: [{ type: 'join' }] },
  'POST /v1/jobs/{id}/progress': { progress: 50 },
  'POST /api/publish': { channel, data: 1 },
  'POST /api/broadcast': { channels: [channel], data: 1 },
  'POST /api/history_remove': { channel },
})

/** A review that no other operation has decided. */
async function freshReview({ tenant }: Furnished): Promise<string> {
  const body = { user: `user-${crypto.randomUUID()}`, reporter: 'bob', reason: 'spam' }
  return String(succeeded(await call('POST /v1/reports', { as: tenant.key, body })).review)
}

/** A run that no other operation has ended; for a retry its step becomes, by hand, one that a person has to look at. */
async function freshRun({ tenant, things: { name } }: Furnished, line: string): Promise<string> {
  const run = `run-${crypto.randomUUID()}`
  succeeded(await call(`POST /v1/sagas/${name}/runs`, { as: tenant.key, body: { id: run } }))
  if (!line.endsWith('/retry')) return run
  const saga = sagaOf(env, tenant.id, run)
  await runInDurableObject(saga, (_, { storage }) => {
    const sql = `UPDATE runs SET data = json_set(data, '$.steps."${name}".phase', 'attention') WHERE id = ?`
    storage.sql.exec(sql, run)
  })
  await evictDurableObject(saga)
  return run
}

/** No worker runs jobs here, so that the job died is written by hand. */
async function deadJob({ tenant, things: { job } }: Furnished): Promise<string> {
  const queue = env.JOB_QUEUE.getByName(`${tenant.id}/default`)
  await runInDurableObject(queue, (_, { storage }) => {
    storage.sql.exec('UPDATE jobs SET phase = 8, rank = ? WHERE id = ?', Date.now() + 3_600_000, job)
  })
  await evictDurableObject(queue)
  return job
}
