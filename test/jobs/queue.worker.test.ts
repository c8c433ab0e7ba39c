import { env } from 'cloudflare:workers'
import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Visit, type Ledger } from '../../src/handlers/visit.ts'
import type { NewJob, Outcome } from '../../src/jobs/job.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { call } from '../support/worker/http.ts'
import { connectAs } from '../support/worker/person.ts'
import { newTenant, succeeded } from '../support/worker/tenant.ts'

// QStash is not configured here: what it would bring is brought by hand.
afterEach(() => void vi.useRealTimers())

const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })

let queues = 0
const newQueue = () => env.JOB_QUEUE.getByName(`somebody/queue-${queues++}`)
type Stub = ReturnType<typeof newQueue>

const job = (id: string, more: Partial<NewJob> = {}): NewJob => ({ id, type: 'join', payload: '{}', runAt: 0, ...more })

/** Lets the ledger expect visits, as if it had asked QStash for them. */
async function expectVisits(stub: Stub, ...visits: string[]): Promise<void> {
  await runInDurableObject(stub, (_, { storage }) => {
    for (const visit of visits)
      storage.sql.exec('INSERT INTO asked (id, at, sent) VALUES (?, ?, 1)', visit, Date.now() + 3_600_000)
  })
  await evictDurableObject(stub)
}

/** A turn in which a visitor only takes. */
const taking = (visit: string, want = 10) => ({ visit, settled: [], reports: [], holding: [], want })

describe('a queue', () => {
  test('keeps what it accepted while QStash cannot be reached, and after it was put to sleep', async () => {
    const queue = newQueue()
    expect(await queue.enqueue(job('a'))).toEqual({ kind: 'queued', id: 'a', state: 'waiting', duplicate: false })
    await runDurableObjectAlarm(queue)
    await evictDurableObject(queue)
    expect(await queue.find('a')).toMatchObject({ state: 'waiting' })
    expect(await queue.stats()).toMatchObject({ counts: { waiting: 1 } })
  })

  test('lets a visit in once: a copy of it, and one nobody asked for, find the door closed', async () => {
    const queue = newQueue()
    await expectVisits(queue, 'v')
    expect(await queue.arrive('v')).toBe(true)
    expect(await queue.arrive('v')).toBe(false)
    expect(await queue.arrive('forged')).toBe(false)
  })

  test('a job that comes while a visitor waits at the door is handed out at once', async () => {
    const queue = newQueue()
    await expectVisits(queue, 'v')
    await queue.arrive('v')
    const waiting = queue.turn(taking('v'), 10_000)
    await queue.enqueue(job('a'))
    expect((await waiting).jobs).toMatchObject([{ id: 'a' }])
  })

  test('a visitor that called is let in with what it has to say', async () => {
    const queue = newQueue()
    await expectVisits(queue, 'v')
    await queue.arrive('v')
    const waiting = queue.turn(taking('v'), 10_000)
    await queue.call('v')
    expect((await waiting).jobs).toEqual([])
  })

  test('many enqueues of one moment share a commit, and each has its own answer', async () => {
    const queue = newQueue()
    const answers = await Promise.all([
      ...Array.from({ length: 50 }, (_, n) => queue.enqueue(job(`j${n}`))),
      queue.enqueue(job('j0', { payload: '{"other":1}' })),
    ])
    expect(answers.filter(({ kind }) => kind === 'queued')).toHaveLength(50)
    expect(answers.at(-1)).toMatchObject({ kind: 'refused', error: 'conflict' })
  })

  test('the ledger of the first version is carried over', async () => {
    const queue = newQueue()
    await runInDurableObject(queue, (_, { storage }) => {
      const tables = [
        'jobs',
        'waits',
        'uniques',
        'lines',
        'key_rates',
        'asked',
        'facts',
        'schedules',
        'listeners',
        'queues',
      ]
      for (const table of tables) storage.sql.exec(`DROP TABLE ${table}`)
      storage.sql.exec('DELETE FROM schema_steps WHERE step > 1')
      storage.sql.exec(`CREATE TABLE jobs (
        id TEXT PRIMARY KEY, type TEXT NOT NULL, payload TEXT NOT NULL, run_at INTEGER NOT NULL, state TEXT NOT NULL,
        attempts INTEGER NOT NULL, since INTEGER NOT NULL, note TEXT NOT NULL) WITHOUT ROWID;
        CREATE INDEX by_state ON jobs (state, run_at);
        INSERT INTO jobs VALUES ('later', 'deliver-message', '{}', 99999999999999, 'carried', 0, 1, ''),
          ('over', 'deliver-message', '{}', 1, 'dead', 5, 1, 'gone wrong')`)
    })
    await evictDurableObject(queue)
    expect(await queue.find('later')).toMatchObject({ state: 'delayed', runAt: 99_999_999_999_999 })
    expect(await queue.find('over')).toMatchObject({ state: 'dead', note: 'gone wrong', attempts: 5 })
  })
})

