import { describe, expect, test } from 'vitest'
import type { Publication } from '../../src/protocol/replies.ts'
import type { PublicationVersion, StreamVerb, TopicRules } from '../../src/protocol/stream.ts'
import { decideRetention, epochKeptMs } from '../../src/topics/retention.ts'
import type { KnownPlace, TopicLog } from '../../src/topics/ports.ts'
import { RecentPublishes } from '../../src/topics/recent-publishes.ts'
import { applyCommands, type TopicState } from '../../src/topics/apply-commands.ts'

const rules: TopicRules = { version: 1, historySize: 3, historyTtlSeconds: 60, joinLeave: true }

/** A log in memory that keeps the newest three. */
class Memory implements TopicLog {
  readonly all: Publication[] = []
  top = () => this.all.length
  floor = () => Math.max(1, this.all.length - 2)
  range = (after: number, upTo: number, limit: number) => this.all.slice(after, Math.min(upTo, after + limit))
  append(said: Omit<Publication, 'offset'>): Publication {
    const publication = { offset: this.all.length + 1, ...said }
    this.all.push(publication)
    return publication
  }
}

function topicWith(more: Partial<TopicRules> = {}): TopicState {
  const keys = new Map<string, KnownPlace>()
  let version: PublicationVersion | undefined
  return {
    epoch: more.historySize === 0 ? '' : 'e',
    rules: { ...rules, ...more },
    log: new Memory(),
    keys: { find: (key) => keys.get(key), note: (key, place) => void keys.set(key, place) },
    recent: new RecentPublishes(),
    version: { get: () => version, set: (next) => (version = next) },
    now: 0,
  }
}

const alice = { user: 'alice', client: 'a1' }
const run = (topic: TopicState, ...verbs: StreamVerb[]) =>
  applyCommands(
    topic,
    verbs.map((verb) => ({ ...alice, ...verb })),
  )
const says = (n: number, more: object = {}) => ({ kind: 'publish' as const, data: `${n}`, ...more })
const listens = (more: object = {}) => ({ kind: 'subscribe' as const, joinLeave: false, ...more })

describe('a topic', () => {
  test('numbers publications and names their author, with what others may see of the author', () => {
    const applied = run(topicWith(), says(1, { infos: { connInfo: '{"n":1}' }, tags: { k: 'v' } }), says(2))
    expect(applied.publications).toEqual([
      { offset: 1, data: '1', info: { ...alice, connInfo: '{"n":1}' }, tags: { k: 'v' } },
      { offset: 2, data: '2', info: alice },
    ])
    expect(applied.results[1]).toEqual({ kind: 'done', data: '{"offset":2,"epoch":"e"}' })
  })

  test('publishes nothing about the tenant’s own server but its publications', () => {
    const command = { user: '', client: '', server: true, ...says(1) }
    expect(applyCommands(topicWith(), [command]).publications).toEqual([{ offset: 1, data: '1' }])
  })

  test('says once what has one name, or one key', () => {
    const topic = topicWith()
    const applied = run(topic, says(1, { once: 'x' }), says(1, { once: 'x' }), says(2, { idempotencyKey: 'k' }))
    const again = run(topic, says(2, { idempotencyKey: 'k' }), says(1, { once: 'x' }), says(3))
    expect(applied.publications).toHaveLength(2)
    expect(again.publications).toMatchObject([{ offset: 3, data: '3' }])
    expect(again.results[0]).toEqual(applied.results[2])
  })

  test('passes on without a place what it does not keep', () => {
    const applied = run(topicWith({ historySize: 0 }), says(1, { tags: { k: 'v' } }))
    expect(applied.publications).toEqual([])
    expect(applied.events).toEqual([{ kind: 'pub', data: '1', info: alice, tags: { k: 'v' } }])
    expect(applied.results).toEqual([{ kind: 'done', data: '{"offset":0,"epoch":""}' }])
  })

  test('recovers within what it keeps, and says so where it cannot', () => {
    const topic = topicWith()
    run(topic, says(1), says(2), says(3), says(4))
    const from = (offset: number, epoch = 'e') => run(topic, listens({ since: { offset, epoch } })).results[0]
    expect(from(1)).toMatchObject({
      recovered: true,
      offset: 1,
      publications: [{ offset: 2 }, { offset: 3 }, { offset: 4 }],
    })
    expect(from(0)).toMatchObject({ wasRecovering: true, recovered: false, offset: 4, publications: [] })
    expect(from(4)).toMatchObject({ recovered: true, offset: 4, publications: [] })
    expect(from(5)).toMatchObject({ recovered: false })
    expect(from(4, 'other')).toMatchObject({ recovered: false })
  })

  test('publishes joins and leaves by connection, where that is wanted', () => {
    const coming: StreamVerb[] = [listens({ infos: { chanInfo: '1' } }), { kind: 'leave', last: true }]
    expect(run(topicWith(), ...coming).events).toEqual([
      { kind: 'join', info: { ...alice, chanInfo: '1' } },
      { kind: 'leave', info: alice },
    ])
    expect(run(topicWith({ joinLeave: false }), ...coming).events).toEqual([])
  })

  test('has no messages', () => {
    expect(run(topicWith(), { kind: 'command', name: 'conversation.typing', input: {} }).results).toMatchObject([
      { kind: 'refused', error: 'badRequest' },
    ])
  })
})

describe('the alarm of a topic', () => {
  const standing = {
    now: 1_000_000,
    expiresAt: undefined,
    hasSubscribers: false,
    keepsHistory: true,
    idleSince: 1_000_000,
  }

  test('it comes back when its oldest entry is too old, but not for each entry by itself', () => {
    expect(decideRetention({ ...standing, expiresAt: 1_005_000 })).toEqual({ kind: 'again', at: 1_005_000 })
    expect(decideRetention({ ...standing, expiresAt: 1_000_001 })).toEqual({ kind: 'again', at: 1_001_000 })
  })

  test('it rests while there is a subscriber', () => {
    expect(decideRetention({ ...standing, hasSubscribers: true, idleSince: 0 })).toEqual({ kind: 'rest' })
  })

  test('it is deleted, its epoch too, when no client has come for thirty days; without history after a minute', () => {
    expect(decideRetention(standing)).toEqual({ kind: 'again', at: standing.now + epochKeptMs })
    expect(decideRetention({ ...standing, idleSince: standing.now - epochKeptMs })).toEqual({ kind: 'forget' })
    const passing = { ...standing, keepsHistory: false }
    expect(decideRetention(passing)).toEqual({ kind: 'again', at: standing.now + 60_000 })
    expect(decideRetention({ ...passing, idleSince: standing.now - 60_000 })).toEqual({ kind: 'forget' })
  })
})

test('recent publications are remembered up to a bound', () => {
  const recent = new RecentPublishes()
  for (let n = 0; n < 1100; n++) recent.note(`${n}`, { offset: n, epoch: 'e' })
  expect(recent.find('0')).toBeUndefined()
  expect(recent.find('1099')).toEqual({ offset: 1099, epoch: 'e' })
})
