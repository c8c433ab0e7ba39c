import { describe, expect, test } from 'vitest'
import { checkHistory } from '../support/history-checks.ts'
import { type Entry, History } from '../support/history.ts'

const conversation = { tenant: 'acme', conversation: 'c' }

/** A story without a fault: two people write in turn, a third listens, reads and counts. */
function story() {
  let now = 0
  const history = new History(() => ++now)
  const log: Entry[] = []
  const say = (user: string, clientId: string) => {
    const entry: Entry = { ...conversation, seq: log.length + 1, user, clientId, body: `${user} says ${clientId}` }
    log.push(entry)
    history.invoke(`${user}'s phone`, { ...conversation, user, clientId }, entry.body).ok(entry.seq)
    return entry
  }
  history.joined('carol', conversation.tenant, conversation.conversation, 0)
  for (let n = 1; n <= 5; n++) history.hear('carol', say(n % 2 === 0 ? 'bob' : 'alice', `m${n}`))
  const read = (top: number) => {
    const at = { invokedAt: history.now(), endedAt: history.now() }
    history.read({ ...conversation, ...at, session: `alice's phone`, top, entries: log.slice(0, top) })
  }
  read(5)
  history.count({ ...conversation, user: 'bob', last: 5, read: 4, unread: 1 })
  return { history, log, say, read }
}

const brokenIn = ({ history, log }: Pick<ReturnType<typeof story>, 'history' | 'log'>) => [
  ...new Set(checkHistory(history, log).map(({ check }) => check)),
]

function nth<T>(list: readonly T[], index: number): T {
  const found = list[index]
  if (found === undefined) throw new Error(`there is no ${index}th`)
  return found
}

/** The entry a story has at its second place, changed. */
const second = (log: readonly Entry[], change: Partial<Entry>): Entry => ({ ...nth(log, 1), ...change })

test('a story without a fault passes', () => {
  expect(checkHistory(story().history, story().log)).toEqual([])
})

test('a send without an answer may be in the log or not, and again under its clientId', () => {
  const { history, log } = story()
  history.invoke('x', { ...conversation, user: 'dave', clientId: 'never came' }, 'dave says never came')
  history.invoke('x', { ...conversation, user: 'dave', clientId: 'd1' }, 'dave says d1').unknown()
  const entry = { ...conversation, seq: 6, user: 'dave', clientId: 'd1', body: 'dave says d1' }
  log.push(entry)
  history.hear('carol', entry)
  history.invoke('x', { ...conversation, user: 'dave', clientId: 'd1' }, 'dave says d1').ok(6)
  expect(brokenIn({ history, log })).toEqual(['unread equals the recount'])
})

test('a listener that left need not receive the end', () => {
  const { history, log, say } = story()
  say('alice', 'm6')
  expect(brokenIn({ history, log })).toContain('a stream is a run without a gap')
  history.leave('carol')
  expect(brokenIn({ history, log })).toEqual(['unread equals the recount'])
})

test('a listener that comes back where it was goes on', () => {
  const { history, log, say } = story()
  history.joined('carol', conversation.tenant, conversation.conversation, 5)
  history.hear('carol', say('alice', 'm6'))
  expect(brokenIn({ history, log })).toEqual(['unread equals the recount'])
})

