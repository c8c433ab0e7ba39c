import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openStores } from '../../durable-objects/job-queue/sql-stores.ts'
import { defaults, furthestMs, payloadLength } from '../../src/jobs/model/job.ts'
import { enqueue } from '../../src/jobs/queue/enqueue.ts'
import { NodeSql } from './support/node-sql.ts'
import { queueChange } from '../../src/protocol/jobs-api.ts'
import { OneQueue } from './support/one-queue.ts'

const refused = (detail: RegExp) => expect.objectContaining({ kind: 'refused', detail: expect.stringMatching(detail) })

describe('enqueueing', () => {
  test('the same id is the same job; with another payload it is refused', () => {
    const world = new OneQueue()
    expect(world.add('a')).toMatchObject({ receipts: [{ id: 'a', state: 'waiting', duplicate: false }] })
    expect(world.add('a')).toMatchObject({ receipts: [{ id: 'a', duplicate: true }] })
    expect(world.add('a', { payload: '{"other":1}' })).toEqual(refused(/job a exists with another payload/))
    expect(world.take()).toEqual(['a'])
  })

  test('a job that gives no options is stored without a copy of the defaults, and has them', () => {
    const sql = new NodeSql()
    const stores = openStores(sql)
    enqueue(stores, [{ id: 'a', type: 'test', payload: '{}', runAt: 0 }], 1)
    expect(sql.exec<{ options: string }>('SELECT options FROM jobs').one().options).toBe('')
    expect(stores.jobs.get('a')?.options).toEqual(defaults)
  })

  test('a batch is accepted whole or not at all', () => {
    const world = new OneQueue()
    expect(world.addAll([{ id: 'a' }, { id: 'b', runAt: world.now + furthestMs + 1 }])).toEqual(refused(/90 days/))
    expect(world.addAll([{ id: 'a' }, { id: 'b', payload: 'x'.repeat(payloadLength + 1) }])).toEqual(
      refused(/payload of b/),
    )
    expect(world.addAll([{ id: 'a' }, { id: 'a', payload: '1' }])).toEqual(refused(/another payload/))
    expect(world.addAll([{ id: 'a' }, { id: 'b', after: ['unknown'] }])).toEqual(refused(/no job unknown/))
    expect(world.state('a')).toBeUndefined()
  })

  test('a circle of dependencies is refused, and named', () => {
    const world = new OneQueue()
    const circle = [
      { id: 'a', after: ['c'] },
      { id: 'b', after: ['a'] },
      { id: 'c', after: ['b'] },
    ]
    expect(world.addAll(circle)).toEqual(refused(/a waits for c waits for b waits for a/))
    expect(world.add('self', { after: ['self'] })).toEqual(refused(/self waits for self/))
  })

  test('a delayed job starts when it is due', () => {
    const world = new OneQueue()
    world.add('later', { runAt: world.now + 5000 })
    expect(world.take()).toEqual([])
    world.pass(4999)
    expect(world.take()).toEqual([])
    world.pass(1)
    expect(world.take()).toEqual(['later'])
  })

  test('higher priority starts first; equals in the order they came', () => {
    const world = new OneQueue()
    world.add('a')
    world.add('b', { priority: 10 })
    world.add('c', { priority: -10 })
    world.add('d', { priority: 10 })
    expect([world.take(1), world.take(1), world.take(1), world.take(1)].flat()).toEqual(['b', 'd', 'a', 'c'])
  })
})

