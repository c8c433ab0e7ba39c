import { env } from 'cloudflare:workers'
import { runInDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { startRun } from '../../src/handlers/job-worker.ts'
import { isSamePayload, fingerprint } from '../../src/jobs/model/payload.ts'
import { call } from '../support/worker/http.ts'
import { putToSleep } from '../support/worker/sleep.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

const odd = String.raw`{"id":12345678901234567890, "p":1.0,"x":1e400,"10":"a","9":"b",` + '\n\t"e":"\\u00e9"}'
const url = 'https://hooks.example.com/'

afterEach(() => void vi.unstubAllGlobals())

/** Runs what is due in the tenant's default queue, as the Worker does when QStash calls. */
async function work(tenant: string): Promise<void> {
  const queue = env.JOB_QUEUE.getByName(`${tenant}/default`)
  await runInDurableObject(queue, (_, { storage }) => {
    storage.sql.exec('INSERT INTO asked (id, at, sent) VALUES (?, ?, 1)', 'v', Date.now() + 3_600_000)
  })
  await putToSleep(queue)
  await startRun(env, { tenant, queue: 'default', run: 'v' })
}

function endpoints(result?: string): string[] {
  const posted: string[] = []
  vi.stubGlobal('fetch', async (to: string, { body }: { body: string }) => {
    if (to === url) posted.push(body)
    return new Response('', { headers: result === undefined ? {} : { 'parley-result': result } })
  })
  return posted
}

describe('a job', () => {
  test('posts its payload and its results as they were given', async () => {
    const { id: tenant, key: as } = await newTenant()
    const posted = endpoints('{"id":12345678901234567890, "p":1.0}')
    const jobs = `{"jobs":[{"id":"a","url":"${url}","payload":${odd}},{"id":"b","url":"${url}","payload":${odd},"after":["a"]}]}`
    succeeded(await call('POST /v1/jobs/batch', { as, raw: jobs }))
    succeeded(await call('POST /v1/jobs', { as, raw: `{"id":"c","url":"${url}","payload": 1.0 }` }))
    succeeded(await call('POST /v1/jobs', { as, raw: `{"id":"d","url":"${url}"}` }))
    await work(tenant)
    const after = '[{"id":"a","state":"done","result":{"id":12345678901234567890, "p":1.0}}]'
    expect(new Set(posted)).toEqual(new Set([odd, `{"payload":${odd},"after":${after}}`, '1.0', 'null']))
    const shown = await call('GET /v1/jobs/a', { as })
    expect(shown.text).toContain('"result":{"id":12345678901234567890, "p":1.0}')
    const listed = await call('GET /v1/queues/default/jobs?state=done', { as })
    expect(listed.text).toContain('"result":{"id":12345678901234567890, "p":1.0}')
  })

  test('delivers a message with its data as it was given', async () => {
    const tenant = await newTenant()
    const lunch = await tenant.group('ann')
    const raw = `{"user":"ann","clientId":"x","text":"hi","data":${odd},"deliverAt":${Date.now() - 1}}`
    succeeded(await call(`POST /v1/conversations/${lunch}/messages`, { as: tenant.key, raw }))
    await work(tenant.id)
    const page = await call(`GET /v1/conversations/${lunch}/messages`, { as: await tenant.token('ann') })
    expect(page.text).toContain(`"data":${odd.replaceAll(/[\n\t]/g, ' ')}`)
  })

  test('of a schedule keeps its payload as it was given', async () => {
    const { id: tenant, key: as } = await newTenant()
    const raw = `{"everySeconds":60,"job":{"url":"${url}","payload":${odd}}}`
    succeeded(await call('PUT /v1/schedules/nightly', { as, raw }))
    const { job } = (await env.JOB_QUEUE.getByName(`${tenant}/default`).schedule('nightly'))!
    expect(job.payload).toBe(`{"url":"${url}","payload":${odd}}`)
  })

  test('that comes again with other white space is the same job, and with another number it is not', async () => {
    expect(isSamePayload('{"a":[1, "x y"]}', '{ "a": [1,"x y"] }\n')).toBe(true)
    expect(isSamePayload(fingerprint('{"a":[1, "x y"]}'), '{"a":[1,"x y"]}')).toBe(true)
    expect(isSamePayload('{"a":"x y"}', '{"a":"xy"}')).toBe(false)
    expect(isSamePayload('{"a":"x\\" y"}', '{"a":"x\\"  y"}')).toBe(false)
    expect(isSamePayload('[12345678901234567890]', '[12345678901234567891]')).toBe(false)
    expect(isSamePayload(fingerprint('[12345678901234567890]'), '[12345678901234567891]')).toBe(false)
    const long = `"${'x\\"'.repeat(60_000)}"`
    expect(isSamePayload(fingerprint(long), ` ${long}`)).toBe(true)
  })
})
