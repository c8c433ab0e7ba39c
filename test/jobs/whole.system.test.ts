import { Client } from '@upstash/qstash'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { sign } from '../../local/qstash/signature.ts'
import { apiKey, call } from '../support/e2e/people.ts'
import { ShakyWorld } from '../support/e2e/shaky-world.ts'
import { System } from '../support/e2e/system.ts'
import { until } from '../support/e2e/until.ts'
import { Endpoint } from './support/endpoint.ts'

let world: ShakyWorld
let endpoint: Endpoint

beforeAll(async () => {
  world = await ShakyWorld.start({ ALLOW_PRIVATE_ENDPOINTS: '1' })
  endpoint = await Endpoint.open()
})

beforeEach(() => {
  endpoint.answer = () => ({ status: 200 })
})

afterAll(async () => {
  await endpoint.close()
  await world.stop()
})

const jobView = z.object({ state: z.string(), attempts: z.number(), note: z.string(), result: z.unknown() })
const stateOf = async (system: System, id: string) =>
  jobView.parse((await call(system, apiKey, 'GET', `/v1/jobs/${id}`)).body)

/** Waits until a job is in a state. */
const becomes = (id: string, state: string, ms = 60_000) =>
  until(
    `job ${id} is ${state}`,
    async () => {
      const job = await stateOf(world.system, id)
      return job.state === state && job
    },
    ms,
  )

const add = (job: object) => call(world.system, apiKey, 'POST', '/v1/jobs', job)

describe('an http job', () => {
  test('is posted once, signed for the job, and its result is kept', async () => {
    endpoint.answer = () => ({ status: 200, headers: { 'parley-result': '{"sent":3}' } })
    expect((await add({ id: 'signed', url: `${endpoint.url}/signed`, payload: { hello: 'wörld' } })).status).toBe(201)
    expect(await becomes('signed', 'done')).toMatchObject({ attempts: 1, result: { sent: 3 } })

    const [post, ...more] = endpoint.posts.filter(({ path }) => path === '/signed')
    expect([post?.body, more]).toEqual(['{"hello":"wörld"}', []])
    const secrets = z.object({ secrets: z.array(z.string()) })
    const { body } = await call(world.system, apiKey, 'GET', '/v1/queues/default/secret')
    const key = Buffer.from(secrets.parse(body).secrets[0]?.slice('whsec_'.length) ?? '', 'base64')
    const content = `signed.${String(post?.headers['webhook-timestamp'])}.${post?.body}`
    const expected = createHmac('sha256', key).update(content).digest('base64')
    expect(post?.headers).toMatchObject({ 'webhook-id': 'signed', 'webhook-signature': `v1,${expected}` })
  })

  test('is tried again, snoozed or given up as the endpoint says', async () => {
    const seen = new Map<string, number>()
    endpoint.answer = ({ path }) => {
      const times = (seen.get(path) ?? 0) + 1
      seen.set(path, times)
      if (path === '/gone') return { status: 410 }
      if (times > 1) return { status: 200 }
      return path === '/busy' ? { status: 429, headers: { 'retry-after': '1' } } : { status: 500 }
    }
    const backoff = { kind: 'fixed', seconds: 0.1 }
    await add({ id: 'busy', url: `${endpoint.url}/busy`, attempts: 1 })
    await add({ id: 'broken', url: `${endpoint.url}/broken`, backoff })
    await add({ id: 'gone', url: `${endpoint.url}/gone` })
    await add({ id: 'poison', url: `${endpoint.url}/poison/`, attempts: 1 })
    await add({ id: 'slow', url: `${endpoint.url}/slow`, timeoutSeconds: 1, attempts: 1 })
    expect(await becomes('busy', 'done')).toMatchObject({ attempts: 1 })
    expect(await becomes('broken', 'done')).toMatchObject({ attempts: 2 })
    expect(await becomes('gone', 'failed')).toMatchObject({ note: 'the endpoint answered 410' })
    expect(await becomes('poison', 'dead')).toMatchObject({ note: 'the endpoint answered 500' })
    expect((await call(world.system, apiKey, 'POST', '/v1/jobs/poison/redrive')).status).toBe(200)
    await becomes('poison', 'done')
  })
})

