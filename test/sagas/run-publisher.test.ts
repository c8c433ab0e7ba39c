import { expect, test } from 'vitest'
import { RunPublisher, type RunEvents } from '../../durable-objects/saga/run-publisher.ts'
import type { Appended } from '../../src/event-log/append.ts'
import { refuse } from '../../src/protocol/errors.ts'

const event = (run: string) => ({
  source: `/sagas/order/${run}`,
  id: '1',
  type: 'saga.completed',
  key: run,
  version: 1,
  data: null,
  attributes: {},
})
const eventsOf = (run: string): RunEvents => ({ run, topic: 'orders', events: [event(run)], upTo: 3 })

/** Publishes the events of these runs to a topic that answers by the runs in a call. */
async function publish(runs: readonly string[], answer: (runs: readonly string[]) => Appended) {
  const calls: string[][] = []
  const settled: string[][] = []
  const publisher = new RunPublisher({
    tenant: 'acme',
    eventsOf,
    append: async (_, events) => {
      const ofCall = events.map(({ key }) => key ?? '')
      calls.push(ofCall)
      return await Promise.resolve(answer(ofCall))
    },
    published: (all) => void settled.push(all.map(({ run }) => run)),
  })
  for (const run of runs) publisher.add(run)
  await publisher.run()
  return { calls, settled }
}

const appended: Appended = { kind: 'appended', events: [] }

test('events of runs that end together are one call and one commit', async () => {
  expect(await publish(['a', 'b', 'a'], () => appended)).toEqual({ calls: [['a', 'b']], settled: [['a', 'b']] })
})

test('an event that its topic refuses as another one stops no event of another run', async () => {
  const { calls, settled } = await publish(['a', 'b', 'c'], (runs) =>
    runs.includes('b') ? refuse('conflict') : appended,
  )
  expect(calls).toEqual([['a', 'b', 'c'], ['a'], ['b'], ['c']])
  expect(settled).toEqual([['a'], ['b'], ['c']])
})

test('events stay with their runs while the topic does not take them', async () => {
  expect((await publish(['a'], () => refuse('notFound'))).settled).toEqual([])
  const broken = await publish(['a'], () => {
    throw new Error('the topic cannot be reached')
  })
  expect(broken.settled).toEqual([])
})