describe('keys', () => {
  test('jobs of one key run one at a time in the order they came, beside those of others', () => {
    const world = new OneQueue()
    for (const id of ['a1', 'b1', 'a2', 'b2']) world.add(id, { key: id.charAt(0) })
    expect(world.take()).toEqual(['a1', 'b1'])
    world.done('a1')
    expect(world.take()).toEqual(['a2'])
  })

  test('a job between two attempts keeps its place: nothing of its key overtakes it, others do', () => {
    const world = new OneQueue()
    world.add('a1', { key: 'a', backoff: { kind: 'fixed', seconds: 10, maxSeconds: 10, jitter: 0 } })
    world.add('a2', { key: 'a' })
    world.add('b1', { key: 'b' })
    world.take(1)
    world.fail('a1')
    expect(world.take()).toEqual(['b1'])
    world.pass(10_000)
    expect(world.take()).toEqual(['a1'])
  })

  test('a job that always fails is dead after its attempts, and its key continues', () => {
    const world = new OneQueue()
    world.add('poison', { key: 'a', attempts: 2, backoff: { kind: 'fixed', seconds: 0, maxSeconds: 0, jitter: 0 } })
    world.add('next', { key: 'a' })
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(world.take()).toEqual(['poison'])
      world.fail('poison', 'boom')
      world.pass(1)
    }
    expect(world.state('poison')).toBe('dead')
    expect(world.note('poison')).toBe('boom')
    expect(world.take()).toEqual(['next'])
  })

  test('concurrency lets so many of a key run at a time', () => {
    const world = new OneQueue()
    for (const id of ['a', 'b', 'c', 'd']) world.add(id, { key: 'k', concurrency: 2 })
    expect(world.take()).toEqual(['a', 'b'])
    world.done('b')
    expect(world.take()).toEqual(['c'])
  })

  test('a raised concurrency is used at once, a lowered one as places are given back', () => {
    const world = new OneQueue()
    for (const id of ['a', 'b', 'c', 'd', 'e']) world.add(id, { key: 'k' })
    expect(world.take()).toEqual(['a'])
    world.policy({ keyConcurrency: 3 })
    world.done('a')
    expect(world.take()).toEqual(['b', 'c', 'd'])
    world.policy({ keyConcurrency: 1 })
    world.done('b')
    world.done('c')
    expect(world.take()).toEqual([])
    world.done('d')
    expect(world.take()).toEqual(['e'])
  })

  test('where the concurrency of a key was raised, a new job comes behind those in line', () => {
    const world = new OneQueue()
    for (const id of ['a', 'b', 'c', 'd']) world.add(id, { key: 'k' })
    expect(world.take()).toEqual(['a'])
    world.policy({ keyConcurrency: 3 })
    world.add('late', { key: 'k' })
    expect(world.take()).toEqual(['b', 'c'])
    world.done('a')
    expect(world.take()).toEqual(['d'])
  })

  test('a job that needs its key alone waits until it has it, and no job overtakes it', () => {
    const world = new OneQueue()
    for (const id of ['a', 'b']) world.add(id, { key: 'k', concurrency: 2 })
    expect(world.take()).toEqual(['a', 'b'])
    world.add('alone', { key: 'k', concurrency: 1 })
    for (const id of ['c', 'd']) world.add(id, { key: 'k', concurrency: 2 })
    world.done('a')
    expect(world.take()).toEqual([])
    world.done('b')
    expect(world.take()).toEqual(['alone'])
    world.done('alone')
    expect(world.take()).toEqual(['c', 'd'])
  })

  test('a rate per key paces its starts and no others', () => {
    const world = new OneQueue()
    for (let n = 0; n < 5; n++) world.add(`a${n}`, { key: 'a', concurrency: 10, rate: { count: 2, seconds: 1 } })
    world.add('b', { key: 'b' })
    expect(world.take()).toEqual(['a0', 'a1', 'b'])
    world.pass(499)
    expect(world.take()).toEqual([])
    world.pass(1)
    expect(world.take()).toEqual(['a2'])
    world.pass(1000)
    expect(world.take()).toEqual(['a3', 'a4'])
  })

  test('a rate is the token bucket that the API says it is: a burst of count, and count more in every stretch of seconds', () => {
    expect(z.toJSONSchema(queueChange, { io: 'input' })).toMatchObject({
      properties: { keyRate: { anyOf: [{ $ref: '#/$defs/JobRate' }, {}] } },
      $defs: { JobRate: { description: expect.stringMatching(/token bucket.*up to 2 × `count` starts/) } },
    })
    const world = new OneQueue()
    for (let n = 0; n < 20; n++) world.add(`a${n}`, { key: 'a', concurrency: 20, rate: { count: 2, seconds: 1 } })
    const starts: number[] = []
    for (; starts.length < 12; world.pass(10)) starts.push(...world.take().map(() => world.now))
    const within = (ms: number) =>
      Math.max(...starts.map((from) => starts.filter((at) => at >= from && at <= from + ms).length))
    expect([within(0), within(1000), within(2000)]).toEqual([2, 4, 6])
  })

  test('a rate per key that was far too slow holds nothing back once it is another', () => {
    const world = new OneQueue()
    world.policy({ keyRate: { count: 1, seconds: 86_400 }, keyConcurrency: 2 })
    for (let n = 0; n < 4; n++) world.add(`a${n}`, { key: 'a' })
    world.add('b0', { key: 'b' })
    expect(world.take()).toEqual(['a0', 'b0'])
    world.done('a0', 'b0')
    world.policy({ keyRate: { count: 1, seconds: 1 } })
    world.add('b1', { key: 'b' })
    for (const id of ['a1', 'a2', 'a3']) {
      world.pass(1000)
      expect(world.take()).toContain(id)
      world.done(id)
    }
    expect(world.state('b1')).toBe('active')
  })

  test('under another rate per key, starts that were reserved keep their order and the new pace, own rates theirs', () => {
    const world = new OneQueue()
    world.policy({ keyRate: { count: 1, seconds: 100 }, keyConcurrency: 10 })
    for (let n = 0; n < 4; n++) world.add(`a${n}`, { key: 'a' })
    for (let n = 0; n < 2; n++) world.add(`own${n}`, { key: 'own', rate: { count: 1, seconds: 500 } })
    expect(world.take()).toEqual(['a0', 'own0'])
    world.done('a0', 'own0')
    world.policy({ keyRate: { count: 1, seconds: 10 } })
    const started: [string, number][] = []
    for (let seconds = 0; seconds <= 500; seconds += 10) {
      const ids = world.take()
      started.push(...ids.map((id): [string, number] => [id, seconds]))
      world.done(...ids)
      world.pass(10_000)
    }
    expect(started).toEqual([
      ['a1', 10],
      ['a2', 20],
      ['a3', 30],
      ['own1', 500],
    ])
  })

  test('a key with a large backlog does not starve one with a small one', () => {
    const world = new OneQueue()
    world.policy({ concurrency: 1 })
    for (let n = 0; n < 50; n++) world.add(`noisy${n}`, { key: 'noisy' })
    world.add('quiet', { key: 'quiet' })
    const started: string[] = []
    for (let n = 0; n < 3; n++) {
      const [id = ''] = world.take()
      started.push(id)
      world.done(id)
    }
    expect(started).toContain('quiet')
  })
})