describe('with QStash', () => {
  test('down, jobs are accepted and run all the same, those for later too, and when it is back as well', async () => {
    world.qstash.set('refuse')
    expect((await add({ id: 'now', queue: 'down', url: `${endpoint.url}/down` })).status).toBe(201)
    expect((await add({ id: 'later', queue: 'down', url: `${endpoint.url}/down`, delaySeconds: 3 })).status).toBe(201)
    await becomes('now', 'done')
    await becomes('later', 'done')
    world.calm()
    expect((await add({ id: 'after', queue: 'down', url: `${endpoint.url}/down` })).status).toBe(201)
    await becomes('after', 'done')
    expect(endpoint.idsOf('/down')).toEqual(['now', 'later', 'after'])
  })

  test('accepting a run and saying it did not, each job still takes effect once', async () => {
    world.qstash.set('mute')
    await add({ id: 'lied', queue: 'lied', url: `${endpoint.url}/lied` })
    await new Promise((resolve) => setTimeout(resolve, 1000))
    world.qstash.cut()
    world.calm()
    await becomes('lied', 'done')
    expect(endpoint.idsOf('/lied')).toEqual(['lied'])
  })

  test('a run that was not requested does not start, however well signed', async () => {
    const secrets: unknown = JSON.parse(readFileSync(join(world.system.dataDir, 'secrets.json'), 'utf8'))
    const keys = z.object({ qstashCurrentKey: z.string(), qstashNextKey: z.string() }).parse(secrets)
    const body = JSON.stringify({ tenant: 'demo', queue: 'default', visit: 'replayed' })
    const url = `${world.system.url}/jobs`
    for (const key of [keys.qstashCurrentKey, keys.qstashNextKey]) {
      const signature = sign({ url, body: Buffer.from(body), key, now: Date.now() })
      const answer = await fetch(url, { method: 'POST', body, headers: { 'Upstash-Signature': signature } })
      expect([answer.status, await answer.json()]).toEqual([200, { run: 'not expected' }])
    }
    const failure = JSON.stringify({ sourceBody: Buffer.from(body).toString('base64') })
    const signature = sign({
      url: `${url}/failed`,
      body: Buffer.from(failure),
      key: keys.qstashCurrentKey,
      now: Date.now(),
    })
    const told = await fetch(`${url}/failed`, {
      method: 'POST',
      body: failure,
      headers: { 'Upstash-Signature': signature },
    })
    expect([told.status, await told.json()]).toEqual([200, { run: 'lost' }])
  })
})

describe('QStash as the clock', () => {
  /** The times of the messages at the stand-in for QStash, in seconds. The wire has no list of them, so its file is read. */
  function armed(): number[] {
    const db = new DatabaseSync(join(world.system.dataDir, 'qstash.sqlite'), { readOnly: true })
    try {
      const rows = db.prepare("SELECT details ->> 'notBefore' AS notBefore FROM messages").all()
      return rows.map((row) => Math.floor(z.object({ notBefore: z.number() }).parse(row).notBefore / 1000))
    } finally {
      db.close()
    }
  }

  test('is given a run for the time when a job, or the next run of a schedule, is due', async () => {
    const runAt = Date.now() + 3_600_000
    await add({ id: 'armed', queue: 'armed-job', type: 'join', runAt })
    const schedule = { queue: 'armed-schedule', everySeconds: 7200, job: { type: 'join' } }
    const { body } = await call(world.system, apiKey, 'PUT', '/v1/schedules/often', schedule)
    const { nextAt } = z.object({ nextAt: z.number() }).parse(body)
    await until('both are armed', async () => {
      const moments = armed()
      return [runAt, nextAt].every((at) => moments.includes(Math.floor(at / 1000)))
    })
  })
})

describe('the dead letter queue of QStash', () => {
  test('is reported to the queue and emptied, except for messages that are not ours', async () => {
    const secrets: unknown = JSON.parse(readFileSync(join(world.system.dataDir, 'secrets.json'), 'utf8'))
    const { qstashToken, adminKey } = z.object({ qstashToken: z.string(), adminKey: z.string() }).parse(secrets)
    const qstash = new Client({ baseUrl: `http://127.0.0.1:${world.qstash.port}`, token: qstashToken })
    const nowhere = { url: `${world.system.url}/jobs/nowhere`, retries: 0 }
    const visit = { tenant: 'demo', queue: 'default', visit: 'given-up' }
    await qstash.publishJSON({ ...nowhere, body: visit, label: 'parley-visit' })
    await qstash.publishJSON({ ...nowhere, body: {}, label: 'another-app' })
    const letters = async () => (await qstash.dlq.listMessages()).messages.map(({ label }) => label)
    await until('both were given up', async () => (await letters()).length === 2)
    expect((await call(world.system, adminKey, 'POST', '/admin/v1/cron/reconcile')).status).toBe(200)
    expect(await letters()).toEqual(['another-app'])
  })
})

describe('killed in the middle', () => {
  test('1,000 posts over kill -9: each takes effect once, none is lost, every key keeps its order', async () => {
    const system = await System.start({ env: { ALLOW_PRIVATE_ENDPOINTS: '1', LIMIT_REQUESTS_PER_SECOND: '10000' } })
    const hook = await Endpoint.open()
    try {
      const effects: string[] = []
      hook.answer = ({ headers }) => {
        const id = String(headers['webhook-id'])
        if (!effects.includes(id)) effects.push(id)
        return { status: 200 }
      }
      const jobs = Array.from({ length: 1000 }, (_, n) => ({ id: `j${n}`, url: hook.url, key: `k${n % 50}` }))
      for (let first = 0; first < jobs.length; first += 250) {
        const { status } = await call(system, apiKey, 'POST', '/v1/jobs/batch', {
          jobs: jobs.slice(first, first + 250),
        })
        expect(status).toBe(201)
      }
      await until('a few were posted', () => effects.length > 100)
      await system.killWorker()
      await system.startAgain()
      await until('all were posted', () => effects.length === jobs.length)
      for (let key = 0; key < 50; key++) {
        const places = effects.map((id) => Number(id.slice(1))).filter((n) => n % 50 === key)
        expect(places).toEqual(places.toSorted((a, b) => a - b))
      }
      await until('all are done', async () => {
        const { body } = await call(system, apiKey, 'GET', '/v1/queues/default')
        return z.object({ counts: z.object({ done: z.number() }) }).parse(body).counts.done === jobs.length
      })
    } finally {
      await hook.close()
      system.abandon()
    }
  })
})
