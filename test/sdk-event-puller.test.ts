import { expect, test } from 'vitest'
import { ParleyError } from '../sdk/failure.ts'
import { pullEvents, type PulledEvent } from '../sdk/event-puller.ts'

type Answer = object | (() => never)
const event = (offset: number, attempt = 1) => ({ id: `billing/orders/${offset}`, attempt, event: { offset } })
const fails =
  (code: number): (() => never) =>
  () => {
    // oxlint-disable-next-line typescript/only-throw-error -- the realtime client throws such objects
    throw { code, message: 'no' }
  }

/** Pulls until the answers are used up; returns the calls that were made and the pauses between them. */
async function pullFrom(answers: readonly Answer[], handle: (event: PulledEvent) => void = () => undefined) {
  const calls: [method: string, data: object][] = []
  const pauses: number[] = []
  const left = [...answers]
  const end = new AbortController()
  const connection = {
    rpc: async (method: string, data: unknown) => {
      calls.push([method, Object(data)])
      const answer = left.shift()
      if (left.length === 0) end.abort()
      return { data: typeof answer === 'function' ? answer() : answer }
    },
  }
  const pause = async (ms: number) => void pauses.push(ms)
  const work = pullEvents(connection, { consumer: 'billing', handle, signal: end.signal, pause })
  return { work, calls, pauses }
}

test('events that are handled are settled as done, and those whose handler throws as failed with the reason', async () => {
  const { work, calls } = await pullFrom([{ lease: 'l1', events: [event(1), event(2)] }, { late: [] }], ({ id }) => {
    if (id.endsWith('/2')) throw new Error('the disk is full')
  })
  await work
  expect(calls).toEqual([
    ['events.pull', { consumer: 'billing', max: 10, leaseSeconds: 30, waitSeconds: 2 }],
    [
      'events.acknowledge',
      { consumer: 'billing', lease: 'l1', done: [1], failed: [{ offset: 2, reason: 'the disk is full' }] },
    ],
  ])
})

test('pulling waits longer and longer while Parley cannot be reached, and goes on', async () => {
  const { work, calls, pauses } = await pullFrom([fails(2), fails(100), { lease: null, events: [] }])
  await work
  expect(calls.map(([method]) => method)).toEqual(['events.pull', 'events.pull', 'events.pull'])
  expect(pauses).toEqual([1000, 2000])
})

test('settling is tried again, so that one lost answer hands no event out twice', async () => {
  const { work, calls } = await pullFrom([{ lease: 'l1', events: [event(1)] }, fails(1), { late: [] }])
  await work
  expect(calls.map(([method]) => method)).toEqual(['events.pull', 'events.acknowledge', 'events.acknowledge'])
})

test('a token without the capability ends it with the reason', async () => {
  const { work } = await pullFrom([fails(103), {}])
  await expect(work).rejects.toBeInstanceOf(ParleyError)
  await expect(work).rejects.toMatchObject({ kind: 'notAllowed' })
})
