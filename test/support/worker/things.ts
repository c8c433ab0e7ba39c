import { expect } from 'vitest'
import { definitions } from '../../../src/edge/openapi/openapi.ts'
import type { OperationDefinition } from '../../../src/protocol/operation.ts'
import { eventually } from './bounded.ts'
import { call } from './http.ts'
import { sampleOf, type Named } from './sample.ts'
import { newTenant, succeeded, type TestTenant } from './tenant.ts'

/** The operations of tenants under /v1. */
export const operations = definitions.filter(({ path }) => path.startsWith('/v1/'))

/** What a tenant has of each kind that can be named in a path or body. */
export interface Things {
  readonly conversation: string
  readonly upload: string
  readonly job: string
  readonly run: string
  readonly notification: string
  readonly review: string
  readonly name: string
  readonly signingKey: string
}

export interface Furnished {
  readonly tenant: TestTenant
  readonly things: Things
}

/** A route of a facade that no test sends requests through. */
export const facadeRoute = {
  legacy: { url: 'https://legacy.example.com' },
  new: { url: 'https://new.example.com' },
  key: { from: 'user' },
} as const

/** A tenant with one of everything. */
export async function furnished(): Promise<Furnished> {
  const tenant = await newTenant()
  const conversation = await tenant.group('alice', 'bob')
  await tenant.post(conversation, 'alice', 'between us')
  const upload = await tenant.upload(conversation, 'alice')
  const name = `n${crypto.randomUUID().slice(0, 8)}`
  const put = async (path: string, body: object) => succeeded(await call(`PUT ${path}`, { as: tenant.key, body }))
  await put(`/v1/limits/policies/${name}`, { algorithm: 'fixed-window', limit: 5, windowSeconds: 60 })
  await put(`/v1/namespaces/${name}`, { historySize: 10, historyTtlSeconds: 60 })
  await put(`/v1/schedules/${name}`, { everySeconds: 86_400, job: { type: 'join' } })
  await put(`/v1/event-topics/${name}`, {})
  await put(`/v1/event-types/${name}/versions/1`, { schema: true })
  await put(`/v1/consumers/${name}`, {})
  await put(`/v1/webhooks/${name}`, { url: 'https://webhook.example/hook' })
  // Nothing is posted; a ping is the first event there.
  succeeded(await call(`POST /v1/webhooks/${name}/pause`, { as: tenant.key }))
  succeeded(await call(`POST /v1/webhooks/${name}/test`, { as: tenant.key }))
  await put(`/v1/facade-routes/${name}`, facadeRoute)
  succeeded(await call(`PUT /v1/topics/${name}`, { as: tenant.key }))
  succeeded(await call(`PATCH /v1/queues/${name}`, { as: tenant.key, body: { concurrency: 5 } }))
  const later = { id: `job-${name}`, type: 'join', runAt: Date.now() + 3_600_000 }
  succeeded(await call('POST /v1/jobs', { as: tenant.key, body: later }))
  const events = [
    { type: name, starts: true },
    { type: `${name}.end`, ends: true },
  ]
  await put(`/v1/processes/${name}`, { topics: [name], events })
  succeeded(await call(`POST /v1/events?topic=${name}`, { as: tenant.key, body: { type: name, key: name } }))
  const instance = `GET /v1/processes/${name}/instances/${name}`
  await eventually('an instance', async () => (await call(instance, { as: tenant.key })).status === 200 || undefined)
  await put(`/v1/templates/${name}`, { locales: { en: { all: { body: 'x' } } } })
  const provider = { channel: 'email', type: 'postmark', from: 'a@example.com', credentials: { serverToken: 'x' } }
  const { eventsUrl } = await put(`/v1/notification-providers/${name}`, provider)
  const bounce = { RecordType: 'Bounce', Type: 'HardBounce', Email: `${name}@example.com` }
  succeeded(await call(`POST ${new URL(String(eventsUrl)).pathname}`, { body: bounce }))
  const saga = { steps: [{ name, wait: { signal: name }, timeoutSeconds: 86_400 }] }
  await put(`/v1/sagas/${name}`, saga)
  const run = `run-${name}`
  succeeded(await call(`POST /v1/sagas/${name}/runs`, { as: tenant.key, body: { id: run } }))
  await put(`/v1/notification-categories/${name}`, {})
  const content = { body: 'Hello' }
  await put(`/v1/workflows/${name}`, {
    steps: [{ name: 'app', kind: 'channel', channel: 'in-app', source: { content } }],
  })
  const trigger = { content, recipients: ['bob'], cancellationKey: name }
  const { id: notification } = succeeded(await call('POST /v1/notifications', { as: tenant.key, body: trigger }))
  const life = `GET /v1/notifications/${notification}/recipients/bob`
  await eventually('a notice', async () => (await call(life, { as: tenant.key })).status === 200 || undefined)
  const { id: signingKey } = succeeded(await call('POST /v1/signing-keys', { as: tenant.key }))
  const report = { user: 'carol', reporter: 'bob', reason: 'spam' }
  const { review } = succeeded(await call('POST /v1/reports', { as: tenant.key, body: report }))
  const things = { conversation, upload, job: later.id, run, notification, review: String(review), name, signingKey }
  return { tenant, things }
}

