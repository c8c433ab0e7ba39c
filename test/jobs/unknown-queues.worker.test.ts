import { env } from 'cloudflare:workers'
import { listDurableObjectIds } from 'cloudflare:test'
import { expect, test } from 'vitest'
import { call } from '../support/worker/http.ts'
import { newTenant } from '../support/worker/tenant.ts'

/** Whether the actor of a queue was called, which leaves a file behind. */
async function isMade(tenant: string, queue: string): Promise<boolean> {
  const ids = (await listDurableObjectIds(env.JOB_QUEUE)).map(String)
  return ids.includes(String(env.JOB_QUEUE.idFromName(`${tenant}/${queue}`)))
}

test('a request that names a queue which was never used is answered 404, or that there is nothing, and makes no queue', async () => {
  const { id: tenant, key: as } = await newTenant()
  const requests: readonly (readonly [string, number])[] = [
    ['GET /v1/queues/invented', 404],
    ['GET /v1/queues/invented/jobs', 404],
    ['GET /v1/jobs/one?queue=invented', 404],
    ['DELETE /v1/jobs/one?queue=invented', 404],
    ['POST /v1/jobs/one/redrive?queue=invented', 404],
    ['GET /v1/schedules?queue=invented', 200],
    ['GET /v1/schedules/nightly?queue=invented', 404],
    ['DELETE /v1/schedules/nightly?queue=invented', 404],
  ]
  for (const [line, status] of requests) expect([line, (await call(line, { as })).status]).toEqual([line, status])
  for (const [line, body] of [
    ['POST /v1/queues/invented/redrive', {}],
    ['POST /v1/jobs/one/progress?queue=invented', { progress: 1 }],
  ] as const)
    expect((await call(line, { as, body })).status).toBe(404)
  expect((await call('GET /v1/queues/invented', { as })).body.detail).toContain('there is no queue invented')
  expect(await isMade(tenant, 'invented')).toBe(false)
})

test.each([
  ['a job', 'POST /v1/jobs', { id: 'one', type: 'http', url: 'https://example.com/', queue: 'made' }],
  ['a rule', 'PATCH /v1/queues/made', { concurrency: 5 }],
  ['a pause', 'POST /v1/queues/made/pause', undefined],
  ['its first secret', 'GET /v1/queues/made/secret', undefined],
  [
    'a schedule',
    'PUT /v1/schedules/nightly',
    { queue: 'made', cron: '0 3 * * *', job: { url: 'https://example.com/' } },
  ],
])('%s makes a queue, which is found at once', async (_, line, body) => {
  const { key: as } = await newTenant()
  const made = await call(line, { as, ...(body === undefined ? {} : { body }) })
  expect([200, 201]).toContain(made.status)
  expect((await call('GET /v1/queues/made', { as })).status).toBe(200)
})