describe('the queue as a whole', () => {
  test('concurrency and rate hold over all keys', () => {
    const world = new OneQueue()
    for (let n = 0; n < 10; n++) world.add(`j${n}`)
    world.policy({ concurrency: 3 })
    expect(world.take()).toHaveLength(3)
    world.policy({ concurrency: null, rate: { count: 2, seconds: 10 } })
    expect(world.take()).toHaveLength(2)
    expect(world.take()).toHaveLength(0)
    expect(world.queue.nextDue(world.now)).toBe(world.now + 5000)
    world.pass(5000)
    expect(world.take()).toHaveLength(1)
  })

  test('a rate that was far too slow holds nothing back once it is another', () => {
    const world = new OneQueue()
    for (let n = 0; n < 10; n++) world.add(`j${n}`)
    world.policy({ rate: { count: 1, seconds: 86_400 } })
    expect(world.take()).toHaveLength(1)
    world.policy({ rate: { count: 10, seconds: 1 } })
    world.pass(1000)
    expect(world.take()).toHaveLength(9)
  })

  test('paused, it hands out nothing; resumed, it goes on', () => {
    const world = new OneQueue()
    world.add('a')
    world.policy({ paused: true })
    expect(world.take()).toEqual([])
    world.policy({ paused: false })
    expect(world.take()).toEqual(['a'])
  })
})