describe('on the real actor, killed again and again', () => {
  test('1,000 jobs each take effect once, none is lost, and every key keeps its order', async () => {
    const name = `somebody/storm-${queues++}`
    const ledgerNow = () => env.JOB_QUEUE.getByName(name)
    const jobs = Array.from({ length: 1000 }, (_, n) => job(`j${n}`, { key: `k${n % 20}`, attempts: 100 }))
    await ledgerNow().enqueueAll(jobs.slice(0, 500))
    await ledgerNow().enqueueAll(jobs.slice(500))
    await ledgerNow().enqueueAll(jobs.slice(0, 500))

    const effects: string[] = []
    const made = new Set<string>()
    let runs = 0
    const run = async ({ id }: { id: string }): Promise<Outcome> => {
      runs++
      if (!made.has(id)) effects.push(id)
      made.add(id)
      if (runs % 50 === 0) await abortAllDurableObjects()
      return runs % 37 === 0 ? { kind: 'retry', why: 'after its effect', afterSeconds: 0 } : { kind: 'done' }
    }
    for (let visit = 0; (await ledgerNow().stats()).counts.done < jobs.length && visit < 40; visit++) {
      await expectVisits(ledgerNow(), `v${visit}`, `w${visit}`)
      await Promise.allSettled([`v${visit}`, `w${visit}`].map((each) => visitOnce(each, ledgerNow, run)))
      later(16_000)
      await ledgerNow().sweep()
    }

    expect(await ledgerNow().stats()).toMatchObject({
      counts: { done: 1000, waiting: 0, delayed: 0, active: 0, dead: 0 },
    })
    expect(effects).toHaveLength(1000)
    expect(runs).toBeGreaterThan(1000)
    for (let key = 0; key < 20; key++) {
      const places = effects.map((id) => Number(id.slice(1))).filter((n) => n % 20 === key)
      expect(places).toEqual(places.toSorted((a, b) => a - b))
    }
  })
})

/** A visit over stubs that break with their actor; half of them die on the way and tell nobody. */
async function visitOnce(
  visit: string,
  queue: () => Stub,
  run: (job: { id: string }) => Promise<Outcome>,
): Promise<void> {
  if (!(await queue().arrive(visit))) return
  let turns = visit.startsWith('w') ? 6 : 1000
  const ledger: Ledger = {
    turn: (turn) => {
      if (turns-- <= 0) throw new Error('the worker died')
      return queue().turn(turn, 0)
    },
    call: (name) => queue().call(name),
    leave: (name) => queue().leave(name),
    secrets: async () => [],
  }
  const given = { ledger, visit, run, clock: systemClock, pause: () => scheduler.wait(1), random: () => 0 }
  await new Visit(given).make()
}

