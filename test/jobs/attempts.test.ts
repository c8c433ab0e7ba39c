import { describe, expect, test } from 'vitest'
import { collectedBytes, payloadLength, resultBytes } from '../../src/jobs/model/job.ts'
import { maxRequestedRuns } from '../../src/jobs/queue/worker-runs.ts'
import { OneQueue } from './support/one-queue.ts'

describe('attempts', () => {
  test('wait longer each time, as the failure or the handler says', () => {
    const world = new OneQueue()
    const perError = { busy: { seconds: 60 } }
    world.add('a', { backoff: { kind: 'exponential', seconds: 10, maxSeconds: 30, jitter: 0.5, perError } })
    const waits: number[] = []
    for (const error of [undefined, undefined, undefined, 'busy']) {
      world.take()
      world.fail('a', 'x', error)
      waits.push((world.queue.nextDue(world.now) ?? 0) - world.now)
      world.vanish()
      world.pass(60_000)
    }
    expect(waits).toEqual([7500, 15_000, 22_500, 22_500])
  })

  test('a result that is too long to keep ends its job and no other, and says so', () => {
    const world = new OneQueue()
    world.addAll([{ id: 'a' }, { id: 'b' }])
    world.take()
    const result = JSON.stringify('ä'.repeat(resultBytes / 2))
    world.poll([
      ['a', { kind: 'done', result }],
      ['b', { kind: 'done', result: '1' }],
    ])
    expect(world.states('a', 'b')).toEqual(['failed', 'done'])
    expect([world.note('a'), world.stores.jobs.get('a')?.result]).toEqual([
      expect.stringMatching(/^result: at most 1048576 bytes, got \d+$/),
      null,
    ])
  })

  test('a job with more results than a call can carry fails, and the others of the same answer are handed out', () => {
    const world = new OneQueue()
    const parts = Array.from({ length: 3 }, (_, n) => `part${n}`)
    world.addAll([
      ...parts.map((id) => ({ id })),
      { id: 'whole', after: parts, priority: 1 },
      { id: 'two', after: parts.slice(1) },
    ])
    world.take()
    const result = JSON.stringify('x'.repeat(resultBytes - 2))
    world.poll(parts.map((id) => [id, { kind: 'done', result }]))
    world.add('last')
    expect(world.take(1)).toEqual(['two'])
    expect(world.state('whole')).toBe('failed')
    expect(world.note('whole')).toMatch(new RegExp(`at most ${collectedBytes} bytes`))
    expect(world.take()).toEqual(['last'])
  })

  test('an answer carries no more jobs than a call can, and the next one continues', () => {
    const world = new OneQueue()
    const payload = JSON.stringify('x'.repeat(payloadLength - 2))
    const ids = Array.from({ length: 128 }, (_, n) => `j${n}`)
    world.addAll(ids.map((id) => ({ id, payload })))
    const first = world.take(128)
    expect(first).toEqual(ids.slice(0, 96))
    expect(world.take(128)).toEqual(ids.slice(96))
  })

  test('a snooze does not count as an attempt, and a job that only snoozes dies', () => {
    const world = new OneQueue()
    world.add('a', { attempts: 1 })
    for (let n = 0; n <= 1000; n++) {
      world.take()
      world.poll([['a', { kind: 'snooze', seconds: 1 }]])
      world.pass(1000)
    }
    expect(world.state('a')).toBe('dead')
  })

  test('a silent worker loses its jobs, and its later outcome of an older attempt no longer counts', () => {
    const world = new OneQueue()
    world.add('a')
    const [first] = world.poll([], 1).jobs
    world.vanish()
    world.pass(15_000)
    const [second] = world.poll([], 1).jobs
    expect([first?.run, second?.run]).toEqual([1, 2])
    world.queue.poll(
      {
        workerRun: 'old',
        settled: [{ id: 'a', run: 1, outcome: { kind: 'discard', reason: 'late' } }],
        reports: [],
        holding: [],
        capacity: 0,
        overtakes: false,
      },
      world.now,
    )
    expect(world.state('a')).toBe('active')
    world.done('a')
    expect(world.state('a')).toBe('done')
  })

  test('the outcome of a lost worker counts as long as no other attempt has begun', () => {
    const world = new OneQueue()
    world.add('a')
    world.take()
    world.vanish()
    world.pass(15_000)
    world.queue.poll(
      {
        workerRun: 'old',
        settled: [{ id: 'a', run: 1, outcome: { kind: 'done' } }],
        reports: [],
        holding: [],
        capacity: 0,
        overtakes: false,
      },
      world.now,
    )
    expect(world.state('a')).toBe('done')
  })

  test('a job whose answer got lost on its way is given out again', () => {
    const world = new OneQueue()
    world.add('a')
    world.stores.runs.add({ id: 'v', at: world.now, isPublished: true })
    world.queue.startRun('v', 0, world.now)
    const poll = { workerRun: 'v', settled: [], reports: [], holding: [], capacity: 1, overtakes: false }
    expect(world.queue.poll(poll, world.now).jobs).toMatchObject([{ id: 'a', run: 1 }])
    expect(world.queue.poll(poll, world.now).jobs).toMatchObject([{ id: 'a', run: 2 }])
  })

  test('an attempt that takes too long fails although its worker polls', () => {
    const world = new OneQueue()
    world.add('a', { timeoutMs: 1000, attempts: 1 })
    world.take()
    for (let n = 0; n < 4; n++) {
      world.now += 8000
      world.poll([])
    }
    expect(world.state('a')).toBe('dead')
    expect(world.note('a')).toBe('took longer than 1000 ms')
  })
})

