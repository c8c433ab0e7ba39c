import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { wireFailure } from '../sdk/failure.ts'
import { Outbox } from '../sdk/outbox.ts'
import { ReadCursor } from '../sdk/read-cursor.ts'
import { Tokens } from '../sdk/tokens.ts'

type Answer = { readonly seq: number } | { readonly code: number; readonly message: string }

/** A server that answers sends with what is given, in turn, and the story it saw. */
function world(answers: readonly Answer[]) {
  const left = [...answers]
  const story: string[] = []
  const outbox = new Outbox({
    deliver: async (clientId) => {
      story.push(`send ${clientId}`)
      const answer = left.shift() ?? { seq: 99 }
      if ('code' in answer) throw wireFailure(answer)
      return answer
    },
    ready: async () => undefined,
    online: async () => void story.push('online'),
    delivered: (clientId, seq) => void story.push(`delivered ${clientId} ${seq}`),
    stalled: (clientId, problem) => void story.push(`stalled ${clientId} ${problem.kind}`),
    resent: (clientId) => void story.push(`resent ${clientId}`),
    pause: async (ms) => void story.push(`pause ${ms}`),
  })
  const settled = () => vi.waitFor(() => expect(outbox.empty).toBe(true))
  return { outbox, story, settled }
}

describe('an outbox', () => {
  test('sends one after the other, in the order written', async () => {
    const { outbox, story, settled } = world([{ seq: 1 }, { seq: 2 }])
    outbox.post({ clientId: 'a', text: 'x' })
    outbox.post({ clientId: 'b', text: 'y' })
    await settled()
    expect(story).toEqual(['send a', 'delivered a 1', 'send b', 'delivered b 2'])
  })

  test('repeats a message whose answer was lost under the same clientId, once there is a connection', async () => {
    const { outbox, story, settled } = world([{ code: 11, message: 'connection closed' }, { seq: 7 }])
    outbox.post({ clientId: 'a', text: 'x' })
    await settled()
    expect(story).toEqual([
      'send a',
      'stalled a unreachable',
      'online',
      'pause 200',
      'online',
      'resent a',
      'send a',
      'delivered a 7',
    ])
  })

  test('waits as long as the refusal says when it was too fast', async () => {
    const { outbox, story, settled } = world([{ code: 111, message: 'try again in 1500 ms' }, { seq: 1 }])
    outbox.post({ clientId: 'a', text: 'x' })
    await settled()
    expect(story).toContain('pause 1500')
    expect(story.at(-1)).toBe('delivered a 1')
  })

  test('a message that is refused does not hold up the next', async () => {
    const { outbox, story, settled } = world([{ code: 413, message: 'too large' }, { seq: 2 }])
    outbox.post({ clientId: 'a', text: 'x' })
    outbox.post({ clientId: 'b', text: 'y' })
    await settled()
    expect(story).toEqual(['send a', 'stalled a tooLarge', 'send b', 'delivered b 2'])
  })

  test('forgets what its author takes back, before it leaves and while its answer is awaited', async () => {
    const { outbox, story, settled } = world([{ code: 11, message: 'closed' }])
    outbox.post({ clientId: 'never', text: 'x' })
    outbox.cancel('never')
    await settled()
    outbox.post({ clientId: 'a', text: 'x' })
    while (!story.includes('send a')) await Promise.resolve()
    outbox.cancel('a')
    await settled()
    await Promise.resolve()
    expect(story.filter((step) => step.startsWith('send'))).toEqual(['send a'])
    expect(story).not.toContain('resent a')
  })
})

describe('a read cursor', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  test('reports the newest place and not every place, and never goes back', async () => {
    const told: number[] = []
    const cursor = new ReadCursor(async (seq) => void told.push(seq))
    for (const seq of [3, 4, 2, 9]) cursor.moveTo(seq, 0)
    await vi.runAllTimersAsync()
    cursor.moveTo(5, 0)
    cursor.moveTo(9, 9)
    await vi.runAllTimersAsync()
    expect(told).toEqual([3, 9])
  })

  test('a failure is made good by the next thing read', async () => {
    const told: number[] = []
    const cursor = new ReadCursor(async (seq) => {
      told.push(seq)
      if (told.length === 1) throw new Error('offline')
    })
    cursor.moveTo(3, 0)
    await vi.runAllTimersAsync()
    cursor.moveTo(3, 0)
    await vi.runAllTimersAsync()
    expect(told).toEqual([3, 3])
  })
})

describe('tokens', () => {
  test('are fetched once for all callers that ask at the same time, and again after a failure', async () => {
    let fetched = 0
    const tokens = new Tokens({
      getToken: async () => {
        fetched += 1
        if (fetched === 2) throw new Error('down')
        return `t${fetched}`
      },
    })
    expect(await Promise.all([tokens.current(), tokens.current()])).toEqual(['t1', 't1'])
    await expect(tokens.renew()).rejects.toThrow('down')
    expect(await tokens.current()).toBe('t3')
  })

  test('one that is given opens the socket, and when it is refused there is no other', async () => {
    const tokens = new Tokens({ token: 'mine' })
    expect(await tokens.forSocket()).toBe('mine')
    await expect(tokens.forSocket()).rejects.toThrow('the token has expired')
  })

  test('one that was fetched for a request opens the socket as well, and is renewed when the socket asks again', async () => {
    let fetched = 0
    const tokens = new Tokens({ getToken: async () => `t${++fetched}` })
    expect([await tokens.current(), await tokens.forSocket(), await tokens.forSocket()]).toEqual(['t1', 't1', 't2'])
  })
})