describe('over HTTP', () => {
  const endpoint = 'https://hooks.example.com/parley'

  test('a job is accepted, seen, cancelled', async () => {
    const { key: as } = await newTenant()
    const created = await call('POST /v1/jobs', {
      as,
      body: { id: 'mine', url: endpoint, payload: { a: 1 }, key: 'k' },
    })
    expect([created.status, created.body]).toMatchObject([201, { id: 'mine', state: 'waiting', duplicate: false }])
    expect((await call('POST /v1/jobs', { as, body: { id: 'mine', url: endpoint, payload: { a: 1 } } })).status).toBe(
      200,
    )
    expect((await call('POST /v1/jobs', { as, body: { id: 'mine', url: endpoint, payload: { a: 2 } } })).status).toBe(
      409,
    )
    expect((await call('GET /v1/jobs/mine', { as })).body).toMatchObject({ state: 'waiting', attempts: 0, progress: 0 })
    expect((await call('DELETE /v1/jobs/mine', { as })).body).toMatchObject({ state: 'cancelled' })
    expect((await call('POST /v1/jobs/mine/redrive', { as })).status).toBe(409)
    expect((await call('GET /v1/jobs/other', { as })).status).toBe(404)
  })

  test('a job in another queue is found by its id, and the queue is listed', async () => {
    const { key: as } = await newTenant()
    succeeded(await call('POST /v1/jobs', { as, body: { id: 'x', queue: 'mail', url: endpoint } }))
    await vi.waitFor(async () => {
      expect((await call('GET /v1/queues', { as })).body).toEqual({ queues: ['default', 'mail'] })
    })
    expect((await call('GET /v1/jobs/x', { as })).body).toMatchObject({ id: 'x', queue: 'mail' })
    expect((await call('GET /v1/jobs/x?queue=default', { as })).status).toBe(404)
  })

  test('a queue is paused, limited, looked into', async () => {
    const { key: as } = await newTenant()
    await call('POST /v1/queues/q/pause', { as })
    const changed = await call('PATCH /v1/queues/q', {
      as,
      body: { concurrency: 5, keyRate: { count: 2, seconds: 1 } },
    })
    expect(changed.body).toMatchObject({ name: 'q', paused: true, concurrency: 5, keyConcurrency: 1 })
    succeeded(
      await call('POST /v1/jobs/batch', { as, body: { queue: 'q', jobs: [{ url: endpoint }, { type: 'join' }] } }),
    )
    expect((await call('GET /v1/queues/q', { as })).body).toMatchObject({ counts: { waiting: 2 } })
    expect((await call('GET /v1/queues/q/jobs?state=waiting&limit=1', { as })).body).toMatchObject({
      jobs: [{ type: 'join', state: 'waiting' }],
      next: expect.any(String),
    })
  })

  test('a secret signs, and two do for a day after it was changed', async () => {
    const { key: as } = await newTenant()
    const { secrets: before } = (await call('GET /v1/queues/q/secret', { as })).body
    expect(before).toEqual([expect.stringMatching(/^whsec_/)])
    const { secrets: both } = (await call('POST /v1/queues/q/secret', { as })).body
    expect(both).toHaveLength(2)
    later(86_400_001)
    expect((await call('GET /v1/queues/q/secret', { as })).body['secrets']).toHaveLength(1)
  })

  test('a schedule is made, seen, taken away', async () => {
    const { key: as } = await newTenant()
    const body = { cron: '30 2 * * *', timeZone: 'Europe/Berlin', job: { url: endpoint } }
    const made = await call('PUT /v1/schedules/nightly', { as, body })
    expect(made.body).toMatchObject({ name: 'nightly', timeZone: 'Europe/Berlin', gap: 'shift', overlap: 'first' })
    expect(Number(made.body['nextAt'])).toBeGreaterThan(Date.now())
    expect((await call('GET /v1/schedules', { as })).body).toMatchObject({ schedules: [{ name: 'nightly' }] })
    expect((await call('DELETE /v1/schedules/nightly', { as })).status).toBe(204)
    expect((await call('GET /v1/schedules/nightly', { as })).status).toBe(404)
  })

  test.each([
    [{ url: 'http://hooks.example.com/' }, /url: must begin with https/],
    [{ url: 'https://10.0.0.1/' }, /url: must have a name/],
    [{ url: 'https://127.0.0.1/' }, /url: must have a name/],
    [{}, /url: an http job has one/],
    [{ type: 'deliver-message', url: endpoint }, /type/],
    [{ url: endpoint, delaySeconds: 91 * 86_400 }, /delaySeconds: at most 90 days/],
    [{ url: endpoint, delaySeconds: 5, runAt: 5 }, /delaySeconds, runAt: give one/],
    [{ url: endpoint, concurrency: 2 }, /key: concurrency and rate are per key/],
    [{ url: endpoint, payload: 'x'.repeat(130_000) }, /payload: at most 120000 bytes/],
    [{ url: endpoint, id: 'has space' }, /id: letters/],
    [{ url: endpoint, after: ['nobody'] }, /after: there is no job nobody/],
    [{ url: endpoint, attempts: 0 }, /attempts/],
    [{ url: endpoint, unknown: 1 }, /unknown/i],
  ])('%j is refused with a sentence', async (body, detail) => {
    const { key: as } = await newTenant()
    const answer = await call('POST /v1/jobs', { as, body })
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringMatching(detail)])
  })

  test.each([
    [{ cron: '61 * * * *' }, /^cron: /],
    [{ cron: '0 0 31 2 *' }, /cron: it never comes/],
    [{ cron: '0 0 * * *', timeZone: 'Mars/Olympus' }, /timeZone: Mars/],
    [{ cron: '0 0 * * *', everySeconds: 60 }, /cron, everySeconds: give one/],
    [{ everySeconds: 1 }, /everySeconds/],
  ])('a schedule %j is refused with a sentence', async (when, detail) => {
    const { key: as } = await newTenant()
    const answer = await call('PUT /v1/schedules/s', { as, body: { ...when, job: { type: 'join' } } })
    expect([answer.status, answer.body.detail]).toEqual([400, expect.stringMatching(detail)])
  })

  test('users have no jobs, and no tenant sees another one’s', async () => {
    const tenant = await newTenant()
    succeeded(await call('POST /v1/jobs', { as: tenant.key, body: { id: 'secret', url: endpoint } }))
    expect((await call('POST /v1/jobs', { as: await tenant.token('alice'), body: { url: endpoint } })).status).toBe(403)
    expect((await call('GET /v1/jobs/secret', { as: (await newTenant()).key })).status).toBe(404)
  })

  test('what does not come from QStash is turned away at its door', async () => {
    const body = { tenant: 'demo', queue: 'default', visit: 'v' }
    expect((await call('POST /jobs', { body })).status).toBe(401)
    expect((await call('POST /jobs/failed', { body, headers: { 'upstash-signature': 'a.b.c' } })).status).toBe(401)
  })
})

describe('live', () => {
  test('those a job names follow it, nobody else', async () => {
    const tenant = await newTenant()
    const body = { id: 'report', type: 'join', watchers: ['alice'] }
    succeeded(await call('POST /v1/jobs', { as: tenant.key, body }))
    const [alice, bob] = [await connectAs(tenant, 'alice'), await connectAs(tenant, 'bob')]
    const { subscribe } = await alice.line.ask({ subscribe: { channel: 'jobs:report' } })
    expect(subscribe).toMatchObject({ data: { id: 'report', state: 'waiting', progress: 0 } })
    expect((await bob.line.ask({ subscribe: { channel: 'jobs:report' } })).error).toMatchObject({ code: 103 })
    expect((await bob.line.ask({ subscribe: { channel: 'jobs:other' } })).error).toMatchObject({ code: 103 })

    succeeded(
      await call('POST /v1/jobs/report/progress', { as: tenant.key, body: { progress: 40, line: 'nearly half' } }),
    )
    const told = await alice.line.next('progress', ({ push }) => push?.channel === 'jobs:report')
    expect(told.push?.pub?.data).toMatchObject({ id: 'report', progress: 40 })
  })
})
