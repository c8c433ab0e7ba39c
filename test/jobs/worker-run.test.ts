import { describe, expect, test, vi } from 'vitest'
import { firstCapacity, WorkerRun, type WorkerRunContext } from '../../src/handlers/worker-run.ts'
import type { Attempt } from '../../src/handlers/attempt.ts'
import type { Outcome } from '../../src/jobs/model/job.ts'
import type { Assignment, PollAnswer, PollRequest } from '../../src/jobs/queue/poll.ts'
import { claimable } from '../../src/jobs/queue/queue.ts'
import { OneQueue } from './support/one-queue.ts'

type Work = (job: Assignment, attempt: Attempt) => Promise<Outcome>

/** A worker run on a real queue, without waiting: pauses and long polls end at once. */
function running(world: OneQueue, run: Work, more: Partial<Pick<WorkerRunContext, 'poll'>> = {}) {
  world.stores.runs.add({ id: 'r', at: world.now, isPublished: true })
  const start = world.queue.startRun('r', firstCapacity, world.now)
  if (start === undefined) throw new Error('the run was not requested')
  let moment = 0
  const queue = {
    poll: async (request: PollRequest) => {
      await new Promise((resolve) => setTimeout(resolve, 1))
      return world.queue.poll(request, world.now, true)
    },
    ...more,
  }
  const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1))
  const clock = { now: () => (moment += 1) }
  const context = {
    ...queue,
    workerRun: 'r',
    request: undefined,
    run: (attempt: Attempt) => run(attempt.job, attempt),
    clock,
    pause,
  }
  return new WorkerRun({ ...context, random: () => 0.5 }).run(start)
}

const done: Outcome = { kind: 'done' }

describe('a worker run', () => {
  test('runs all jobs of the queue and ends', async () => {
    const world = new OneQueue()
    for (let n = 0; n < 500; n++) world.add(`j${n}`, { key: `k${n % 10}` })
    expect(await running(world, async () => done)).toBe(500)
    expect(claimable(world.stores, world.now)).toBe(0)
    expect(world.stores.jobs.counts()[6]).toBe(500)
  })

  test('a slow job does not delay the jobs beside it', async () => {
    const world = new OneQueue()
    const ends: string[] = []
    const slow = Promise.withResolvers<Outcome>()
    for (const id of ['slow', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) world.add(id)
    await running(world, async ({ id }) => {
      if (id === 'h') slow.resolve(done)
      const outcome = id === 'slow' ? await slow.promise : done
      ends.push(id)
      return outcome
    })
    expect(ends.at(-1)).toBe('slow')
    expect(world.state('slow')).toBe('done')
  })

  test('a handler that never ends is stopped at its timeout, and its signal is aborted', async () => {
    const world = new OneQueue()
    world.add('endless', { timeoutMs: 20, attempts: 1 })
    let aborted = false
    await running(world, (_, { signal }) => {
      signal.addEventListener('abort', () => (aborted = true))
      return new Promise(() => undefined)
    })
    expect([world.state('endless'), world.note('endless'), aborted]).toEqual(['dead', 'took longer than 20 ms', true])
  })

  test('a cancelled job is stopped, and the next of its key starts', async () => {
    const world = new OneQueue()
    world.add('a', { key: 'k' })
    world.add('b', { key: 'k' })
    await running(world, async ({ id }, { signal }) => {
      if (id === 'b') return done
      world.cancel('a')
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))))
    })
    expect(world.states('a', 'b')).toEqual(['cancelled', 'done'])
  })

  test('progress and log lines reach the queue while the job runs', async () => {
    const world = new OneQueue()
    world.add('a')
    await running(world, async (_, { report }) => {
      report(40, 'nearly half')
      await vi.waitFor(() => expect(world.stores.jobs.get('a')?.progress).toBe(40), 10_000)
      return done
    })
    expect(world.state('a')).toBe('done')
    expect(world.stores.lines.of('a').map(({ line }) => line)).toEqual(['nearly half'])
  })

  test('a poll that fails is repeated, and the queue counts each outcome once', async () => {
    const world = new OneQueue()
    for (let n = 0; n < 20; n++) world.add(`j${n}`)
    let polls = 0
    const runs = new Map<string, number>()
    await running(
      world,
      async ({ id }) => {
        runs.set(id, (runs.get(id) ?? 0) + 1)
        return done
      },
      {
        poll: async (request: PollRequest) => {
          const answer = world.queue.poll(request, world.now, true)
          if (polls++ % 3 === 1) throw new Error('the answer got lost')
          return answer
        },
      },
    )
    expect(world.stores.jobs.counts()[6]).toBe(20)
    expect(Math.max(...runs.values())).toBeLessThanOrEqual(2)
  })

  test('an outcome does not wait for a poll in flight: the next poll overtakes it', async () => {
    const world = new OneQueue()
    world.add('a')
    const end = Promise.withResolvers<Outcome>()
    const answers: ((answer: PollAnswer) => void)[] = []
    const requests: PollRequest[] = []
    const run = running(world, () => end.promise, {
      poll: (request) => {
        requests.push(request)
        if (request.settled.length > 0) {
          for (const answer of answers) answer({ jobs: [], secrets: [], stop: [], stay: true })
          return Promise.resolve(world.queue.poll(request, world.now, true))
        }
        end.resolve(done)
        return new Promise((resolve) => answers.push(resolve))
      },
    })
    expect(await run).toBe(1)
    expect(requests.map(({ holding, overtakes }) => [holding.length, overtakes])).toEqual([
      [1, false],
      [0, true],
    ])
    expect(world.state('a')).toBe('done')
  })

  test('a job that comes with the answer to an overtaken poll is run', async () => {
    const world = new OneQueue()
    world.add('a')
    const end = Promise.withResolvers<Outcome>()
    const ran: string[] = []
    let overtaken: ((answer: PollAnswer) => void) | undefined
    await running(
      world,
      ({ id }) => {
        ran.push(id)
        return id === 'a' ? end.promise : Promise.resolve(done)
      },
      {
        poll: (request) => {
          if (overtaken === undefined && request.settled.length === 0) {
            world.add('b')
            const answer = world.queue.poll(request, world.now)
            end.resolve(done)
            return new Promise((resolve) => (overtaken = () => resolve(answer)))
          }
          const answer = world.queue.poll(request, world.now, true)
          overtaken?.(answer)
          return Promise.resolve(answer)
        },
      },
    )
    expect(ran).toEqual(['a', 'b'])
    expect(world.states('a', 'b')).toEqual(['done', 'done'])
    expect(world.stores.jobs.get('b')?.run).toBe(1)
  })
})
