import { describe, expect, test } from 'vitest'
import { EpochLog, EpochReader, EpochView, keptMs } from '../../src/cache/epochs.ts'

describe('the log of invalidations', () => {
  test('numbers each tag, and gives a reader what is new since its last question', () => {
    const log = new EpochLog('l')
    log.invalidate(['a', 'b'], 0)
    const first = log.since(undefined)
    expect(first).toEqual({
      log: 'l',
      after: 0,
      seq: 2,
      floor: 0,
      tags: ['a', 'b'],
    })
    log.invalidate(['a'], 1)
    expect(log.since({ log: 'l', seq: first.seq })).toEqual({ log: 'l', after: 2, seq: 3, floor: 0, tags: ['a'] })
    expect(log.since({ log: 'l', seq: 3 }).tags).toEqual([])
  })

  test('gives everything it keeps to a reader of another log, or one that is too far behind', () => {
    const log = new EpochLog('l', { max: 16 })
    for (let n = 0; n < 40; n++) log.invalidate([`tag ${n}`], 0)
    const all = log.since(undefined)
    expect(all.floor).toBeGreaterThanOrEqual(24)
    expect(all.tags).toEqual(Array.from({ length: 40 - all.floor }, (_, n) => `tag ${all.floor + n}`))
    expect(log.since({ log: 'other', seq: 39 })).toEqual(all)
    expect(log.since({ log: 'l', seq: all.floor - 1 })).toEqual(all)
    expect(log.since({ log: 'l', seq: 38 }).tags).toEqual(['tag 38', 'tag 39'])
  })

  test('drops what is older than any cached value', () => {
    const log = new EpochLog('l')
    log.invalidate(['old'], 0)
    log.invalidate(['new'], keptMs + 1)
    expect(log.since(undefined)).toMatchObject({ floor: 1, tags: ['new'] })
  })

  test('goes on where its stored state ended', () => {
    const log = new EpochLog('l', { kept: [[7, 'a', 0]], floor: 6 })
    expect(log.invalidate(['b'], 1)).toEqual([[8, 'b', 1]])
    expect(log.since({ log: 'l', seq: 7 }).tags).toEqual(['b'])
  })
})

describe('the view of a process', () => {
  const answer = { log: 'l', after: 0, seq: 5, floor: 0, tags: ['a'] } as const

  test('counts a value as invalidated when a tag has a number above its stamp', () => {
    const view = new EpochView()
    view.note(answer, 0)
    expect(view.isInvalidated({ log: 'l', seq: 4 }, ['a'])).toBe(true)
    expect(view.isInvalidated({ log: 'l', seq: 5 }, ['a'])).toBe(false)
    expect(view.isInvalidated({ log: 'l', seq: 4 }, ['b'])).toBe(false)
  })

  test('counts every value of another log, or from before what is kept, as invalidated', () => {
    const view = new EpochView()
    view.note({ ...answer, floor: 3 }, 0)
    expect(view.isInvalidated({ log: 'm', seq: 9 }, ['b'])).toBe(true)
    expect(view.isInvalidated({ log: 'l', seq: 2 }, ['b'])).toBe(true)
  })

  test('is fresh for a second after the question, not after the answer', () => {
    const view = new EpochView()
    view.note(answer, 1000)
    expect([view.isDue(1799), view.isDue(1800), view.isFresh(1999), view.isFresh(2000)]).toEqual([
      false,
      true,
      true,
      false,
    ])
  })

  test('asks again at once when the clock was set back, and takes what the log answers then', async () => {
    const reader = new EpochReader()
    let asked = 0
    const ask = () => Promise.resolve({ ...answer, log: `l${++asked}` })
    await reader.ask(ask, () => 100_000)
    expect([reader.view.isFresh(99_500), reader.view.isFresh(99_000), reader.view.isDue(99_000)]).toEqual([
      true,
      false,
      true,
    ])
    await reader.ask(ask, () => 30_000)
    expect(reader.view.isFresh(30_000)).toBe(true)
    expect(reader.view.stamp()).toEqual({ log: 'l2', seq: 5 })
  })

  test('takes no answer that leaves out what it does not know', () => {
    const view = new EpochView()
    view.note(answer, 0)
    view.note({ log: 'l', after: 7, seq: 8, floor: 0, tags: ['b'] }, 500)
    expect(view.isFresh(1200)).toBe(false)
    expect(view.stamp()).toEqual({ log: 'l', seq: 5 })
  })

  test('is not set back by an answer that comes late', () => {
    const view = new EpochView()
    view.note({ log: 'l', after: 0, seq: 9, floor: 0, tags: ['a'] }, 500)
    view.note(answer, 0)
    expect(view.stamp()).toEqual({ log: 'l', seq: 9 })
    expect(view.isInvalidated({ log: 'l', seq: 8 }, ['a'])).toBe(true)
  })
})

describe('the questions of a process', () => {
  test('are shared by all requests of the moment', async () => {
    const reader = new EpochReader()
    const ask = async () => new EpochLog('l').since(undefined)
    await Promise.all(Array.from({ length: 100 }, () => reader.ask(ask, () => 0)))
    expect(reader.figures).toEqual({ asked: 1, failed: 0 })
  })

  test('are not repeated within a second of one that failed', async () => {
    const reader = new EpochReader()
    const fails = async (): Promise<never> => {
      throw new Error('away')
    }
    for (const now of [0, 1, 999, 1000]) await reader.ask(fails, () => now)
    expect(reader.figures).toEqual({ asked: 2, failed: 2 })
  })

  test('do not wait for one whose request was cancelled', async () => {
    const reader = new EpochReader()
    void reader.ask(
      () => new Promise(() => undefined),
      () => 0,
    )
    await reader.ask(
      async () => new EpochLog('l').since(undefined),
      () => 1000,
    )
    expect(reader.view.isFresh(1500)).toBe(true)
  })
})
