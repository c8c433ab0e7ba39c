import { env } from 'cloudflare:workers'
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { firstCapacity, WorkerRun, type WorkerRunContext } from '../../src/handlers/worker-run.ts'
import type { Attempt } from '../../src/handlers/attempt.ts'
import type { NewJob, Outcome } from '../../src/jobs/model/job.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { dayOf } from '../../src/kernel/day.ts'
import { stopClock } from '../support/worker/clock.ts'
import { putToSleep } from '../support/worker/sleep.ts'

// QStash is not configured here: the test starts runs itself.
afterEach(() => void vi.useRealTimers())

const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms })

let queues = 0
const newQueue = () => env.JOB_QUEUE.getByName(`tenant/queue-${queues++}`)
type Stub = ReturnType<typeof newQueue>

const job = (id: string, more: Partial<NewJob> = {}): NewJob => ({ id, type: 'join', payload: '{}', runAt: 0, ...more })

/** Lets the queue expect runs, as if it had requested them of QStash. */
async function expectRuns(stub: Stub, ...runs: string[]): Promise<void> {
  await runInDurableObject(stub, (_, { storage }) => {
    for (const run of runs)
      storage.sql.exec('INSERT INTO asked (id, at, sent) VALUES (?, ?, 1)', run, Date.now() + 3_600_000)
  })
  await putToSleep(stub)
}

/** A poll that only takes jobs. */
const taking = (run: string, capacity = 10) => ({
  workerRun: run,
  settled: [],
  reports: [],
  holding: [],
  capacity,
  overtakes: false,
})

