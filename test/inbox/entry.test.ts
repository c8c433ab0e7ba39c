import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decideAdvance, decideRemoval, toEvent, type InboxEntry, type InboxUpdate } from '../../src/inbox/entry.ts'
import { decodeCursor, encodeCursor, needsCounts, toListItem } from '../../src/inbox/list.ts'

const news = (more: Partial<InboxUpdate> = {}): InboxUpdate => ({
  conversation: 'lunch',
  type: 'group',
  name: 'Lunch',
  last: 1,
  read: 0,
  at: 100,
  preview: { user: 'alice', text: 'Hungry?' },
  members: ['alice', 'bob'],
  memberCount: 2,
  version: 1,
  ...more,
})

const first = (more: Partial<InboxUpdate> = {}): InboxEntry => decideAdvance(undefined, news(more), 1)!

describe('an update of a conversation', () => {
  test('make an entry, and the same again says nothing', () => {
    expect(first()).toMatchObject({ conversation: 'lunch', offset: 1, removed: false })
    expect(decideAdvance(first(), news(), 2)).toBeUndefined()
  })

  test('move the end and the cursor forward only', () => {
    const entry = first({ last: 5, read: 3 })
    expect(decideAdvance(entry, news({ last: 6, read: 1 }), 2)).toMatchObject({ last: 6, read: 3, offset: 2 })
    expect(decideAdvance(entry, news({ last: 2, read: 4 }), 2)).toMatchObject({ last: 5, read: 4 })
    expect(decideAdvance(entry, news({ last: 2, read: 1 }), 2)).toBeUndefined()
  })

  test('that are older keep the name, the members and the newest words', () => {
    const entry = first({ last: 5, version: 3, name: 'Dinner' })
    const late = news({ last: 4, read: 2, version: 2, name: 'Lunch', preview: { user: 'bob', text: 'old' } })
    expect(decideAdvance(entry, late, 2)).toMatchObject({ name: 'Dinner', preview: { text: 'Hungry?' }, read: 2 })
  })

  test('come back to an entry that was removed only if they are newer than the removal', () => {
    const removed = decideRemoval(first({ version: 2 }), 3, 2)!
    expect(removed).toMatchObject({ removed: true, preview: null, offset: 2 })
    expect(decideAdvance(removed, news({ last: 9, version: 2 }), 3)).toBeUndefined()
    expect(decideAdvance(removed, news({ last: 9, version: 4 }), 3)).toMatchObject({ removed: false, last: 9 })
  })

  test('of a removal are late when the conversation is newer, and said once', () => {
    expect(decideRemoval(first({ version: 4 }), 3, 2)).toBeUndefined()
    const removed = decideRemoval(first({ version: 2 }), 3, 2)
    expect(decideRemoval(removed, 3, 3)).toBeUndefined()
    // The user may have been a member again, and told so, although that never came here.
    expect(decideRemoval(removed, 5, 4)).toMatchObject({ removed: true, version: 5, offset: 4 })
    expect(decideRemoval(undefined, 3, 1)).toBeUndefined()
  })

  test('of a join, with everything read, hold the user’s state; later updates without it leave the counts as they are', () => {
    const joined = first({ last: 5, read: 5, number: 4 })
    expect(joined.state).toEqual({ last: 5, number: 4, read: 5, unread: 0, mentions: 0 })
    const later = decideAdvance(joined, news({ last: 9, read: 5, number: 8, version: 2, name: 'Dinner' }), 2)!
    expect(later).toMatchObject({ name: 'Dinner', last: 5, state: joined.state, preview: joined.preview })
    expect(toListItem(later)).toMatchObject({ last: 5, read: 5, unread: 0, mentions: 0 })
  })

  test('without counts make an entry of the moment up to which the user has read', () => {
    const entry = first({ last: 9, read: 5, number: 8 })
    expect(needsCounts(entry)).toBe(true)
    expect(toListItem(entry)).toMatchObject({ last: 5, read: 5, unread: 0 })
    expect(needsCounts(first({ last: 9, read: 5 }))).toBe(false)
  })

  test('with the user’s state replace an older one', () => {
    const state = { last: 9, number: 8, read: 5, unread: 3, mentions: 1 }
    const told = decideAdvance(first({ last: 9, read: 5 }), news({ last: 9, read: 5, number: 8, state }), 2)!
    expect(toListItem(told)).toMatchObject({ last: 9, read: 5, unread: 3, mentions: 1 })
    expect(decideAdvance(told, news({ last: 9, read: 5, number: 8, state }), 3)).toBeUndefined()
    const older = { ...state, last: 7, unread: 1 }
    expect(decideAdvance(told, news({ last: 7, read: 5, number: 6, state: older }), 3)).toBeUndefined()
  })

  test('of an earlier version of the conversation count by its rule also after a state', () => {
    const joined = first({ last: 5, read: 5, number: 4 })
    const old = decideAdvance(joined, news({ last: 8, read: 6, uncounted: [7] }), 2)!
    expect(toListItem(old)).toMatchObject({ last: 8, read: 6, unread: 1 })
    const read = decideAdvance(joined, news({ last: 5, read: 5 }), 2)
    expect(read).toBeUndefined()
  })

  test('lead to the same entry in whatever order and however often they come', () => {
    const step = fc
      .record({ last: fc.nat(20), read: fc.nat(20) })
      .map(({ last, read }) => news({ last, read: Math.min(last, read) }))
    const fold = (all: readonly InboxUpdate[]) =>
      all.reduce<InboxEntry | undefined>(
        (known, one, index) => decideAdvance(known, one, index + 1) ?? known,
        undefined,
      )
    fc.assert(
      fc.property(
        fc
          .array(step, { minLength: 1, maxLength: 10 })
          .chain((all) =>
            fc.tuple(fc.constant(all), fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length })),
          ),
        ([all, mixed]) => {
          const [one, other] = [fold(all), fold(mixed)]
          expect([other?.last, other?.read]).toEqual([one?.last, one?.read])
          expect(one?.last).toBe(Math.max(...all.map(({ last }) => last)))
        },
      ),
    )
  })
})

describe('the events and the list of a user', () => {
  test('counts unread as what lies between cursor and end', () => {
    const entry = first({ last: 7, read: 5 })
    expect(JSON.parse(toEvent(entry))).toMatchObject({
      type: 'unread',
      conversation: 'lunch',
      last: 7,
      read: 5,
      unread: 2,
    })
    expect(toListItem(entry)).toMatchObject({ id: 'lunch', unread: 2 })
  })

  test('of a removed conversation is its name alone', () => {
    const removed = decideRemoval(first(), 2, 2)!
    expect(JSON.parse(toEvent(removed))).toEqual({ type: 'removed', conversation: 'lunch' })
  })
})

describe('a cursor', () => {
  test('leads back to its place and stands in a URL as it is', () => {
    fc.assert(
      fc.property(fc.nat(), fc.stringMatching(/^[\w-]{1,64}$/), (at, conversation) => {
        const word = encodeCursor({ at, conversation })
        expect(encodeURIComponent(word)).toBe(word)
        expect(decodeCursor(word)).toEqual({ at, conversation })
      }),
    )
  })

  test('that is none of ours is nothing', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void decodeCursor(text)))
    for (const text of ['', 'x', btoa('[]'), btoa('[1]'), btoa('[-1,"a"]'), btoa('["1","a"]'), btoa('{}')])
      expect(decodeCursor(text)).toBeUndefined()
  })
})
