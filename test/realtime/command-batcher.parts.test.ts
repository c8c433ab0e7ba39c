import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  CallWindow,
  CommandBatcher,
  isAdmittedAtOnce,
  type PendingCommand,
} from '../../durable-objects/gateway/channels/channel-calls.ts'
import { listener } from '../support/listener.ts'

const alice = listener('alice')

/** Commands by number, and a stream whose calls end by `answer`. */
function stream({ cap, window = new CallWindow(() => Promise.resolve()) }: { cap?: number; window?: CallWindow } = {}) {
  const calls: number[][] = []
  const open: (() => void)[] = []
  const command = (n: number): PendingCommand => ({
    session: alice,
    command: { kind: 'publish', user: 'alice', client: '', data: String(n) },
    settle: () => undefined,
  })
  const batcher = new CommandBatcher({
    send: async (commands) => {
      calls.push(commands.map(({ command: sent }) => (sent.kind === 'publish' ? Number(sent.data) : -1)))
      const { promise, resolve } = Promise.withResolvers<void>()
      open.push(resolve)
      window.calls++
      await promise
      window.calls--
    },
    gather: () => window.gather(),
    ended: () => undefined,
    ...(cap === undefined ? {} : { cap }),
  })
  return {
    batcher,
    calls,
    add: (...numbers: number[]) => numbers.forEach((n) => batcher.add(command(n))),
    /** The call under way ends. */
    answer: async () => {
      open.shift()?.()
      await turns()
    },
  }
}

/** Lets all pending microtasks run. */
const turns = async () => {
  for (let n = 0; n < 30; n++) await Promise.resolve()
}

describe('a command batcher', () => {
  test('sends a command at once when idle, and merges those that come while a call is under way', async () => {
    const { calls, add, answer, batcher } = stream()
    add(1)
    await turns()
    add(2, 3)
    expect(calls).toEqual([[1]])
    expect(batcher.waiting).toBe(2)
    await answer()
    expect(calls).toEqual([[1], [2, 3]])
    await answer()
    expect(batcher.busy).toBe(false)
  })

  test('sends at most `cap` commands in one call', async () => {
    const { calls, add, answer } = stream({ cap: 2 })
    add(1)
    await turns()
    add(2, 3, 4)
    await answer()
    await answer()
    expect(calls).toEqual([[1], [2, 3], [4]])
  })

  test('makes one more call without commands when it is to pull, however often it was notified meanwhile', async () => {
    const { calls, batcher, answer } = stream()
    batcher.pull()
    await turns()
    batcher.pull()
    batcher.pull()
    await answer()
    await answer()
    expect(calls).toEqual([[], []])
    expect(batcher.busy).toBe(false)
  })

  test('keeps the order of commands and loses none, in whatever order they and the answers come', async () => {
    const steps = fc.array(
      fc.oneof(fc.constant('add' as const), fc.constant('answer' as const), fc.constant('pull' as const)),
    )
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 5 }), async (story, cap) => {
        const { calls, add, answer, batcher } = stream({ cap })
        let added = 0
        for (const step of story) {
          if (step === 'add') add(++added)
          else if (step === 'pull') batcher.pull()
          else await answer()
        }
        for (let n = 0; n <= story.length && batcher.busy; n++) await answer()
        expect(calls.flat()).toEqual(Array.from({ length: added }, (_, n) => n + 1))
        expect(calls.every((call) => call.length <= cap)).toBe(true)
        expect(batcher.busy).toBe(false)
      }),
    )
  })
})

describe('connections that return to one channel', () => {
  /** A batcher whose calls are answered at once, and a clock that `pass` moves. */
  function returning() {
    const calls: string[][] = []
    let now = 0
    let pauses: { readonly at: number; readonly resolve: () => void }[] = []
    const batcher = new CommandBatcher({
      send: async (commands) => void calls.push(commands.map(({ command }) => command.kind)),
      gather: () => undefined,
      pause: (ms) => new Promise((resolve) => pauses.push({ at: now + ms, resolve })),
      ended: () => undefined,
    })
    const pass = async (ms: number) => {
      for (const end = now + ms; now < end;) {
        now++
        const due = pauses.filter(({ at }) => at <= now)
        pauses = pauses.filter(({ at }) => at > now)
        for (const { resolve } of due) resolve()
        await turns()
      }
    }
    const add = async (command: PendingCommand['command']) => {
      batcher.add({ session: alice, command, settle: () => undefined })
      await turns()
    }
    const by = { user: 'alice', client: '' } as const
    return {
      calls,
      batcher,
      pass,
      subscribe: () => add({ kind: 'subscribe', joinLeave: false, ...by }),
      publish: () => add({ kind: 'publish', data: '1', ...by }),
    }
  }

  test('one in each millisecond are subscribed by a call in forty, and the first of them at once', async () => {
    const { calls, batcher, pass, subscribe } = returning()
    await subscribe()
    expect(calls).toEqual([['subscribe']])
    for (let n = 1; n < 1000; n++) {
      await pass(1)
      await subscribe()
    }
    await pass(40)
    expect(calls.flat()).toHaveLength(1000)
    expect(calls.length).toBeLessThanOrEqual(1000 / 40 + 4)
    await pass(40)
    expect(batcher.busy).toBe(false)
  })

  test('do not hold up a message, and leave with it', async () => {
    const { calls, subscribe, publish } = returning()
    await subscribe()
    await subscribe()
    expect(calls).toHaveLength(1)
    await publish()
    expect(calls).toEqual([['subscribe'], ['subscribe', 'publish']])
    await publish()
    expect(calls).toHaveLength(3)
  })

  test('one after the other, with a pause, are subscribed at once', async () => {
    const { calls, pass, subscribe } = returning()
    for (let n = 1; n <= 3; n++) {
      await subscribe()
      expect(calls).toHaveLength(n)
      await pass(10)
    }
  })
})

describe('the calls of a gateway', () => {
  test('with few calls under way no command waits; with many, the next ones gather and leave as one call', async () => {
    let round = () => {}
    const window = new CallWindow(() => new Promise((resolve) => (round = resolve)))
    const busy = Array.from({ length: 4 }, () => stream({ window }))
    for (const batcher of busy) {
      batcher.add(1)
      await turns()
    }
    expect(busy.map(({ calls }) => calls.length)).toEqual([1, 1, 1, 1])

    const late = stream({ window })
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

test('a message that meets a short queue is admitted at once, any other command and any longer queue is looked at', () => {
  const send = { kind: 'send', content: { clientId: 'a', text: 'hi' } } as const
  const typing = { kind: 'command', name: 'conversation.typing', input: {} } as const
  expect(isAdmittedAtOnce(send, { waiting: 15 }, { commands: 32_767 })).toBe(true)
  expect(isAdmittedAtOnce(send, { waiting: 16 }, { commands: 0 })).toBe(false)
  expect(isAdmittedAtOnce(send, { waiting: 0 }, { commands: 32_768 })).toBe(false)
  expect(isAdmittedAtOnce(typing, { waiting: 0 }, { commands: 0 })).toBe(false)
})