describe('a queue', () => {
  test('keeps what it accepted while QStash cannot be reached, and after it was put to sleep', async () => {
    const queue = newQueue()
    expect(await queue.enqueue(job('a'))).toMatchObject({ kind: 'queued', id: 'a', state: 'waiting', duplicate: false })
    await runDurableObjectAlarm(queue)
    await putToSleep(queue)
    expect(await queue.find('a')).toMatchObject({ state: 'waiting' })
    expect(await queue.stats()).toMatchObject({ counts: { waiting: 1 } })
  })

  test('starts a run once: a copy of it, and a run that was not requested, are not expected', async () => {
    const queue = newQueue()
    await expectRuns(queue, 'v')
    expect(await queue.startRun('v', 1)).toEqual({ jobs: [], secrets: [], stop: [], stay: true })
    expect(await queue.startRun('v', 1)).toBeUndefined()
    expect(await queue.startRun('forged', 1)).toBeUndefined()
  })

  test('a job that arrives during a long poll is handed out at once', async () => {
    const queue = newQueue()
    await expectRuns(queue, 'v')
    await queue.startRun('v', 0)
    const waiting = queue.poll(taking('v'), 60_000)
    await queue.enqueue(job('a'))
    expect((await waiting).jobs).toMatchObject([{ id: 'a' }])
  })

  test("a worker's next poll ends its wait in the one before", async () => {
    const queue = newQueue()
    await expectRuns(queue, 'r')
    await queue.startRun('r', 1)
    const waiting = queue.poll(taking('r'), 60_000)
    expect(await queue.poll({ ...taking('r'), overtakes: true }, 0)).toMatchObject({ jobs: [], stay: false })
    expect(await waiting).toMatchObject({ jobs: [], stay: true })
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

  test('the counts of a run survive the sleep of the queue, by day for the bill too', async () => {
    stopClock()
    const queue = newQueue()
    await expectRuns(queue, 'v')
    await queue.enqueueAll([job('a'), job('b')])
    const jobs = (await queue.startRun('v', 10))?.jobs ?? []
    const settled = jobs.map(({ id, run }) => ({ id, run, outcome: { kind: 'done' } as const }))
    expect(await queue.poll({ ...taking('v', 0), settled }, 0)).toMatchObject({ stay: false })
    await putToSleep(queue)
    expect((await queue.stats()).tallies).toMatchObject([{ type: 'join', attempts: 2, ended: { done: 2 } }])
    const today = dayOf(Date.now())
    expect(await queue.acceptedSince(today)).toEqual({ [today]: 2 })
  })

  test('the jobs of the first version are migrated', async () => {
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
        'days',
        'schedule_shares',
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
    await putToSleep(queue)
    expect(await queue.find('later')).toMatchObject({ state: 'delayed', runAt: 99_999_999_999_999 })
    expect(await queue.find('over')).toMatchObject({ state: 'dead', note: 'gone wrong', attempts: 5 })
  })
})

test('a sweep forgets all whose time of keeping is over, however many ended since the last', async () => {
  const queue = newQueue()
  await queue.enqueue(job('alive'))
  await runInDurableObject(queue, (_, { storage }) => {
    const sql = `WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n LIMIT 12000)
      INSERT INTO jobs (seq, id, type, payload, phase, rank, attempts, run, permitted, made_at, since, progress, note, timeout_ms, options)
      SELECT n, 'over' || n, 'join', '{}', 6, 0, 1, 1, 0, 1, 1, 100, '', 1000, '' FROM n`
    storage.sql.exec(sql)
  })
  await putToSleep(queue)
  await queue.sweep()
  await vi.waitFor(async () => expect((await queue.stats()).counts).toMatchObject({ done: 0, waiting: 1 }), 5000)
})

test('the subscriptions of a job are deleted with it, since a gateway that died did not unsubscribe', async () => {
  const queue = newQueue()
  const queueName = `queue-${queues - 1}`
  await queue.enqueueAll([job('gone', { watchers: ['alice'], keepMs: 1000 }), job('stays', { watchers: ['alice'] })])
  for (const id of ['gone', 'stays']) {
    await queue.cancel(id)
    const subscribe = { kind: 'subscribe', user: 'alice', client: 'c', server: false, joinLeave: false } as const
    await queue.follow(id, { gateway: 'weur/0', have: null, commands: [subscribe] })
  }
  later(2000)
  await queue.sweep()
  const listened = await runInDurableObject(queue, (_, { storage }) =>
    storage.sql.exec('SELECT channel FROM listeners').toArray(),
  )
  expect(listened).toEqual([{ channel: `jobs:${queueName}:stays` }])
})

describe('on the real actor, killed again and again', () => {
  test('1,000 jobs each take effect once, none is lost, and every key keeps its order', async () => {
    const name = `tenant/storm-${queues++}`
    const queueNow = () => env.JOB_QUEUE.getByName(name)
    const jobs = Array.from({ length: 1000 }, (_, n) => job(`j${n}`, { key: `k${n % 20}`, attempts: 100 }))
    await queueNow().enqueueAll(jobs.slice(0, 500))
    await queueNow().enqueueAll(jobs.slice(500))
    await queueNow().enqueueAll(jobs.slice(0, 500))

    const effects: string[] = []
    const made = new Set<string>()
    let runs = 0
    const run = async ({ id }: { id: string }): Promise<Outcome> => {
      runs++
      if (!made.has(id)) effects.push(id)
      made.add(id)
      if (runs % 50 === 0) await abortAllDurableObjects()
      return runs % 37 === 0 ? { kind: 'retry', reason: 'after its effect', afterSeconds: 0 } : { kind: 'done' }
    }
    for (let round = 0; (await queueNow().stats()).counts.done < jobs.length && round < 40; round++) {
      await expectRuns(queueNow(), `v${round}`, `w${round}`)
      await Promise.allSettled([`v${round}`, `w${round}`].map((each) => runOnce(each, queueNow, run)))
      later(16_000)
      await queueNow().sweep()
    }

    expect(await queueNow().stats()).toMatchObject({
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

/** A worker run over stubs that break with their actor; half of the workers die without ending their run. */
async function runOnce(
  run: string,
  queue: () => Stub,
  handler: (job: { id: string }) => Promise<Outcome>,
): Promise<void> {
  const start = await queue().startRun(run, firstCapacity)
  if (start === undefined) return
  let polls = run.startsWith('w') ? 6 : 1000
  const poll: WorkerRunContext['poll'] = (request) => {
    if (polls-- <= 0) throw new Error('the worker died')
    return queue().poll(request, 0)
  }
  const pause = () => scheduler.wait(1)
  const attempt = (given: Attempt) => handler(given.job)
  const context = { poll, workerRun: run, request: undefined, run: attempt, clock: systemClock, pause, random: () => 0 }
  await new WorkerRun(context).run(start)
}
