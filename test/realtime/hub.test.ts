import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Publication } from '../../src/protocol/replies.ts'
import type { StreamUpdate } from '../../src/protocol/stream.ts'
import { Hub, type HubChannel } from '../../src/realtime/hub.ts'
import { fromAttachment, toAttachment, type Session } from '../../src/realtime/session.ts'
import { listener, passingTold, placesTold } from '../support/listener.ts'

const channel = 'conversation:lunch'
const silent = { changed: () => undefined, written: () => undefined }

const said = (first: number, last: number): Publication[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => ({ offset: first + n, data: `{"n":${first + n}}` }))

const news = (after: number, upTo: number, more: Partial<StreamUpdate> = {}): StreamUpdate => ({
  epoch: 'e',
  after,
  publications: said(after + 1, upTo),
  events: [],
  ...more,
})

/** A hub on which these connections listen from place `last` on. */
function hubWith(sessions: readonly Session[], last = 0) {
  const changed: Session[] = []
  const hub = new Hub({ ...silent, changed: (session) => void changed.push(session) })
  for (const session of sessions)
    hub.join(session, channel, { epoch: 'e', last, skip: last, joinLeave: false, since: 1 })
  return { hub, changed, state: () => hub.find('acme', channel)! }
}

describe('order', () => {
  test('each place is published once, whatever is repeated', () => {
    const alice = listener('alice')
    const { hub, state } = hubWith([alice])
    expect(hub.apply(state(), news(0, 2))).toBe('applied')
    expect(hub.apply(state(), news(0, 2))).toBe('applied')
    expect(hub.apply(state(), news(1, 4))).toBe('applied')
    expect(placesTold(alice)).toEqual([1, 2, 3, 4])
  })

  test('an entry beyond a gap is not published, and neither are its ephemeral events', () => {
    const alice = listener('alice')
    const { hub, state } = hubWith([alice])
    const typing = { kind: 'pub' as const, data: '{"type":"typing"}' }
    expect(hub.apply(state(), news(1, 2, { events: [typing] }))).toBe('gap')
    expect(placesTold(alice)).toEqual([])
    expect(passingTold(alice)).toEqual([])
    hub.apply(state(), news(0, 2))
    expect(placesTold(alice)).toEqual([1, 2])
  })

  test('another log is not published', () => {
    const alice = listener('alice')
    const { hub, state } = hubWith([alice])
    expect(hub.apply(state(), news(0, 1, { epoch: 'f' }))).toBe('otherEpoch')
    expect(placesTold(alice)).toEqual([])
  })

  test('a publication in a subscribe reply is not delivered to that subscriber again; others receive it', () => {
    const [alice, bob] = [listener('alice'), listener('bob')]
    const { hub, state } = hubWith([alice])
    hub.join(bob, channel, { epoch: 'e', last: 0, skip: 2, joinLeave: false, since: 1 })
    hub.apply(state(), news(0, 3))
    expect(placesTold(alice)).toEqual([1, 2, 3])
    expect(placesTold(bob)).toEqual([3])
  })

  test('of two tenants the same channel is two', () => {
    const alice = listener('alice')
    const stranger = Object.assign(listener('alice', 'other'), { tenant: 'globex' })
    const { hub, state } = hubWith([alice, stranger])
    hub.apply(state(), news(0, 1))
    expect(placesTold(stranger)).toEqual([])
  })

  test('however updates and answers overtake each other, no subscriber receives an offset twice, out of order or with a gap', () => {
    // The stream says `top` things; pieces of it arrive in any order, some twice, and people come and go meanwhile.
    const piece = fc.tuple(fc.nat(20), fc.nat(6))
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: piece.map(([after, length]) => ({
          kind: 'news' as const,
          after,
          upTo: Math.min(20, after + length),
        })),
      },
      { weight: 1, arbitrary: fc.nat(4).map((who) => ({ kind: 'come' as const, who })) },
      { weight: 1, arbitrary: fc.nat(4).map((who) => ({ kind: 'go' as const, who })) },
      { weight: 1, arbitrary: fc.constant({ kind: 'sleep' as const }) },
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let { hub, state } = hubWith([listener('first')])
        let top = 0
        const here = new Map<number, { session: Session; from: number }>()
        const heard: { places: number[]; from: number }[] = []
        const leave = (who: number) => {
          const gone = here.get(who)
          if (gone !== undefined) heard.push({ places: placesTold(gone.session), from: gone.from })
          here.delete(who)
        }
        for (const next of steps) {
          const known = state()
          if (next.kind === 'news') {
            const applied = hub.apply(known, news(next.after, next.upTo))
            if (applied === 'applied') top = Math.max(top, next.upTo)
            expect(applied).toBe(next.after > known.last ? 'gap' : 'applied')
            expect(known.last).toBe(top)
          } else if (next.kind === 'come' && !here.has(next.who)) {
            const session = listener(`user${next.who}`)
            // The subscribe reply may be ahead of what this gateway has told so far.
            const skip = top + (next.who % 3)
            hub.join(session, channel, { epoch: 'e', last: top, skip, joinLeave: false, since: 1 })
            here.set(next.who, { session, from: skip })
          } else if (next.kind === 'go') {
            const session = here.get(next.who)?.session
            if (session !== undefined) hub.leave(session, channel)
            leave(next.who)
          } else if (next.kind === 'sleep') {
            ;({ hub, state } = slept(known, here))
            expect(state().last).toBe(top)
          }
        }
        for (const who of here.keys()) leave(who)
        for (const { places, from } of heard)
          expect(places).toEqual(said(from + 1, Math.max(from, places.at(-1) ?? 0)).map(({ offset }) => offset))
      }),
      { numRuns: 300 },
    )
  })
})