describe('sees', () => {
  test('an acknowledged message missing from the log', () => {
    const { history, log } = story()
    history.invoke('x', { ...conversation, user: 'dave', clientId: 'lost' }, 'dave says lost').ok(6)
    expect(brokenIn({ history, log })).toEqual(['acknowledged is in the log exactly once'])
  })

  test('an acknowledged message twice in the log', () => {
    const { history, log } = story()
    log.push(second(log, { seq: 6 }))
    history.hear('carol', nth(log, 5))
    expect(brokenIn({ history, log })).toEqual([
      'acknowledged is in the log exactly once',
      'one clientId has one seq',
      'unread equals the recount',
    ])
  })

  test('an acknowledged message with other words', () => {
    const { history, log } = story()
    log[1] = second(log, { body: 'something else' })
    expect(brokenIn({ history, log })).toContain('acknowledged is in the log exactly once')
  })

  test('two seqs acknowledged for one clientId', () => {
    const { history, log } = story()
    history.invoke('x', { ...conversation, user: 'bob', clientId: 'm2' }, 'bob says m2').ok(3)
    expect(brokenIn({ history, log })).toContain('one clientId has one seq')
  })

  test('a refused message in the log', () => {
    const { history, log } = story()
    const entry = { ...conversation, seq: 6, user: 'dave', clientId: 'no', body: 'dave says no' }
    history.invoke('x', entry, entry.body).fail()
    log.push(entry)
    expect(brokenIn({ history, log })).toContain('what was refused or never sent is not in the log')
  })

  test('a message that was never sent', () => {
    const { history, log } = story()
    log.push({ ...conversation, seq: 6, user: 'dave', clientId: 'ghost', body: 'boo' })
    expect(brokenIn({ history, log })).toContain('what was refused or never sent is not in the log')
  })

  test('a hole in the log', () => {
    const { history, log } = story()
    log.splice(1, 1)
    expect(brokenIn({ history, log })).toContain('the log is dense from 1')
  })

  test('two entries at one place', () => {
    const { history, log } = story()
    log.push(second(log, { clientId: null, body: 'a change' }))
    expect(brokenIn({ history, log })).toContain('the log is dense from 1')
  })

  test.each([
    ['misses one', [0, 2, 3, 4]],
    ['hears one twice', [0, 1, 1, 2, 3, 4]],
    ['hears two the wrong way round', [0, 2, 1, 3, 4]],
    ['does not hear the last', [0, 1, 2, 3]],
  ])('a listener that %s', (_, places) => {
    const { history, log } = story()
    history.joined('dave', conversation.tenant, conversation.conversation, 0)
    for (const place of places) history.hear('dave', nth(log, place))
    expect(brokenIn({ history, log })).toEqual(['a stream is a run without a gap'])
  })

  test('a listener that is put further on when it comes back', () => {
    const { history, log } = story()
    history.joined('dave', conversation.tenant, conversation.conversation, 0)
    history.hear('dave', nth(log, 0))
    history.joined('dave', conversation.tenant, conversation.conversation, 5)
    expect(brokenIn({ history, log })).toEqual(['a stream is a run without a gap'])
  })

  test('other words at the same place', () => {
    const { history, log } = story()
    history.joined('dave', conversation.tenant, conversation.conversation, 1)
    for (const entry of [second(log, { body: 'whispered' }), ...log.slice(2)]) history.hear('dave', entry)
    expect(brokenIn({ history, log })).toEqual(['every subscriber sees the same entry at the same seq'])
  })

  test('a page that differs from the log', () => {
    const { history, log } = story()
    history.read({ ...nth(history.reads, 0), entries: [second(log, { user: 'mallory' })] })
    expect(brokenIn({ history, log })).toContain('every subscriber sees the same entry at the same seq')
  })

  test('a message before one that was acknowledged before it was sent', () => {
    const { history, log } = story()
    const { endedAt } = nth(history.attempts, 1)
    Object.assign(nth(history.attempts, 0), { invokedAt: endedAt + 0.1, endedAt: endedAt + 0.2 })
    expect(brokenIn({ history, log })).toEqual(['order respects real time'])
  })

  test('a read without the own message before it', () => {
    const { history, log } = story()
    history.read({ ...conversation, session: `bob's phone`, invokedAt: 90, endedAt: 91, top: 3, entries: [] })
    expect(brokenIn({ history, log })).toEqual(['you read what you wrote'])
  })

  test('a read that goes back', () => {
    const { history, log, read } = story()
    history.attempts.length = 0
    read(4)
    expect(brokenIn({ history, log })).toContain('what was read stays read')
  })

  test.each([
    ['an unread count', { unread: 2 }],
    ['a last seq', { last: 6 }],
  ])('%s that is wrong', (_, change) => {
    const { history, log } = story()
    history.count({ ...conversation, user: 'alice', last: 5, read: 5, unread: 0, ...change })
    expect(brokenIn({ history, log })).toEqual(['unread equals the recount'])
  })

  test('words of another tenant', () => {
    const { history, log } = story()
    const foreign = { tenant: 'globex', conversation: 'c', seq: 1, user: 'eve', clientId: 'm1', body: 'alice says m1' }
    history.joined('eve', 'globex', 'c', 0)
    history.hear('eve', foreign)
    expect(brokenIn({ history, log: [...log, foreign] })).toContain('no tenant sees another')
  })
})

test('a hundred thousand messages are checked in seconds', () => {
  const { history, log, say } = story()
  for (let n = 6; n <= 100_000; n++) history.hear('carol', say('alice', `m${n}`))
  // Of this thread alone: others may have the cores in between.
  const began = process.threadCpuUsage()
  expect(brokenIn({ history, log })).toEqual(['unread equals the recount'])
  const { user, system } = process.threadCpuUsage(began)
  expect((user + system) / 1000).toBeLessThan(5000)
})
