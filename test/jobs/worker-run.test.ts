import { describe, expect, test, vi } from 'vitest'
import { WorkerRun, type QueueClient } from '../../src/handlers/worker-run.ts'
import type { Attempt } from '../../src/handlers/attempt.ts'
import type { Outcome } from '../../src/jobs/model/job.ts'
import type { Assignment } from '../../src/jobs/queue/queue.ts'
import { OneQueue } from './support/one-queue.ts'

type Work = (job: Assignment, attempt: Attempt) => Promise<Outcome>

/** A visit to a real queue, in no time at all: pauses end at once, and nobody waits long at the door. */
function visiting(world: OneQueue, run: Work, more: Partial<QueueClient> = {}) {
  world.books.addRequestedRun({ id: 'v', at: world.now })
  world.queue.startRun('v', world.now)
  let moment = 0
  const ledger: QueueClient = {
    poll: async (turn) => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      return world.queue.poll(turn, world.now)
    },
    wake: async () => undefined,
    endRun: async (visit) => world.queue.endRun(visit, world.now),
    secrets: async () => [],
    ...more,
  }
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1))
  return new WorkerRun({
    queue: ledger,
    workerRun: 'v',
    run,
    clock: { now: () => (moment += 1) },
    pause,
    random: () => 0.5,
  }).run()
}

const done: Outcome = { kind: 'done' }

describe('a visit', () => {
  test('works off what there is and leaves', async () => {
    const world = new OneQueue()
    for (let n = 0; n < 500; n++) world.add(`j${n}`, { key: `k${n % 10}` })
    expect(await visiting(world, async () => done)).toBe(500)
    expect(world.queue.claimable(world.now)).toBe(0)
    expect(world.books.counts()[6]).toBe(500)
  })

  test('a slow job keeps nobody waiting', async () => {
    const world = new OneQueue()
    const ends: string[] = []
    const slow = Promise.withResolvers<Outcome>()
    for (const id of ['slow', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) world.add(id)
    await visiting(world, async ({ id }) => {
      if (id === 'h') slow.resolve(done)
      const outcome = id === 'slow' ? await slow.promise : done
      ends.push(id)
      return outcome
    })
    expect(ends.at(-1)).toBe('slow')
    expect(world.state('slow')).toBe('done')
  })

  test('a handler that never ends is stopped when its time is up, and its signal says so', async () => {
    const world = new OneQueue()
    world.add('endless', { timeoutMs: 20, attempts: 1 })
    let aborted = false
    await visiting(world, (_, { signal }) => {
      signal.addEventListener('abort', () => (aborted = true))
      return new Promise(() => undefined)
    })
    expect([world.state('endless'), world.note('endless'), aborted]).toEqual(['dead', 'took longer than 20 ms', true])
  })

  test('a cancelled job is stopped, and the next of its key begins', async () => {
    const world = new OneQueue()
    world.add('a', { key: 'k' })
    world.add('b', { key: 'k' })
    await visiting(world, async ({ id }, { signal }) => {
      if (id === 'b') return done
      world.cancel('a')
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
    })
    expect(world.states('a', 'b')).toEqual(['cancelled', 'done'])
  })

  test('progress and lines reach the ledger', async () => {
    const world = new OneQueue()
    world.add('a')
    await visiting(world, async (_, { report }) => {
      report(40, 'nearly half')
      await vi.waitFor(() => expect(world.books.get('a')?.progress).toBe(40), 10_000)
      return done
    })
    expect(world.state('a')).toBe('done')
    expect(world.books.lines('a').map(({ line }) => line)).toEqual(['nearly half'])
  })

  test('a turn that fails is said again, and the ledger hears each outcome once', async () => {
    const world = new OneQueue()
    for (let n = 0; n < 20; n++) world.add(`j${n}`)
    let turns = 0
    const runs = new Map<string, number>()
    await visiting(
      world,
      async ({ id }) => {
        runs.set(id, (runs.get(id) ?? 0) + 1)
        return done
      },
      {
        poll: async (turn) => {
          const answer = world.queue.poll(turn, world.now)
          if (turns++ % 3 === 1) throw new Error('the answer got lost')
          return answer
        },
      },
    )
    expect(world.books.counts()[6]).toBe(20)
    expect(Math.max(...runs.values())).toBeLessThanOrEqual(2)
  })
})