describe('unique names', () => {
  const unique = (mode: 'reject' | 'replace' | 'debounce' | 'throttle', seconds?: number) => ({
    unique: { name: 'n', mode, ...(seconds === undefined ? {} : { seconds }) },
  })

  test('reject: a second one is refused until the first has ended', () => {
    const world = new OneQueue()
    world.add('a', unique('reject'))
    expect(world.add('b', unique('reject'))).toEqual(refused(/n is held by job a/))
    world.take()
    world.done('a')
    expect(world.add('b', unique('reject'))).toMatchObject({ kind: 'enqueued' })
  })

  test('replace: the newest takes the place of one that waits, not of one that runs', () => {
    const world = new OneQueue()
    world.add('a', unique('replace'))
    world.add('b', unique('replace'))
    expect(world.states('a', 'b')).toEqual(['cancelled', 'waiting'])
    world.take()
    world.add('c', unique('replace'))
    expect(world.states('b', 'c')).toEqual(['active', 'waiting'])
  })

  test('debounce: only the last one runs, once it has been quiet', () => {
    const world = new OneQueue()
    world.add('a', unique('debounce', 10))
    world.pass(9000)
    world.add('b', unique('debounce', 10))
    world.pass(9000)
    expect(world.take()).toEqual([])
    world.pass(1000)
    expect(world.take()).toEqual(['b'])
    expect(world.state('a')).toBe('cancelled')
  })

  test('throttle: one per window, the others are that one', () => {
    const world = new OneQueue()
    world.add('a', unique('throttle', 60))
    expect(world.add('b', unique('throttle', 60))).toMatchObject({ receipts: [{ id: 'a', duplicate: true }] })
    world.pass(60_000)
    expect(world.add('c', unique('throttle', 60))).toMatchObject({ receipts: [{ id: 'c', duplicate: false }] })
  })

  test('a dead job is not sent again while another holds its unique name, and holds the name when it is', () => {
    const world = new OneQueue()
    world.add('a', { ...unique('reject'), attempts: 1 })
    world.take()
    world.fail('a')
    world.add('b', unique('reject'))
    expect(world.redrive('a')).toEqual(refused(/n is held by job b/))
    world.take()
    world.done('b')
    expect(world.redrive('a')).toMatchObject({ id: 'a' })
    expect(world.add('c', unique('reject'))).toEqual(refused(/n is held by job a/))
  })

  test('a job that waits for a throttled one waits for the holder of its name', () => {
    const world = new OneQueue()
    world.add('a', unique('throttle', 60))
    world.addAll([
      { id: 'parent', after: ['b'] },
      { id: 'b', ...unique('throttle', 60) },
    ])
    expect(world.take()).toEqual(['a'])
    world.done('a')
    expect(world.take()).toEqual(['parent'])
  })

  test('a job that waits for one replaced in the same batch fails with it', () => {
    const world = new OneQueue()
    world.add('a', unique('replace'))
    world.addAll([
      { id: 'b', ...unique('replace') },
      { id: 'parent', after: ['a'] },
    ])
    expect(world.states('a', 'b', 'parent')).toEqual(['cancelled', 'waiting', 'failed'])
  })

  test('a repeated batch is the same, whatever became of the jobs its throttled job was to wait for', () => {
    const world = new OneQueue()
    world.add('a', unique('throttle', 60))
    const batch = [
      { id: 'b', attempts: 1 },
      { id: 'c', after: ['b'], ...unique('throttle', 60) },
    ]
    expect(world.addAll(batch)).toMatchObject({ receipts: [{ id: 'b' }, { id: 'a' }] })
    world.take()
    world.fail('b')
    expect(world.addAll(batch)).toMatchObject({ receipts: [{ id: 'b', duplicate: true }, { id: 'a' }] })
  })

  test('a job that ended with one it waited for is not replaced in the same batch', () => {
    const world = new OneQueue()
    const named = (name: string) => ({ unique: { name, mode: 'replace' as const } })
    world.add('a', named('x'))
    world.addAll([{ id: 'b', after: ['a'], ...named('y') }])
    world.addAll([
      { id: 'c', ...named('x') },
      { id: 'd', ...named('y') },
    ])
    expect(world.states('a', 'b', 'c', 'd')).toEqual(['cancelled', 'failed', 'waiting', 'waiting'])
  })
})

describe('dependencies', () => {
  test('a job waits for others and is given their results', () => {
    const world = new OneQueue()
    world.addAll([{ id: 'parent', after: ['x', 'y'] }, { id: 'x' }, { id: 'y' }])
    expect(world.take()).toEqual(['x', 'y'])
    world.poll([['x', { kind: 'done', result: '{"n":1}' }]])
    expect(world.state('parent')).toBe('waiting')
    world.poll([['y', { kind: 'done' }]])
    const { jobs } = world.poll([], 1)
    expect(jobs[0]).toMatchObject({
      id: 'parent',
      collected: [
        { id: 'x', state: 'done', result: '{"n":1}' },
        { id: 'y', state: 'done', result: null },
      ],
    })
  })

  test('a failed job fails all that need its success, however long the chain', () => {
    const world = new OneQueue()
    world.addAll([{ id: 'j0' }, ...Array.from({ length: 900 }, (_, n) => ({ id: `j${n + 1}`, after: [`j${n}`] }))])
    world.add('careless', { after: ['j0'], evenIfFailed: true })
    world.take()
    world.poll([['j0', { kind: 'discard', reason: 'gone' }]])
    expect(world.states('j0', 'j1', 'j900')).toEqual(['failed', 'failed', 'failed'])
    expect(world.note('j1')).toBe('it waited for j0: failed')
    expect(world.take()).toEqual(['careless'])
  })
})