/** The hub as it is after the gateway slept: all it knows is what the sockets' attachments hold. */
function slept(before: HubChannel, here: Map<number, { session: Session; from: number }>) {
  const hub = new Hub(silent)
  for (const session of before.sessions) {
    const woken = fromAttachment(structuredClone(toAttachment(session)))
    woken.outgoing.push(...session.outgoing)
    for (const [who, known] of here) if (known.session === session) here.set(who, { ...known, session: woken })
    for (const subscription of woken.subscriptions.values()) hub.restore(woken, subscription)
  }
  return { hub, changed: [], state: () => hub.find('acme', channel)! }
}

describe('the keeper of a place', () => {
  const keptBy = (session: Session) => session.subscriptions.get(channel)?.kept

  test('is the first listener, and its attachment knows every step', () => {
    const [alice, bob] = [listener('alice'), listener('bob')]
    const { hub, state, changed } = hubWith([alice, bob])
    changed.length = 0
    hub.apply(state(), news(0, 3))
    expect([keptBy(alice), keptBy(bob)]).toEqual([3, -1])
    expect(changed).toEqual([alice])
  })

  test('hands over when it leaves', () => {
    const [alice, bob] = [listener('alice'), listener('bob')]
    const { hub, state } = hubWith([alice, bob])
    hub.apply(state(), news(0, 3))
    expect(hub.leave(alice, channel)).toEqual({ last: false })
    expect(keptBy(bob)).toBe(3)
    expect(hub.leave(bob, channel)).toEqual({ last: true })
    expect(hub.find('acme', channel)).toBeUndefined()
    expect(hub.leave(bob, channel)).toBeUndefined()
  })
})

describe('passing things', () => {
  test('comings and goings go to those who asked, typing to all but the one who types', () => {
    const [curious, other] = [listener('alice'), listener('bob')]
    const { hub, state } = hubWith([other])
    hub.join(curious, channel, { epoch: 'e', last: 0, skip: 0, joinLeave: true, since: 1 })
    const info = { user: 'carol', client: 'carol' }
    hub.apply(
      state(),
      news(0, 0, {
        events: [
          { kind: 'join', info },
          { kind: 'leave', info },
        ],
      }),
    )
    hub.apply(state(), news(0, 0, { events: [{ kind: 'pub', data: '{"type":"typing"}', except: 'bob' }] }))
    expect(passingTold(curious)).toEqual(['join', 'leave', 'typing'])
    expect(passingTold(other)).toEqual([])
  })

  test('a subscriber that leaves receives nothing of it', () => {
    const alice = listener('alice')
    const { hub } = hubWith([])
    hub.join(alice, channel, { epoch: 'e', last: 0, skip: 0, joinLeave: true, since: 1 })
    const info = { user: 'alice', client: 'alice' }
    hub.apply(hub.find('acme', channel)!, news(0, 0, { events: [{ kind: 'leave', info }] }))
    expect(passingTold(alice)).toEqual([])
  })

  test('presence lists every subscriber, by connection', () => {
    const { hub } = hubWith([listener('alice', 'desk'), listener('alice', 'phone')])
    expect(hub.presence('acme', channel)).toEqual([
      { user: 'alice', client: 'desk', since: 1 },
      { user: 'alice', client: 'phone', since: 1 },
    ])
    expect(hub.presence('acme', 'conversation:other')).toEqual([])
  })
})