describe('cancel and redrive', () => {
  test('a cancelled job does not start; one that runs is stopped, and its outcome no longer counts', () => {
    const world = new OneQueue()
    world.add('a')
    world.add('b', { key: 'k' })
    world.add('c', { key: 'k' })
    world.cancel('a')
    expect(world.take()).toEqual(['b'])
    world.cancel('b')
    expect(world.poll([]).stop).toEqual(['b'])
    world.done('b')
    expect(world.states('a', 'b', 'c')).toEqual(['cancelled', 'cancelled', 'waiting'])
    expect(world.take()).toEqual(['c'])
  })

  test('a dead job is sent again with all its attempts; others are left alone', () => {
    const world = new OneQueue()
    world.add('a', { attempts: 1 })
    world.take()
    world.fail('a')
    expect(world.state('a')).toBe('dead')
    world.redrive('a')
    expect(world.take()).toEqual(['a'])
    world.done('a')
    expect(world.redrive('a')).toMatchObject({ error: 'conflict' })
  })

  test('a job that is sent again may be snoozed anew, and earlier outcomes no longer count', () => {
    const world = new OneQueue()
    world.add('patient')
    for (let n = 0; n <= 1000; n++) {
      world.take()
      world.poll([['patient', { kind: 'snooze', seconds: 1 }]])
      world.pass(1000)
    }
    expect(world.state('patient')).toBe('dead')
    world.redrive('patient')
    expect(world.take()).toEqual(['patient'])
    world.poll([['patient', { kind: 'snooze', seconds: 1 }]])
    expect(world.state('patient')).toBe('delayed')

    world.add('off')
    world.take()
    const run = world.stores.jobs.get('off')?.run ?? 0
    const told = [{ id: 'off', run, outcome: { kind: 'discard', reason: 'never' } }] as const
    const poll = { workerRun: 'gone', settled: told, reports: [], holding: [], capacity: 0, overtakes: false }
    world.queue.poll(poll, world.now)
    expect(world.state('off')).toBe('failed')
    world.redrive('off')
    world.queue.poll(poll, world.now)
    expect(world.state('off')).toBe('waiting')
  })

  test('a job that is done or cancelled keeps nothing of its payload, and its id still refuses another one', () => {
    const world = new OneQueue()
    const payload = '{"text":"see you at noon"}'
    world.addAll([
      { id: 'done', payload },
      { id: 'off', payload },
      { id: 'dead', payload, attempts: 1 },
    ])
    world.take()
    world.done('done')
    world.cancel('off')
    world.fail('dead')
    expect(['done', 'off', 'dead'].map((id) => world.stores.jobs.get(id)?.payload.includes('noon'))).toEqual([
      false,
      false,
      true,
    ])
    for (const id of ['done', 'off', 'dead']) {
      expect(world.add(id, { payload })).toMatchObject({ receipts: [{ id, duplicate: true }] })
      expect(world.add(id, { payload: '{"text":"see you at nine"}' })).toMatchObject({ error: 'conflict' })
    }
    world.redrive('dead')
    expect(world.poll([], 1).jobs).toMatchObject([{ id: 'dead', payload }])
  })

  test('ended jobs are kept as long as they say, dead ones for 90 days', () => {
    const world = new OneQueue()
    world.addAll([{ id: 'short', keepMs: 1000 }, { id: 'long' }, { id: 'dead', attempts: 1, keepMs: 0 }])
    world.take()
    world.done('short', 'long')
    world.fail('dead')
    world.now += 1001
    world.stores.forget(world.now, 100)
    expect(world.states('short', 'long', 'dead')).toEqual([undefined, 'done', 'dead'])
    world.now += 90 * 86_400_000
    world.stores.forget(world.now, 100)
    expect(world.states('long', 'dead')).toEqual([undefined, undefined])
  })
})

