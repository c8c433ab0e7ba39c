import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BatchWindow } from '../../src/realtime/batch-window.ts'
import { CommandBatcher, type PendingCommand } from '../../src/realtime/command-batcher.ts'
import { listener } from '../support/listener.ts'

const alice = listener('alice')

/** Errands by number, and a stream whose calls end when told to. */
function stream({ cap, crowd = new BatchWindow(() => Promise.resolve()) }: { cap?: number; crowd?: BatchWindow } = {}) {
  const calls: number[][] = []
  const open: (() => void)[] = []
  const errand = (n: number): PendingCommand => ({
    session: alice,
    command: { kind: 'read', user: 'alice', client: '', seq: n },
    settle: () => undefined,
  })
  const lane = new CommandBatcher(
    (errands) => {
      calls.push(errands.map(({ command }) => (command.kind === 'read' ? command.seq : -1)))
      const { promise, resolve } = Promise.withResolvers<void>()
      open.push(resolve)
      return promise
    },
    crowd,
    cap,
  )
  return {
    lane,
    calls,
    add: (...numbers: number[]) => numbers.forEach((n) => lane.add(errand(n))),
    /** The call under way ends. */
    answer: async () => {
      open.shift()?.()
      await turns()
    },
  }
}

/** Lets everything run that only waits for its turn. */
const turns = async () => {
  for (let n = 0; n < 30; n++) await Promise.resolve()
}

describe('a lane', () => {
  test('sends at once when idle, and merges what comes while a call is under way', async () => {
    const { calls, add, answer, lane } = stream()
    add(1)
    await turns()
    add(2, 3)
    expect(calls).toEqual([[1]])
    expect(lane.waiting).toBe(2)
    await answer()
    expect(calls).toEqual([[1], [2, 3]])
    await answer()
    expect(lane.busy).toBe(false)
  })

  test('takes at most so many in one call', async () => {
    const { calls, add, answer } = stream({ cap: 2 })
    add(1)
    await turns()
    add(2, 3, 4)
    await answer()
    await answer()
    expect(calls).toEqual([[1], [2, 3], [4]])
  })

  test('poked makes one more call without commands, however often it was poked meanwhile', async () => {
    const { calls, lane, answer } = stream()
    lane.pull()
    await turns()
    lane.pull()
    lane.pull()
    await answer()
    await answer()
    expect(calls).toEqual([[], []])
    expect(lane.busy).toBe(false)
  })

  test('keeps the order and loses nothing, whatever comes when', async () => {
    const steps = fc.array(
      fc.oneof(fc.constant('add' as const), fc.constant('answer' as const), fc.constant('poke' as const)),
    )
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (story, cap) => {
        const { calls, add, answer, lane } = stream({ cap })
        let added = 0
        for (const step of story) {
          if (step === 'add') add(++added)
          else if (step === 'poke') lane.pull()
          else await answer()
        }
        for (let n = 0; n <= story.length && lane.busy; n++) await answer()
        expect(calls.flat()).toEqual(Array.from({ length: added }, (_, n) => n + 1))
        expect(calls.every((call) => call.length <= cap)).toBe(true)
        expect(lane.busy).toBe(false)
      }),
    )
  })
})

describe('a crowd', () => {
  test('of few calls makes nobody wait; of many, the next gather and leave as one', async () => {
    let round = () => {}
    const crowd = new BatchWindow(() => new Promise((resolve) => (round = resolve)))
    const busy = Array.from({ length: 4 }, () => stream({ crowd }))
    for (const lane of busy) {
      lane.add(1)
      await turns()
    }
    expect(busy.map(({ calls }) => calls.length)).toEqual([1, 1, 1, 1])

    const late = stream({ crowd })
    late.add(1)
    await turns()
    late.add(2)
    expect(late.calls).toEqual([])
    for (let n = 0; n < 6; n++) {
      round()
      await turns()
    }
    expect(late.calls).toEqual([[1, 2]])
  })
})
