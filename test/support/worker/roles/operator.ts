import { env } from 'cloudflare:workers'
import { schedule } from '../../../../src/cron/schedule.ts'
import { app } from '../../../../src/edge/http/app.ts'
import { definitions } from '../../../../src/edge/openapi/openapi.ts'
import { call } from '../http.ts'
import { newTenant, operatorKey, succeeded } from '../tenant.ts'
import type { Furnished } from '../things.ts'

/** What an operation is called with where the example of its definition does not do. */
const bodies: Readonly<Record<string, object>> = {
  'PUT /admin/v1/platform/limits': {},
  'PUT /admin/v1/plans/:name': {},
  'PUT /admin/v1/tenants/:id/limits': { limits: {} },
  'PATCH /admin/v1/tenants/:id': { state: 'active' },
  'POST /admin/v1/drain': { seconds: 0 },
}

/** Every operation that only the operator may use, and the body it takes; a tenant's own key opens none. */
export const operatorOperations: Readonly<Record<string, unknown>> = Object.fromEntries(
  definitions
    .filter(({ access }) => access === 'operator')
    .map(({ method, path, example }) => {
      const line = `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`
      return [line, bodies[line] ?? example?.body]
    }),
)

/**
 * What the operator is told where it would need databases of its own: that there is no move, shard, replica or database, whichever is looked for first. What they do is
 * tested in moves.worker.test.ts and replicas.worker.test.ts.
 */
export const missing: Readonly<Record<string, readonly number[]>> = {
  'POST /admin/v1/tenants/:id/moves': [409, 503],
  'GET /admin/v1/tenants/:id/move': [404],
  'POST /admin/v1/tenants/:id/move/confirm': [404],
  'POST /admin/v1/tenants/:id/move/reverse': [404],
  'POST /admin/v1/tenants/:id/move/pause': [404],
  'POST /admin/v1/tenants/:id/move/resume': [404],
  'PUT /admin/v1/shards/:name/replicas/:replica': [404, 503],
  'PATCH /admin/v1/shards/:name/replicas/:replica': [404],
  'DELETE /admin/v1/shards/:name/replicas/:replica': [404],
  // Of a run that does not exist; of others see test/sagas/own.worker.test.ts.
  'GET /admin/v1/saga-runs/:id': [404],
  'POST /admin/v1/saga-runs/:id/cancel': [404],
  'POST /admin/v1/saga-runs/:id/steps/:step/retry': [404],
  'POST /admin/v1/saga-runs/:id/steps/:step/skip': [404],
}

/** Routes without authentication, and what they ask for instead of a key or a user's token. */
export const openDoors: Readonly<Record<string, string>> = {
  'GET /healthz': 'nothing: that it is alive',
  'GET /readyz': 'nothing: how dependencies stand',
  'GET /metrics': 'nothing: figures without names',
  'GET /metrics/alerts': 'nothing: alert rules for operators',
  'GET /openapi.json': 'nothing: documentation',
  'GET /files/:token': 'the signed link that is the token: one file, for a short time',
  'GET /docs': 'nothing: documentation',
  'GET /docs/errors': 'nothing: documentation',
  'GET /docs/realtime': 'nothing: documentation',
  'GET /docs/reference.js': 'nothing: documentation',
  'GET /docs/reference.css': 'nothing: documentation',
  'GET /docs.md': 'nothing: documentation',
  'GET /docs/realtime.md': 'nothing: documentation',
  'GET /docs/errors.md': 'nothing: documentation',
  'GET /docs/guides': 'nothing: documentation',
  'GET /docs/guides.md': 'nothing: documentation',
  'GET /docs/guides/:name{.+\\.md}': 'nothing: documentation',
  'GET /docs/guides/:name{.+}': 'nothing: documentation',
  'GET /llms.txt': 'nothing: documentation',
  'GET /': 'nothing: the page',
  'GET /favicon.ico': 'nothing',
  'GET /connection/sse': 'a token, in the connect command',
  'POST /connection/http_stream': 'a token, in the connect command',
  'POST /emulation': 'the secret that only the session’s own stream has heard',
  'POST /jobs': 'the signature of QStash',
  'POST /jobs/failed': 'the signature of QStash',
  'POST /provider-events/:name/:token': 'the token of the provider, in the address',
  'GET /preferences/:token': 'the signature of the token, in the address',
  'POST /preferences/:token': 'the signature of the token, in the address',
  'GET /n/:token': 'the signature of the token, in the address',
  'GET /unsubscribe/:token': 'the signature of the token, in the address',
  'POST /unsubscribe/:token': 'the signature of the token, in the address',
  'GET /demo/outbox': 'one’s own machine',
  'GET /demo/outbox/:n{[0-9]+}/html': 'one’s own machine',
  'POST /demo/token': 'one’s own machine',
  'POST /api': 'an API key, for the methods that are operations',
  'POST /api/:method': 'an API key, for the methods that are operations',
}

/** The routes that are there, without what all requests pass. */
export const routes = (): readonly string[] => [
  ...new Set(app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`)),
]

/** A tenant that is deleted and can still be restored. */
async function deletedTenant(): Promise<string> {
  const { id } = await newTenant()
  succeeded(await call(`DELETE /admin/v1/tenants/${id}`, { as: operatorKey }))
  return id
}

/** An operation's line with the names of things that are there. */
export async function operatorLine(line: string, { tenant, things }: Furnished): Promise<string> {
  if (line.includes('/plans/'))
    succeeded(await call(`PUT /admin/v1/plans/${things.name}`, { as: operatorKey, body: {} }))
  if (line === 'DELETE /admin/v1/shards/:name') {
    const body = { connection: `postgresql://app:secret@shards.test/${things.name}`, state: 'draining' }
    succeeded(await call(`PUT /admin/v1/shards/${things.name}`, { as: operatorKey, body }))
  }
  const [key] = (await env.TENANT.getByName(tenant.id).record())?.keys ?? []
  const [entry] = schedule
  return line
    .replace(':id', /\/(?:deletion|restore)$/.test(line) ? await deletedTenant() : tenant.id)
    .replace(':key', key?.id ?? '')
    .replace(':job', things.job)
    .replace(':user', 'alice')
    .replace('/sagas/:name/', '/sagas/tenant-deletion/')
    .replace('/cron/:name', `/cron/${entry?.name ?? ''}`)
    .replace(':name', things.name)
    .replace(':replica', things.name)
}