test('a queue that is put to sleep again and again still notices that its worker is gone', () => {
  const world = new OneQueue()
  world.add('a')
  world.take()
  // An idle actor is put to sleep after ten seconds; its alarm wakes it with empty memory.
  world.sleep()
  const { lookAt = 0 } = world.queue.plan(world.now)
  expect(lookAt - world.now).toBeLessThan(10_000)
  world.pass(lookAt - world.now)
  world.pass(1)
  expect(world.take()).toEqual(['a'])
})

test('jobs on their way to a worker are not lost to a poll that overtakes their answer', () => {
  const world = new OneQueue()
  world.add('a')
  world.stores.runs.add({ id: 'r', at: world.now, isPublished: true })
  expect(world.queue.startRun('r', 1, world.now)?.jobs).toMatchObject([{ id: 'a', run: 1 }])
  const overtaking = { workerRun: 'r', settled: [], reports: [], holding: [], capacity: 1, overtakes: true }
  expect(world.queue.poll(overtaking, world.now, true)).toMatchObject({ jobs: [], stay: true })
  expect(world.queue.poll({ ...overtaking, overtakes: false }, world.now).jobs).toMatchObject([{ id: 'a', run: 2 }])
})

test('a queue looks again when a run it requested may be lost: 5 s after its time, 30 s once QStash has accepted it', () => {
  const world = new OneQueue()
  world.add('a')
  const { runs, lookAt } = world.queue.plan(world.now)
  expect([runs.length, lookAt]).toEqual([1, world.now + 5_000])
  world.stores.runs.notePublished(runs[0]?.id ?? '')
  expect(world.queue.plan(world.now)).toEqual({ runs: [], lookAt: world.now + 30_000 })
  world.pass(30_000)
  expect(world.queue.plan(world.now).runs).toHaveLength(1)
})

test('of many jobs each due before the last, few runs are requested, and no job is late', () => {
  const world = new OneQueue()
  const plans = Array.from({ length: 300 }, (_, n) => {
    world.add(`j${n}`, { runAt: world.now + 1_000_000 - n * 1000 })
    return world.queue.plan(world.now)
  })
  expect(world.stores.runs.all()).toHaveLength(maxRequestedRuns)
  const due = world.now + 701_000
  expect(plans.at(-1)).toEqual({ runs: [], lookAt: due })
  world.pass(701_000)
  expect(world.queue.plan(due).runs).toMatchObject([{ at: due }])
})
