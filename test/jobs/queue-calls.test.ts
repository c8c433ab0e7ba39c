import { afterEach, describe, expect, test } from 'vitest'
import type { Attempt } from '../../src/handlers/attempt.ts'
import type { Outcome } from '../../src/jobs/model/job.ts'
import { carrier } from '../sim/carrier.ts'
import { Setting } from '../sim/setting.ts'

const queueName = 'acme/default'
const calm = { refuses: 0, loses: 0, duplicates: 0, late: 0 }
const job = { id: 'a', type: 'http', payload: '{}', runAt: 0 }
const settings: Setting[] = []

afterEach(() => {
  for (const setting of settings.splice(0)) setting.close()
})

type Handler = (setting: Setting, attempt: Attempt) => Promise<Outcome>

/** The deployed queue, worker and QStash client on simulated time; `handler` takes the place of the job's own. */
async function simulated(handler: Handler): Promise<Setting> {
  const setting = await Setting.of(
    1,
    { faults: 0, weather: {}, traced: true },
    (world) => ({ Outside: carrier(world, () => calm) }),
    {
      QSTASH_TOKEN: 'token',
      QSTASH_CURRENT_SIGNING_KEY: 'current',
      QSTASH_NEXT_SIGNING_KEY: 'next',
      PUBLIC_URL: 'https://parley.test',
      HANDLE: (_tenant: string, attempt: Attempt) => handler(setting, attempt),
    },
  )
  settings.push(setting)
  return setting
}

const takes =
  (ms: number): Handler =>
  ({ world }) =>
    new Promise((resolve) => world.after(ms, () => resolve({ kind: 'done' })))

/** The methods called on an actor of a kind, in their order. */
const callsOf = ({ world }: Setting, kind: string): string[] =>
  (world.trace ?? []).flatMap((line) => new RegExp(`^\\S+ ${kind} \\S+ < (\\w+)`).exec(line)?.[1] ?? [])

describe('one http job on an idle queue', () => {
  test('calls the queue three times when its endpoint answers at once: enqueue, start with the job, finish', async () => {
    const setting = await simulated(takes(1))
    await setting.call('JobQueue', queueName, 'enqueue', job)
    await setting.pass(10_000)
    expect(callsOf(setting, 'JobQueue')).toEqual(['enqueue', 'startRun', 'poll'])
    expect(await setting.call('JobQueue', queueName, 'stats')).toMatchObject({
      counts: { done: 1 },
      tallies: [{ attempts: 1 }],
    })
  })

  test('calls the queue four times when its endpoint takes a second', async () => {
    const setting = await simulated(takes(1000))
    await setting.call('JobQueue', queueName, 'enqueue', job)
    await setting.pass(10_000)
    expect(callsOf(setting, 'JobQueue')).toEqual(['enqueue', 'startRun', 'poll', 'poll'])
    expect(await setting.call('JobQueue', queueName, 'stats')).toMatchObject({
      counts: { done: 1 },
      tallies: [{ attempts: 1 }],
    })
  })

  test('is not sent to QStash when the direct dispatch took the run', async () => {
    const setting = await simulated(takes(1))
    await setting.call('JobQueue', queueName, 'enqueue', job)
    await setting.pass(10_000)
    expect(callsOf(setting, 'Outside')).toEqual([])
    expect(callsOf(setting, 'JobWorker')).toEqual(['run'])
  })

  test('gives the handler the signing secrets that came with the job', async () => {
    const given: (readonly string[])[] = []
    const setting = await simulated(async (_, { secrets }) => {
      given.push(secrets)
      return { kind: 'done' }
    })
    await setting.call('JobQueue', queueName, 'enqueue', job)
    await setting.pass(10_000)
    expect(given).toEqual([await setting.call('JobQueue', queueName, 'secrets')])
  })
})

test('a run that the direct dispatch does not start is brought by QStash', async () => {
  const setting = await simulated(takes(1))
  setting.world.classes['JobWorker'] = failingFirst(setting.world.classes['JobWorker'])
  await setting.call('JobQueue', queueName, 'enqueue', job)
  await setting.pass(10_000)
  expect(callsOf(setting, 'Outside')).toEqual(['answer'])
  expect(callsOf(setting, 'JobQueue')).toEqual(['enqueue', 'startRun', 'poll'])
  expect(await setting.call('JobQueue', queueName, 'stats')).toMatchObject({
    counts: { done: 1 },
    tallies: [{ attempts: 1 }],
  })
})

test('a run that neither direct dispatch nor QStash brings is requested again by the alarm', async () => {
  const setting = await simulated(takes(1))
  setting.world.classes['JobWorker'] = failingFirst(setting.world.classes['JobWorker'])
  setting.world.classes['Outside'] = class {
    answer = async () => ({ status: 500, body: '{"error":"out of order"}' })
  }
  await setting.call('JobQueue', queueName, 'enqueue', job)
  await setting.pass(20_000)
  expect(await setting.call('JobQueue', queueName, 'stats')).toMatchObject({
    counts: { done: 1 },
    tallies: [{ attempts: 1 }],
  })
})

/** A worker whose first invocation fails before it reaches the queue. */
function failingFirst(type: (new (ctx: unknown, env: unknown) => object) | undefined) {
  if (type === undefined) throw new Error('no JobWorker in the bundle')
  let invocations = 0
  return new Proxy(type, {
    construct(target, given: [unknown, unknown]) {
      if (invocations++ > 0) return new target(...given)
      return { run: () => Promise.reject(new Error('the invocation failed')) }
    },
  })
}