/** Names of things that do not exist. */
export const nothing = (): Things => ({
  conversation: crypto.randomUUID(),
  job: `job-${crypto.randomUUID().slice(0, 8)}`,
  run: `run-${crypto.randomUUID().slice(0, 8)}`,
  notification: crypto.randomUUID(),
  review: crypto.randomUUID(),
  name: `n${crypto.randomUUID().slice(0, 8)}`,
  signingKey: crypto.randomUUID().slice(0, 8),
  upload: crypto.randomUUID().replaceAll('-', '').slice(0, 22),
})

/** An operation as people write it: `PATCH /v1/settings`. */
export const tellOf = ({ method, path }: Pick<OperationDefinition, 'method' | 'path'>): string =>
  `${method.toUpperCase()} ${path}`

/** A path's parameter names a thing of the kind that stands before it. */
export function pathOf(
  { path }: Pick<OperationDefinition, 'path'>,
  { conversation, upload, job, run, notification, review, name, signingKey }: Things,
): string {
  const ids: Readonly<Record<string, string>> = {
    conversations: conversation,
    jobs: job,
    'saga-runs': run,
    notifications: notification,
    reviews: review,
  }
  return path
    .replace(/\/([\w-]+)\/\{id\}/, (_, kind: string) => `/${kind}/${ids[kind] ?? name}`)
    .replace('{name}', name)
    .replace('{upload}', upload)
    .replace('{part}', '1')
    .replace('{key}', signingKey)
    .replace('{seq}', '1')
    .replace('{version}', '1')
    .replace('{user}', 'bob')
    .replace('{conversation}', conversation)
    .replace('{delivery}', `${name}-1`)
    .replace('{address}', `${name}@example.com`)
    .replaceAll(/\{\w+\}/g, name)
}

export const namedBy = ({ conversation, job, name }: Things): Named => ({
  members: ['bob'],
  user: 'bob',
  clientId: 'swapped',
  text: 'swapped',
  policy: name,
  queue: name,
  channel: `conversation:${conversation}`,
  channels: [`conversation:${conversation}`],
  conversation,
  after: [job],
  url: 'https://example.com/hook',
})

/** Bodies that do not follow from their schemas, since a file needs a media type and an upload its id. */
const bodiesOf = ({ upload }: Things): Readonly<Record<string, object>> => ({
  'POST /v1/conversations/{id}/uploads': { name: 'lunch.png', type: 'image/png', size: 1 },
  'POST /v1/conversations/{id}/upload-links': { uploads: [upload] },
})

let asked = 0

/** What an operation answers about these things: its status, and its words without what differs by chance. */
export async function answerOf(
  operation: OperationDefinition,
  as: string | undefined,
  things: Things,
  given?: object,
): Promise<[number, string]> {
  const { body } = operation
  const sample =
    body === undefined ? undefined : (given ?? bodiesOf(things)[tellOf(operation)] ?? sampleOf(body, namedBy(things)))
  const line = `${operation.method.toUpperCase()} ${pathOf(operation, things)}`
  // Without a credential requests are counted by address, and there are more operations than one address may call at once.
  const from = as === undefined ? { headers: { 'cf-connecting-ip': `192.0.2.${asked++ % 250}` } } : { as }
  const { status, text } = await call(line, { ...from, body: sample })
  return [status, blank(text, Object.values(things))]
}

/**
 * What differs by chance, and the names that were asked for, made alike. The lag of a webhook is among it: own events of
 * the tenant are published behind the answers that they are about.
 */
export function blank(text: string, names: readonly string[]): string {
  let alike = text
  for (const one of names.filter((name) => name !== '')) alike = alike.replaceAll(one, '…')
  return alike
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '…')
    .replaceAll(/\bt[0-9a-f]{32}\b/g, '…')
    .replaceAll(/~[0-9a-f]{32}\b/g, '…')
    .replaceAll(/eyJ[\w.-]+|whsec_[\w+/=]+/g, '…')
    .replaceAll(/"(?:id|key|review|secret|erasure)":"[\w-]{8,43}"/g, '…')
    .replaceAll(/"epoch":"[^"]*"/g, '…')
    .replaceAll(/\d{9,}|"(?:remaining|used|resetMs|retryAfterMs|uptime|lag)":\d+/g, '…')
}

/** All that a tenant's server can read of its own things. */
export async function readingOf({ tenant, things }: Furnished): Promise<unknown> {
  const all: Record<string, unknown> = {}
  for (const operation of operations.filter(({ method }) => method === 'get'))
    all[tellOf(operation)] = await answerOf(operation, tenant.key, things)
  return all
}

/** The status that a first request is answered with, not a repeat. */
export const firstStatus = ({ responses }: Pick<OperationDefinition, 'responses'>): number =>
  [201, 202, 200, 204].find((status) => status in responses) ?? 0

/** Fails unless a table has exactly these lines. */
export function expectLines(table: object, lines: readonly string[]): void {
  const missing = lines.filter((line) => !Object.hasOwn(table, line))
  const left = Object.keys(table).filter((line) => !lines.includes(line))
  expect({ 'without a line that says who may': missing, 'of which there is no such thing': left }).toEqual({
    'without a line that says who may': [],
    'of which there is no such thing': [],
  })
}
