import { describe, expect, test } from 'vitest'
import { OneQueue } from './support/one-queue.ts'

const refused = (detail: RegExp) =>
  expect.objectContaining({ kind: 'refused', error: 'conflict', detail: expect.stringMatching(detail) })

/** `up` is dead, and `down` failed for it. */
function upIsDead(): OneQueue {
  const world = new OneQueue()
  world.addAll([
    { id: 'up', attempts: 1 },
    { id: 'down', after: ['up'] },
  ])
  world.take()
  world.fail('up')
  expect(world.states('up', 'down')).toEqual(['dead', 'failed'])
  return world
}

describe('sending again what waited for others', () => {
  test('it is refused while one of them is dead, and taken once that one is on its way', () => {
    const world = upIsDead()
    expect(world.redrive('down')).toEqual(refused(/down waits for up, which is dead: send that again first/))
    world.redrive('up')
    world.redrive('down')
    expect(world.take()).toEqual(['up'])
    world.done('up')
    expect(world.take()).toEqual(['down'])
  })

  test('it runs when all of them succeeded meanwhile, though they are forgotten', () => {
    const world = new OneQueue()
    world.addAll([
      { id: 'short', keepMs: 1000 },
      { id: 'up', attempts: 1 },
      { id: 'down', after: ['short', 'up'] },
    ])
    world.take()
    world.done('short')
    world.fail('up')
    world.redrive('up')
    world.take()
    world.done('up')
    world.pass(2000)
    world.stores.forget(world.now, 100)
    expect(world.state('short')).toBeUndefined()
    world.redrive('down')
    expect(world.take()).toEqual(['down'])
  })

  test('a job that was cancelled, or failed and is forgotten, does not come back, and the answer says so', () => {
    const world = new OneQueue()
    world.addAll([
      { id: 'off' },
      { id: 'gone', keepMs: 1000 },
      { id: 'a', after: ['off'] },
      { id: 'b', after: ['gone'] },
    ])
    world.take()
    world.cancel('off')
    world.poll([['gone', { kind: 'discard', reason: 'never' }]])
    world.pass(2000)
    world.stores.forget(world.now, 100)
    expect(world.redrive('a')).toEqual(refused(/a waits for off, which cannot be sent again: enqueue both anew/))
    expect(world.redrive('b')).toEqual(refused(/b waits for gone, which cannot be sent again/))
  })

  test('a job with evenIfFailed is sent again whatever became of the jobs it waited for', () => {
    const world = new OneQueue()
    world.addAll([
      { id: 'up', attempts: 1 },
      { id: 'down', after: ['up'], evenIfFailed: true, attempts: 1 },
    ])
    world.take()
    world.fail('up')
    world.take()
    world.fail('down')
    world.redrive('down')
    expect(world.take()).toEqual(['down'])
  })
})

test('sending all again says how many it could not', () => {
  const world = new OneQueue()
  const unique = { name: 'n', mode: 'reject' as const }
  world.addAll([
    { id: 'a', attempts: 1, unique },
    { id: 'b', attempts: 1 },
  ])
  world.take()
  world.fail('a')
  world.fail('b')
  world.add('rival', { unique })
  expect(world.redriveAll()).toEqual({ redriven: 1, skipped: 1 })
  expect(world.states('a', 'b')).toEqual(['dead', 'waiting'])
})

test('jobs that cannot be sent again do not count towards the limit of a redrive', () => {
  const world = new OneQueue()
  const unique = { name: 'n', mode: 'reject' as const }
  for (let n = 0; n < 5; n++) {
    world.add(`rivalled${n}`, { attempts: 1, unique })
    world.take()
    world.fail(`rivalled${n}`)
  }
  world.add('rival', { unique })
  const free = Array.from({ length: 3 }, (_, n) => `free${n}`)
  world.addAll(free.map((id) => ({ id, attempts: 1 })))
  world.take()
  for (const id of free) world.fail(id)
  expect(world.redriveAll(2)).toEqual({ redriven: 2, skipped: 5 })
  expect(world.states(...free)).toEqual(['waiting', 'waiting', 'dead'])
})
